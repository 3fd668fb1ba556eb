/* SPDX-License-Identifier: Apache-2.0 */
/* Makes ELF files with sections for tests: right by default, with a handle on every number. */
#ifndef RETRACE_TESTS_ELF_BUILDER_H
#define RETRACE_TESTS_ELF_BUILDER_H

#include "tests/unit/core_builder.h"
#include "worker/elf_file.h"

#define ELF_BUILDER_MAX 12 /* sections besides the null section */

/** A section; its offset and size may be set to what the file shall claim. */
typedef struct elf_part_t {
    const char *name;
    unsigned int type;
    uint64_t flags;
    uint64_t link;
    const image_t *content;
    uint64_t offset;
    uint64_t size;
} elf_part_t;

/** An ELF file before its layout is decided. */
typedef struct elf_builder_t {
    bool is_64bit;
    bool is_big_endian;
    elf_part_t parts[ELF_BUILDER_MAX];
    unsigned int part_count;
    builder_segment_t segments[4];
    unsigned int segment_count;
    builder_header_t header;
    apr_pool_t *p;
} elf_builder_t;

elf_builder_t *elf_builder_create(bool is_64bit, bool is_big_endian, apr_pool_t *p);
/** A library that has all there is: build-id, name libusual.so.1, interpreter and code. */
elf_builder_t *elf_builder_create_usual(bool is_64bit, bool is_big_endian, apr_pool_t *p);
image_t *elf_builder_bytes(const elf_builder_t *builder);
/** Its section number is the builder's part_count afterwards. */
elf_part_t *elf_builder_add_part(elf_builder_t *builder, const char *name, unsigned int type,
                                 const image_t *content);
/** A section of type SHT_PROGBITS. */
elf_part_t *elf_builder_add_data(elf_builder_t *builder, const char *name, const void *data,
                                 size_t size);
/** A note with a build-id of so many bytes: 01 02 03 ... */
void elf_builder_add_build_id(elf_builder_t *builder, size_t size);
/** A dynamic section and, in front of it, its strings: a NUL and the name. */
elf_part_t *elf_builder_add_soname(elf_builder_t *builder, const char *name);
builder_segment_t *elf_builder_add_segment(elf_builder_t *builder, unsigned int type,
                                           uint64_t offset, uint64_t size);
/** A section with code and a segment that maps it. */
void elf_builder_add_code(elf_builder_t *builder);
/** Add one entry of a section table. */
void elf_builder_add_section(image_t *out, uint64_t name, const elf_part_t *part);
/** Lay the file out: header, segments, contents, section table. */
image_t *elf_builder_build(elf_builder_t *builder);

/** Read what was built; the test fails if that is refused. */
worker_elf_file_t *elf_builder_read(elf_builder_t *builder);
worker_elf_file_t *elf_builder_read_bytes(const image_t *bytes);
/** The test fails unless reading is refused with a sentence that contains these words. */
void elf_builder_refuse(elf_builder_t *builder, const char *words);
void elf_builder_refuse_bytes(const image_t *bytes, const char *words);

#endif
