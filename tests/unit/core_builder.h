/* SPDX-License-Identifier: Apache-2.0 */
/* Makes ELF files and core dumps for tests: right by default, with a handle on every number, so
 * that a test says only what is wrong with its file. Either class, either byte order. */
#ifndef RETRACE_TESTS_CORE_BUILDER_H
#define RETRACE_TESTS_CORE_BUILDER_H

#include <apr_pools.h>
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/core.h"

#define CORE_BUILDER_PAGE 4096
#define CORE_BUILDER_MAX  32 /* segments */

/** Growing bytes in the class and byte order of the file that they belong to. */
typedef struct image_t {
    unsigned char *data;
    size_t size;
    size_t room;
    bool is_64bit;
    bool is_big_endian;
    apr_pool_t *p;
} image_t;

typedef struct builder_segment_t {
    unsigned int type;
    unsigned int flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
} builder_segment_t;

/** What the ELF header says. */
typedef struct builder_header_t {
    unsigned int type;
    unsigned int machine;
    uint64_t phoff;
    uint64_t shoff;
    unsigned int phnum;
    unsigned int shnum;
    unsigned int shstrndx;
} builder_header_t;

image_t *image_create(bool is_64bit, bool is_big_endian, apr_pool_t *p);
void image_add(image_t *bytes, const void *data, size_t size);
void image_add_number(image_t *bytes, uint64_t number, size_t width);
/** A number of the class's address size. */
void image_add_word(image_t *bytes, uint64_t number);
void image_add_text(image_t *bytes, const char *text);
/** Zeros up to this size. */
void image_fill(image_t *bytes, size_t size);
/** Zeros up to a multiple. */
void image_pad(image_t *bytes, size_t multiple);
/** Overwrite a number. */
void image_set(image_t *bytes, size_t at, uint64_t number, size_t width);
void image_add_header(image_t *bytes, const builder_header_t *header);
void image_add_segment(image_t *bytes, const builder_segment_t *segment);
void image_add_note(image_t *bytes, const char *owner, unsigned int type, const void *content,
                    size_t size);
/** Open a file without a name that holds the bytes. */
int image_open(const image_t *bytes);

size_t image_header_size(const image_t *bytes);
size_t image_segment_size(const image_t *bytes);
size_t image_word(const image_t *bytes);

/** A core dump before its layout is decided. */
typedef struct core_builder_t {
    builder_header_t header;
    image_t *notes;
    image_t *mappings; /* the numbers of NT_FILE */
    image_t *paths;    /* and its paths */
    image_t *auxv;
    uint64_t file_count; /* what NT_FILE says; counts up with every mapping */
    builder_segment_t segments[CORE_BUILDER_MAX];
    image_t *contents[CORE_BUILDER_MAX];
    int segment_count;
    size_t missing; /* bytes that the built file lacks at its end */
    apr_pool_t *p;
} core_builder_t;

/** A core dump without notes. */
core_builder_t *core_builder_create(unsigned int machine, bool is_64bit, bool is_big_endian,
                                    apr_pool_t *p);
/** An x86_64 core dump of process 100 with its one thread, killed by SIGSEGV at address 0x1234. */
core_builder_t *core_builder_create_usual(apr_pool_t *p);
image_t *core_builder_bytes(core_builder_t *builder);
void core_builder_add_note(core_builder_t *builder, unsigned int type, const image_t *content);
void core_builder_add_thread(core_builder_t *builder, int pid, int signal);
void core_builder_add_process(core_builder_t *builder, int pid, const char *command,
                              const char *arguments);
/** @param detail  si_addr or si_pid, whatever the code makes of it */
void core_builder_add_siginfo(core_builder_t *builder, int signal, int code, uint64_t detail);
void core_builder_add_auxv(core_builder_t *builder, uint64_t type, uint64_t value);
/** An entry of NT_FILE. */
void core_builder_add_mapping(core_builder_t *builder, uint64_t start, uint64_t end, uint64_t page,
                              const char *path);
/** A PT_LOAD with content. */
builder_segment_t *core_builder_add_memory(core_builder_t *builder, uint64_t address,
                                           const image_t *content);
/** Lay the core dump out. */
image_t *core_builder_build(core_builder_t *builder);

/** The first page of a mapped ELF file that was linked to address 0, with these notes in it. */
image_t *core_builder_image(const image_t *notes, apr_pool_t *p);
/** A note with a build-id of so many bytes: 01 02 03 ... */
image_t *core_builder_build_id(size_t size, apr_pool_t *p);

/** Read what was built; the test fails if that is refused. */
worker_core_t *core_builder_read(core_builder_t *builder);
/** The test fails unless reading is refused with a sentence that contains these words. */
void core_builder_refuse(core_builder_t *builder, const char *words);
/** Likewise for any bytes. */
void core_builder_refuse_bytes(const image_t *bytes, const char *words);

#endif
