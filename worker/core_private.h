/* SPDX-License-Identifier: Apache-2.0 */
/* What core*.c and elf_file.c share: ELF structures decoded from bytes that are fetched through a
 * bounded callback, so that one set of checks serves a file and a mapping inside a core dump. Only
 * the constants of <elf.h> are used: both classes and byte orders come from one decoder, and no
 * library ever sees, maps or caches the hostile file. */
#ifndef RETRACE_WORKER_CORE_PRIVATE_H
#define RETRACE_WORKER_CORE_PRIVATE_H

#include <elf.h>
#include <stddef.h>

#include "worker/core.h"

/**
 * Fetch exactly size bytes.
 * @return APR_EOF  some of them do not exist there
 *         other    the system's reason
 */
typedef apr_status_t (*worker_elf_read_fn)(void *baton, uint64_t where, void *buffer, size_t size);

/** A file as source of bytes: baton of worker_elf_source_read. */
typedef struct worker_elf_source_t {
    int fd;
    uint64_t size;
} worker_elf_source_t;

/** The decoded ELF header. */
typedef struct worker_elf_t {
    worker_elf_read_fn read;
    void *baton;
    uint64_t base; /* where the header is: 0 in a file, an address in a core's memory */
    bool is_64bit;
    bool is_big_endian;
    bool has_lost_counts; /* section 0, which tells what the header cannot, lies beyond the end */
    unsigned int type;
    unsigned int machine;
    uint64_t phoff;
    uint64_t shoff;
    uint64_t phnum;
    uint64_t shnum;
    uint64_t shstrndx;
} worker_elf_t;

typedef struct worker_elf_segment_t {
    unsigned int type;
    unsigned int flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
} worker_elf_segment_t;

typedef struct worker_elf_note_t {
    unsigned int type;
    size_t owner_size;
    const unsigned char *owner; /* into the caller's bytes; NUL is not promised */
    size_t size;
    const unsigned char *content; /* likewise */
} worker_elf_note_t;

/** How a walk over notes goes on. */
typedef enum worker_elf_step_t {
    WORKER_ELF_NEXT,
    WORKER_ELF_END,
    WORKER_ELF_BROKEN
} worker_elf_step_t;

/** Fetch from the file; where counts from its first byte. See worker_elf_read_fn. */
apr_status_t worker_elf_source_read(void *baton, uint64_t where, void *buffer, size_t size);

/** Decode an unsigned number of 1 to 8 bytes in the file's byte order. */
uint64_t worker_elf_number(const worker_elf_t *elf, const unsigned char *bytes, size_t width);

/** Bytes of an address in this class: 4 or 8. */
size_t worker_elf_word(const worker_elf_t *elf);

/** Bytes of one program header in this class. */
size_t worker_elf_segment_size(const worker_elf_t *elf);

/** Bytes of one section header in this class. */
size_t worker_elf_section_size(const worker_elf_t *elf);

/**
 * Read and check the ELF header at base.
 * @param elf  written on success only; keeps read and baton
 * @return APR_EINVAL  no ELF header is there, or one with structures of unknown size
 *         other       it cannot be read
 */
apr_status_t worker_elf_open(worker_elf_t *elf, worker_elf_read_fn read, void *baton,
                             uint64_t base);

/**
 * Read the program headers.
 * @param psegments  elf->phnum of them, in p; the caller has compared phnum with its limit
 * @return APR_EOF  the table is not all there
 */
apr_status_t worker_elf_segments(worker_elf_segment_t **psegments, const worker_elf_t *elf,
                                 apr_pool_t *p);

/**
 * Take one note from the bytes of a note segment or section.
 * @param note     set for WORKER_ELF_NEXT; points into bytes
 * @param pcursor  position of the note, 0 at first; moved behind it
 * @param align    of the segment; 8 pads to 8 bytes, anything else to 4
 * @return WORKER_ELF_BROKEN  the note reaches beyond the bytes
 */
worker_elf_step_t worker_elf_note_next(worker_elf_note_t *note, size_t *pcursor,
                                       const worker_elf_t *elf, const unsigned char *bytes,
                                       size_t size, uint64_t align);

/** Is it this owner's note of this type? */
bool worker_elf_note_is(const worker_elf_note_t *note, const char *owner, unsigned int type);

/** Lower-case hexadecimal of a GNU build-id note, in p; NULL for any other note or a bad length. */
const char *worker_elf_note_build_id(const worker_elf_note_t *note, apr_pool_t *p);

/** Lower-case hexadecimal, in p; NULL outside of WORKER_BUILD_ID_MIN and _MAX bytes. */
const char *worker_elf_hex(const unsigned char *bytes, size_t size, apr_pool_t *p);

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
