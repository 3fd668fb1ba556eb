/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the core reader share: the core's memory, and the reader's state. */
#ifndef RETRACE_WORKER_CORE_PRIVATE_H
#define RETRACE_WORKER_CORE_PRIVATE_H

#include "worker/core.h"
#include "worker/elf_decode.h"

/**
 * Copy text up to its first NUL or to size. What could fool a terminal, a log or a JSON reader,
 * which is control characters and bytes that are not UTF-8, becomes '?'.
 */
const char *worker_core_text(const unsigned char *bytes, size_t size, apr_pool_t *p);

/** The PT_LOADs of a core, clipped to the file, by address: baton of worker_core_memory_read. */
typedef struct worker_core_memory_t {
    worker_elf_source_t *source;
    worker_elf_segment_t *loads;
    size_t count;
} worker_core_memory_t;

/** Bring the loads into the order that worker_core_memory_read relies on. */
void worker_core_memory_sort(worker_core_memory_t *memory);

/** Fetch memory of the crashed process; where is an address. See worker_elf_read_fn. */
apr_status_t worker_core_memory_read(void *baton, uint64_t where, void *buffer, size_t size);

/** One core dump while it is being read. */
typedef struct worker_core_reader_t {
    worker_elf_source_t source;
    worker_elf_t elf;
    worker_core_memory_t memory;
    worker_core_t *core;
    uint64_t program_headers; /* AT_PHDR; 0 unknown */
    worker_elf_note_t files;  /* NT_FILE; content is NULL before it was seen */
    bool has_process;         /* NT_PRPSINFO was seen */
    retrace_error_t *err;
    apr_pool_t *p;       /* the result's */
    apr_pool_t *scratch; /* dies with the reader */
} worker_core_reader_t;

/**
 * Take in the notes of one PT_NOTE segment. The reader keeps pointers into bytes.
 * @param is_cut  the file ends within the segment, so its last note may be incomplete
 * @return APR_EINVAL  a note contradicts itself; the reader's err says which
 */
apr_status_t worker_core_read_notes(worker_core_reader_t *reader, const unsigned char *bytes,
                                    size_t size, uint64_t align, bool is_cut);

/** Take type, name, version, arch and osCpe from an FDO package note, or nothing if ill-formed. */
void worker_core_read_package(worker_module_t *module, const worker_elf_note_t *note,
                              apr_pool_t *p);

/**
 * Make core->modules and core->program of the reader's NT_FILE and memory.
 * @return APR_EINVAL  NT_FILE contradicts itself or breaks a limit; the reader's err says how
 */
apr_status_t worker_core_read_modules(worker_core_reader_t *reader);

#endif
