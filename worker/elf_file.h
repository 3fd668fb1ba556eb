/* SPDX-License-Identifier: Apache-2.0 */
/* What an executable, a library or a file of debug information says about itself. The files come
 * from this machine, a package or a download, and are read as if they were hostile. */
#ifndef RETRACE_WORKER_ELF_FILE_H
#define RETRACE_WORKER_ELF_FILE_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

typedef struct worker_elf_file_t {
    const char *build_id;         /* NT_GNU_BUILD_ID, lower-case hexadecimal; NULL without one */
    const char *soname;           /* DT_SONAME; NULL without one, or when it is no file name: empty,
                                     ".", "..", or with a '/' */
    const char *interpreter;      /* PT_INTERP; NULL without one */
    const char *debuglink;        /* .gnu_debuglink; NULL without one, or when it is no file name */
    const char *altlink;          /* path of .gnu_debugaltlink (dwz); NULL without one */
    const char *altlink_build_id; /* its build-id, lower-case hexadecimal; NULL without one */
    bool has_debug_info;          /* .debug_info (or .zdebug_info) with content in this very file */
    bool has_code;                /* some PT_LOAD with PF_X, and with sections also one of them with
                                     code, has bytes in the file: not a .debug */
} worker_elf_file_t;

/**
 * Read an ELF file.
 * @param pfile  in p; written only on success
 * @param fd     open for reading, seekable; not closed
 * @return APR_EINVAL  the file is not ELF, or contradicts itself, as one does that was cut off
 *         other       it cannot be read
 */
apr_status_t worker_elf_file_read(worker_elf_file_t **pfile, int fd, retrace_error_t *err,
                                  apr_pool_t *p);

#endif
