/* SPDX-License-Identifier: Apache-2.0 */
/* What a core dump says about the crash: architecture, threads, signal, and the files that were
 * mapped, with their build-ids. Reads ELF headers, notes and the first page of each mapping, never
 * the whole file; it never opens a path that the core names, since whoever made the core chose it.
 * Formats: core(5), elf(5), NT_FILE as written by Linux (fs/binfmt_elf.c), the ELF package note
 * (systemd.io/ELF_PACKAGE_METADATA). */
#ifndef RETRACE_WORKER_CORE_H
#define RETRACE_WORKER_CORE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define WORKER_CORE_MAX_THREADS  16384  /* threads listed; more are counted only */
#define WORKER_CORE_MAX_MODULES  4096   /* mapped files; more are an error */
#define WORKER_CORE_MAX_SEGMENTS 262144 /* program headers, entries of NT_FILE; more: an error */
#define WORKER_CORE_MAX_NOTES    (64 * 1024 * 1024) /* bytes of PT_NOTE that are read */
#define WORKER_CORE_MAX_PATH     4096 /* bytes of a path in NT_FILE; longer is an error */

/** One file that was mapped into the crashed process. Strings are never NULL unless said so. */
typedef struct worker_module_t {
    const char *path; /* from NT_FILE as it came: untrusted, to compare and print only */
    uint64_t start;   /* lowest and one past the highest mapped address */
    uint64_t end;
    const char *build_id;        /* lower-case hexadecimal; NULL when the core does not hold it */
    bool is_elf;                 /* its first page is in the core and is an ELF header */
    const char *package_type;    /* package note: "rpm", "deb"; NULL without. A hint, untrusted */
    const char *package_name;    /* likewise */
    const char *package_version; /* likewise */
    const char *package_arch;    /* likewise */
    const char *package_os_cpe;  /* likewise: osCpe */
} worker_module_t;

typedef struct worker_core_t {
    unsigned int machine; /* EM_* of the ELF header */
    bool is_64bit;
    bool is_big_endian;
    const char *arch;            /* name as packages use it: x86_64, i386, aarch64, armhfp, ppc64le,
                                    ppc64, s390x; "unknown" for any other */
    int pid;                     /* of the process, as it was; 0 unknown */
    const char *command;         /* pr_fname, at most 16 bytes; control characters, and bytes that
                                    are not UTF-8, become '?' */
    const char *arguments;       /* pr_psargs, at most 80 bytes; likewise */
    int signal;                  /* that killed it; 0 unknown */
    bool has_siginfo;            /* the next three come from NT_SIGINFO */
    int signal_code;             /* si_code */
    uint64_t fault_address;      /* si_addr of SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP that the
                                    kernel sent; else 0 */
    int sender_pid;              /* si_pid when si_code says that a process sent it; else 0 */
    apr_array_header_t *threads; /* of int: thread ids, the crashed one first */
    unsigned int thread_count;   /* may exceed the array */
    apr_array_header_t *modules; /* of worker_module_t, by start address; the vdso is not one */
    const worker_module_t *program; /* the executable: the module with AT_PHDR; NULL unknown */
    bool is_truncated;              /* the file ends before its last segment does */
} worker_core_t;

/**
 * Read a core dump.
 * @param pcore  the result, in p; written only on success
 * @param fd     open for reading, seekable; not closed
 * @return APR_EINVAL  the file is not the core dump of a process (ELF, at least one thread),
 *                     contradicts itself or breaks a limit above; err says which
 *         other       it cannot be read
 * Safe with any content of the file. Never logs.
 */
apr_status_t worker_core_read(worker_core_t **pcore, int fd, retrace_error_t *err, apr_pool_t *p);

/** The file that was mapped at an address; NULL for none. Of several it is the one that begins
 * nearest to it. Pure. */
const worker_module_t *worker_core_module_at(const worker_core_t *core, uint64_t address);

#endif
