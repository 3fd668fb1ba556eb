/* SPDX-License-Identifier: Apache-2.0 */
/* ELF structures decoded from bytes that are fetched through a bounded callback, so that one set of
 * checks serves a file and a mapping inside a core dump. Only the constants of <elf.h> are used:
 * both classes and byte orders come from one decoder, and no library ever sees, maps or caches the
 * hostile file. */
#ifndef RETRACE_WORKER_ELF_DECODE_H
#define RETRACE_WORKER_ELF_DECODE_H

#include <apr_pools.h>
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_BUILD_ID_MIN 8  /* bytes; shorter ones are ignored */
#define WORKER_BUILD_ID_MAX 64 /* bytes; longer ones are ignored */

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

#endif
