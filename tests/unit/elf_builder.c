/* SPDX-License-Identifier: Apache-2.0 */
/* See elf_builder.h. */
#include "tests/unit/elf_builder.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

elf_builder_t *elf_builder_create(bool is_64bit, bool is_big_endian, apr_pool_t *p)
{
    elf_builder_t *builder = apr_pcalloc(p, sizeof(*builder));

    builder->is_64bit = is_64bit;
    builder->is_big_endian = is_big_endian;
    builder->header.type = ET_DYN;
    builder->header.machine = EM_X86_64;
    builder->p = p;
    return builder;
}

image_t *elf_builder_bytes(const elf_builder_t *builder)
{
    return image_create(builder->is_64bit, builder->is_big_endian, builder->p);
}

elf_part_t *elf_builder_add_part(elf_builder_t *builder, const char *name, unsigned int type,
                                 const image_t *content)
{
    elf_part_t *part = &builder->parts[builder->part_count++];

    assert_true(builder->part_count < ELF_BUILDER_MAX);
    part->name = name;
    part->type = type;
    part->content = content;
    part->size = content->size;
    return part;
}

elf_part_t *elf_builder_add_data(elf_builder_t *builder, const char *name, const void *data,
                                 size_t size)
{
    image_t *content = elf_builder_bytes(builder);

    image_add(content, data, size);
    return elf_builder_add_part(builder, name, SHT_PROGBITS, content);
}

void elf_builder_add_build_id(elf_builder_t *builder, size_t size)
{
    image_t *content = elf_builder_bytes(builder);
    image_t *id = core_builder_build_id(size, builder->p);

    image_add_note(content, "GNU", NT_GNU_BUILD_ID, id->data + 16, size);
    elf_builder_add_part(builder, ".note.gnu.build-id", SHT_NOTE, content);
}

elf_part_t *elf_builder_add_soname(elf_builder_t *builder, const char *name)
{
    image_t *strings = elf_builder_bytes(builder);
    image_t *dynamic = elf_builder_bytes(builder);
    elf_part_t *part;

    image_add_text(strings, "");
    image_add_text(strings, name);
    elf_builder_add_part(builder, ".dynstr", SHT_STRTAB, strings);
    image_add_word(dynamic, DT_NEEDED);
    image_add_word(dynamic, 0);
    image_add_word(dynamic, DT_SONAME);
    image_add_word(dynamic, 1);
    image_add_word(dynamic, DT_NULL);
    image_add_word(dynamic, 0);
    part = elf_builder_add_part(builder, ".dynamic", SHT_DYNAMIC, dynamic);
    part->link = builder->part_count - 1;
    return part;
}

builder_segment_t *elf_builder_add_segment(elf_builder_t *builder, unsigned int type,
                                           uint64_t offset, uint64_t size)
{
    builder_segment_t *segment = &builder->segments[builder->segment_count++];

    segment->type = type;
    segment->offset = offset;
    segment->filesz = size;
    segment->memsz = size;
    return segment;
}

void elf_builder_add_code(elf_builder_t *builder)
{
    elf_builder_add_data(builder, ".text", "code", 4)->flags = SHF_ALLOC | SHF_EXECINSTR;
    elf_builder_add_segment(builder, PT_LOAD, 0, 64)->flags = PF_R | PF_X;
}

void elf_builder_add_section(image_t *out, uint64_t name, const elf_part_t *part)
{
    image_add_number(out, name, 4);
    image_add_number(out, part->type, 4);
    image_add_word(out, part->flags);
    image_add_word(out, 0);
    image_add_word(out, part->offset);
    image_add_word(out, part->size);
    image_add_number(out, part->link, 4);
    image_add_number(out, 0, 4);
    image_add_word(out, 4);
    image_add_word(out, 0);
}

/* Place the contents; the last part is that of the names. */
static image_t *place_parts(elf_builder_t *builder, uint64_t start)
{
    image_t *contents = elf_builder_bytes(builder);
    unsigned int i;

    for (i = 0; i < builder->part_count; i++) {
        elf_part_t *part = &builder->parts[i];

        if (part->offset == 0) {
            part->offset = start + contents->size;
        }
        if (part->type != SHT_NOBITS) {
            image_add(contents, part->content->data, part->content->size);
            image_pad(contents, 8);
        }
    }
    return contents;
}

image_t *elf_builder_build(elf_builder_t *builder)
{
    image_t *out = elf_builder_bytes(builder);
    image_t *names = elf_builder_bytes(builder);
    image_t *contents;
    uint64_t positions[ELF_BUILDER_MAX];
    elf_part_t null = { 0 };
    unsigned int i;

    image_add_text(names, "");
    for (i = 0; i < builder->part_count; i++) {
        positions[i] = names->size;
        image_add_text(names, builder->parts[i].name);
    }
    positions[i] = 0;
    elf_builder_add_part(builder, "", SHT_STRTAB, names);
    builder->header.phoff = image_header_size(out);
    builder->header.phnum = builder->segment_count;
    contents = place_parts(
        builder, builder->header.phoff + builder->segment_count * image_segment_size(out));
    builder->header.shoff =
        builder->header.phoff + builder->segment_count * image_segment_size(out) + contents->size;
    builder->header.shnum = builder->part_count + 1;
    builder->header.shstrndx = builder->part_count;
    image_add_header(out, &builder->header);
    for (i = 0; i < builder->segment_count; i++) {
        image_add_segment(out, &builder->segments[i]);
    }
    image_add(out, contents->data, contents->size);
    elf_builder_add_section(out, 0, &null);
    for (i = 0; i < builder->part_count; i++) {
        elf_builder_add_section(out, positions[i], &builder->parts[i]);
    }
    return out;
}

elf_builder_t *elf_builder_create_usual(bool is_64bit, bool is_big_endian, apr_pool_t *p)
{
    elf_builder_t *builder = elf_builder_create(is_64bit, is_big_endian, p);

    elf_builder_add_build_id(builder, 20);
    elf_builder_add_soname(builder, "libusual.so.1");
    elf_builder_add_data(builder, ".interp", "/lib64/ld.so", 13);
    elf_builder_add_code(builder);
    return builder;
}

worker_elf_file_t *elf_builder_read_bytes(const image_t *bytes)
{
    int fd = image_open(bytes);
    worker_elf_file_t *file = NULL;
    retrace_error_t err = { 0 };
    apr_status_t rv = worker_elf_file_read(&file, fd, &err, bytes->p);

    close(fd);
    if (rv != APR_SUCCESS) {
        fail_msg("refused: %s", err.text);
    }
    return file;
}

worker_elf_file_t *elf_builder_read(elf_builder_t *builder)
{
    return elf_builder_read_bytes(elf_builder_build(builder));
}

void elf_builder_refuse_bytes(const image_t *bytes, const char *words)
{
    int fd = image_open(bytes);
    worker_elf_file_t *file = NULL;
    retrace_error_t err = { 0 };
    apr_status_t rv = worker_elf_file_read(&file, fd, &err, bytes->p);

    close(fd);
    assert_int_equal(rv, APR_EINVAL);
    assert_null(file);
    if (strstr(err.text, words) == NULL) {
        fail_msg("refused for another reason: %s", err.text);
    }
}

void elf_builder_refuse(elf_builder_t *builder, const char *words)
{
    elf_builder_refuse_bytes(elf_builder_build(builder), words);
}
