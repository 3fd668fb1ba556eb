/* SPDX-License-Identifier: Apache-2.0 */
/* See core_builder.h. Layouts are those of linux/elfcore.h and asm-generic/siginfo.h, written down
 * a second time on purpose: a test that shared them with the reader would find nothing. */
#include "tests/unit/core_builder.h"

#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

image_t *image_create(bool is_64bit, bool is_big_endian, apr_pool_t *p)
{
    image_t *bytes = apr_pcalloc(p, sizeof(*bytes));

    bytes->is_64bit = is_64bit;
    bytes->is_big_endian = is_big_endian;
    bytes->p = p;
    return bytes;
}

static unsigned char *grow(image_t *bytes, size_t size)
{
    unsigned char *at;

    if (bytes->size + size > bytes->room) {
        unsigned char *data;

        bytes->room = (bytes->size + size) * 2;
        data = apr_pcalloc(bytes->p, bytes->room);
        if (bytes->size > 0) {
            memcpy(data, bytes->data, bytes->size);
        }
        bytes->data = data;
    }
    at = bytes->data + bytes->size;
    bytes->size += size;
    return at;
}

void image_add(image_t *bytes, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(grow(bytes, size), data, size);
    }
}

void image_set(image_t *bytes, size_t at, uint64_t number, size_t width)
{
    size_t i;

    for (i = 0; i < width; i++) {
        bytes->data[at + (bytes->is_big_endian ? width - 1 - i : i)] = (unsigned char)number;
        number >>= 8;
    }
}

void image_add_number(image_t *bytes, uint64_t number, size_t width)
{
    grow(bytes, width);
    image_set(bytes, bytes->size - width, number, width);
}

size_t image_word(const image_t *bytes)
{
    return bytes->is_64bit ? 8 : 4;
}

size_t image_header_size(const image_t *bytes)
{
    return bytes->is_64bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

size_t image_segment_size(const image_t *bytes)
{
    return bytes->is_64bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

void image_add_word(image_t *bytes, uint64_t number)
{
    image_add_number(bytes, number, image_word(bytes));
}

void image_add_text(image_t *bytes, const char *text)
{
    image_add(bytes, text, strlen(text) + 1);
}

void image_fill(image_t *bytes, size_t size)
{
    if (size > bytes->size) {
        size_t more = size - bytes->size;

        memset(grow(bytes, more), 0, more);
    }
}

void image_pad(image_t *bytes, size_t multiple)
{
    image_fill(bytes, (bytes->size + multiple - 1) / multiple * multiple);
}

void image_add_header(image_t *bytes, const builder_header_t *header)
{
    const unsigned char ident[EI_NIDENT] = { ELFMAG0,
                                             ELFMAG1,
                                             ELFMAG2,
                                             ELFMAG3,
                                             bytes->is_64bit ? ELFCLASS64 : ELFCLASS32,
                                             bytes->is_big_endian ? ELFDATA2MSB : ELFDATA2LSB,
                                             EV_CURRENT };

    image_add(bytes, ident, sizeof(ident));
    image_add_number(bytes, header->type, 2);
    image_add_number(bytes, header->machine, 2);
    image_add_number(bytes, EV_CURRENT, 4);
    image_add_word(bytes, 0);
    image_add_word(bytes, header->phoff);
    image_add_word(bytes, header->shoff);
    image_add_number(bytes, 0, 4);
    image_add_number(bytes, image_header_size(bytes), 2);
    image_add_number(bytes, image_segment_size(bytes), 2);
    image_add_number(bytes, header->phnum, 2);
    image_add_number(bytes, bytes->is_64bit ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr), 2);
    image_add_number(bytes, header->shnum, 2);
    image_add_number(bytes, header->shstrndx, 2);
}

void image_add_segment(image_t *bytes, const builder_segment_t *segment)
{
    image_add_number(bytes, segment->type, 4);
    if (bytes->is_64bit) {
        image_add_number(bytes, segment->flags, 4);
    }
    image_add_word(bytes, segment->offset);
    image_add_word(bytes, segment->vaddr);
    image_add_word(bytes, 0);
    image_add_word(bytes, segment->filesz);
    image_add_word(bytes, segment->memsz);
    if (!bytes->is_64bit) {
        image_add_number(bytes, segment->flags, 4);
    }
    image_add_word(bytes, segment->align);
}

void image_add_note(image_t *bytes, const char *owner, unsigned int type, const void *content,
                    size_t size)
{
    image_add_number(bytes, strlen(owner) + 1, 4);
    image_add_number(bytes, size, 4);
    image_add_number(bytes, type, 4);
    image_add_text(bytes, owner);
    image_pad(bytes, 4);
    image_add(bytes, content, size);
    image_pad(bytes, 4);
}

int image_open(const image_t *bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes->data, bytes->size), bytes->size);
    return fd;
}

core_builder_t *core_builder_create(unsigned int machine, bool is_64bit, bool is_big_endian,
                                    apr_pool_t *p)
{
    core_builder_t *builder = apr_pcalloc(p, sizeof(*builder));

    builder->header.type = ET_CORE;
    builder->header.machine = machine;
    builder->notes = image_create(is_64bit, is_big_endian, p);
    builder->mappings = image_create(is_64bit, is_big_endian, p);
    builder->paths = image_create(is_64bit, is_big_endian, p);
    builder->auxv = image_create(is_64bit, is_big_endian, p);
    builder->p = p;
    return builder;
}

core_builder_t *core_builder_create_usual(apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, p);

    core_builder_add_thread(builder, 100, SIGSEGV);
    core_builder_add_process(builder, 100, "program", "program --option");
    core_builder_add_siginfo(builder, SIGSEGV, SEGV_MAPERR, 0x1234);
    return builder;
}

image_t *core_builder_bytes(core_builder_t *builder)
{
    return image_create(builder->notes->is_64bit, builder->notes->is_big_endian, builder->p);
}

void core_builder_add_note(core_builder_t *builder, unsigned int type, const image_t *content)
{
    image_add_note(builder->notes, "CORE", type, content->data, content->size);
}

void core_builder_add_thread(core_builder_t *builder, int pid, int signal)
{
    image_t *content = core_builder_bytes(builder);

    image_fill(content, 12); /* pr_info */
    image_add_number(content, (uint64_t)signal, 2);
    image_pad(content, 4);
    image_add_word(content, 0); /* pr_sigpend */
    image_add_word(content, 0); /* pr_sighold */
    image_add_number(content, (uint64_t)(int64_t)pid, 4);
    image_fill(content, content->is_64bit ? 336 : 144);
    core_builder_add_note(builder, NT_PRSTATUS, content);
}

/* Files of 32 bits have user ids of 16 bits, except on machines like EM_PPC. */
void core_builder_add_process(core_builder_t *builder, int pid, const char *command,
                              const char *arguments)
{
    image_t *content = core_builder_bytes(builder);
    size_t ids = content->is_64bit || builder->header.machine == EM_PPC ? 8 : 4;
    size_t start;

    image_fill(content, image_word(content)); /* pr_state to pr_nice */
    image_add_word(content, 0);               /* pr_flag */
    image_fill(content, content->size + ids);
    image_add_number(content, (uint64_t)(int64_t)pid, 4);
    image_fill(content, content->size + 12); /* pr_ppid, pr_pgrp, pr_sid */
    start = content->size;
    image_add(content, command, strnlen(command, 16));
    image_fill(content, start + 16);
    image_add(content, arguments, strnlen(arguments, 80));
    image_fill(content, start + 96);
    core_builder_add_note(builder, NT_PRPSINFO, content);
}

void core_builder_add_siginfo(core_builder_t *builder, int signal, int code, uint64_t detail)
{
    image_t *content = core_builder_bytes(builder);

    image_add_number(content, (uint64_t)signal, 4);
    image_add_number(content, 0, 4);
    image_add_number(content, (uint64_t)(int64_t)code, 4);
    image_pad(content, image_word(content));
    if (code > 0) {
        image_add_word(content, detail);
    }
    else {
        image_add_number(content, detail, 4);
    }
    image_fill(content, 128);
    core_builder_add_note(builder, NT_SIGINFO, content);
}

void core_builder_add_auxv(core_builder_t *builder, uint64_t type, uint64_t value)
{
    image_add_word(builder->auxv, type);
    image_add_word(builder->auxv, value);
}

void core_builder_add_mapping(core_builder_t *builder, uint64_t start, uint64_t end, uint64_t page,
                              const char *path)
{
    image_add_word(builder->mappings, start);
    image_add_word(builder->mappings, end);
    image_add_word(builder->mappings, page);
    image_add_text(builder->paths, path);
    builder->file_count++;
}

builder_segment_t *core_builder_add_memory(core_builder_t *builder, uint64_t address,
                                           const image_t *content)
{
    builder_segment_t *segment = &builder->segments[builder->segment_count];

    assert_true(builder->segment_count < CORE_BUILDER_MAX);
    segment->type = PT_LOAD;
    segment->vaddr = address;
    segment->filesz = content->size;
    segment->memsz = content->size;
    builder->contents[builder->segment_count] = core_builder_bytes(builder);
    image_add(builder->contents[builder->segment_count++], content->data, content->size);
    return segment;
}

static void add_late_notes(core_builder_t *builder)
{
    if (builder->auxv->size > 0) {
        core_builder_add_note(builder, NT_AUXV, builder->auxv);
    }
    if (builder->mappings->size > 0) {
        image_t *content = core_builder_bytes(builder);

        image_add_word(content, builder->file_count);
        image_add_word(content, CORE_BUILDER_PAGE);
        image_add(content, builder->mappings->data, builder->mappings->size);
        image_add(content, builder->paths->data, builder->paths->size);
        core_builder_add_note(builder, NT_FILE, content);
    }
}

image_t *core_builder_build(core_builder_t *builder)
{
    image_t *out = core_builder_bytes(builder);
    builder_segment_t notes = { .type = PT_NOTE, .align = 4 };
    uint64_t next;
    int i;

    add_late_notes(builder);
    builder->header.phoff = image_header_size(out);
    builder->header.phnum = 1 + (unsigned int)builder->segment_count;
    notes.offset = builder->header.phoff + builder->header.phnum * image_segment_size(out);
    notes.filesz = builder->notes->size;
    next = notes.offset + notes.filesz;
    image_add_header(out, &builder->header);
    image_add_segment(out, &notes);
    for (i = 0; i < builder->segment_count; i++) {
        if (builder->segments[i].offset == 0) {
            builder->segments[i].offset = next;
        }
        next += builder->contents[i]->size;
        image_add_segment(out, &builder->segments[i]);
    }
    image_add(out, builder->notes->data, builder->notes->size);
    for (i = 0; i < builder->segment_count; i++) {
        image_add(out, builder->contents[i]->data, builder->contents[i]->size);
    }
    out->size -= builder->missing;
    return out;
}

image_t *core_builder_image(const image_t *notes, apr_pool_t *p)
{
    image_t *image = image_create(notes->is_64bit, notes->is_big_endian, p);
    builder_header_t header = { .type = ET_DYN, .machine = EM_X86_64, .phnum = 2 };
    builder_segment_t load = { .type = PT_LOAD, .align = CORE_BUILDER_PAGE };
    builder_segment_t note = { .type = PT_NOTE, .align = 4 };

    header.phoff = image_header_size(image);
    load.filesz = 2 * CORE_BUILDER_PAGE;
    load.memsz = load.filesz;
    note.offset = header.phoff + 2 * image_segment_size(image);
    note.vaddr = note.offset;
    note.filesz = notes->size;
    note.memsz = note.filesz;
    image_add_header(image, &header);
    image_add_segment(image, &load);
    image_add_segment(image, &note);
    image_add(image, notes->data, notes->size);
    image_fill(image, CORE_BUILDER_PAGE);
    return image;
}

image_t *core_builder_build_id(size_t size, apr_pool_t *p)
{
    image_t *note = image_create(true, false, p);
    unsigned char id[256];
    size_t i;

    for (i = 0; i < size; i++) {
        id[i] = (unsigned char)(i + 1);
    }
    image_add_note(note, "GNU", NT_GNU_BUILD_ID, id, size);
    return note;
}

worker_core_t *core_builder_read(core_builder_t *builder)
{
    int fd = image_open(core_builder_build(builder));
    worker_core_t *core = NULL;
    retrace_error_t err = { 0 };
    apr_status_t rv = worker_core_read(&core, fd, &err, builder->p);

    close(fd);
    if (rv != APR_SUCCESS) {
        fail_msg("refused: %s", err.text);
    }
    assert_non_null(core);
    return core;
}

void core_builder_refuse_bytes(const image_t *bytes, const char *words)
{
    int fd = image_open(bytes);
    worker_core_t *core = NULL;
    retrace_error_t err = { 0 };
    apr_status_t rv = worker_core_read(&core, fd, &err, bytes->p);

    close(fd);
    assert_int_equal(rv, APR_EINVAL);
    assert_null(core);
    if (strstr(err.text, words) == NULL) {
        fail_msg("refused for another reason: %s", err.text);
    }
}

void core_builder_refuse(core_builder_t *builder, const char *words)
{
    core_builder_refuse_bytes(core_builder_build(builder), words);
}
