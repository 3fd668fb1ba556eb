/* SPDX-License-Identifier: Apache-2.0 */
/* See core.h. This file holds the frame: ELF header and program headers, which elf_file.c decodes
 * with the same functions, and the order in which the parts of a core are read. */
#include "worker/core.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/core_private.h"

#define TABLE_CHUNK 64 /* table entries that are read at once */

#define HEADER_SIZE_32 52
#define HEADER_SIZE_64 64
#define SEGMENT_SIZE_32 32
#define SEGMENT_SIZE_64 56
#define SECTION_SIZE_32 40
#define SECTION_SIZE_64 64

/* --- The decoder --- */

apr_status_t worker_elf_source_read(void *baton, uint64_t where, void *buffer, size_t size)
{
    const worker_elf_source_t *source = baton;
    unsigned char *next = buffer;

    if (where > source->size || size > source->size - where) {
        return APR_EOF;
    }
    while (size > 0) {
        ssize_t got = pread(source->fd, next, size, (off_t)where);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? errno : APR_EOF;
        }
        next += got;
        where += (uint64_t)got;
        size -= (size_t)got;
    }
    return APR_SUCCESS;
}

uint64_t worker_elf_number(const worker_elf_t *elf, const unsigned char *bytes, size_t width)
{
    uint64_t number = 0;
    size_t i;

    for (i = 0; i < width; i++) {
        number = number << 8 | bytes[elf->is_big_endian ? i : width - 1 - i];
    }
    return number;
}

size_t worker_elf_word(const worker_elf_t *elf)
{
    return elf->is_64bit ? 8 : 4;
}

size_t worker_elf_segment_size(const worker_elf_t *elf)
{
    return elf->is_64bit ? SEGMENT_SIZE_64 : SEGMENT_SIZE_32;
}

size_t worker_elf_section_size(const worker_elf_t *elf)
{
    return elf->is_64bit ? SECTION_SIZE_64 : SECTION_SIZE_32;
}

/* Read part of a table; APR_EOF when its position wraps around. */
static apr_status_t read_table(const worker_elf_t *elf, uint64_t table, uint64_t first,
                               size_t entry_size, void *buffer, size_t count)
{
    uint64_t where;

    if (__builtin_mul_overflow(first, entry_size, &where) ||
        __builtin_add_overflow(where, table, &where) ||
        __builtin_add_overflow(where, elf->base, &where)) {
        return APR_EOF;
    }
    return elf->read(elf->baton, where, buffer, count * entry_size);
}

/* Counts that do not fit into the header are in section 0. */
static apr_status_t resolve_counts(worker_elf_t *elf)
{
    unsigned char section[SECTION_SIZE_64];
    size_t word = worker_elf_word(elf);
    apr_status_t rv;

    if (elf->shoff == 0) {
        elf->shnum = 0;
        return elf->phnum == PN_XNUM ? APR_EINVAL : APR_SUCCESS;
    }
    if (elf->phnum != PN_XNUM && elf->shnum != 0 && elf->shstrndx != SHN_XINDEX) {
        return APR_SUCCESS;
    }
    rv = read_table(elf, elf->shoff, 0, worker_elf_section_size(elf), section, 1);
    if (rv == APR_EOF) {
        elf->has_lost_counts = true;
        elf->shnum = 0;
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (elf->phnum == PN_XNUM) {
        elf->phnum = worker_elf_number(elf, section + 12 + 4 * word, 4);
    }
    if (elf->shnum == 0) {
        elf->shnum = worker_elf_number(elf, section + 8 + 3 * word, word);
    }
    if (elf->shstrndx == SHN_XINDEX) {
        elf->shstrndx = worker_elf_number(elf, section + 8 + 4 * word, 4);
    }
    return APR_SUCCESS;
}

apr_status_t worker_elf_open(worker_elf_t *pelf, worker_elf_read_fn read, void *baton,
                             uint64_t base)
{
    worker_elf_t elf = {.read = read, .baton = baton, .base = base};
    unsigned char header[HEADER_SIZE_64];
    size_t word;
    apr_status_t rv;

    memset(header, 0, sizeof(header));
    rv = read(baton, base, header, HEADER_SIZE_32);
    if (rv != APR_SUCCESS) {
        return rv == APR_EOF ? APR_EINVAL : rv;
    }
    if (memcmp(header, ELFMAG, SELFMAG) != 0 || header[EI_VERSION] != EV_CURRENT ||
        (header[EI_CLASS] != ELFCLASS32 && header[EI_CLASS] != ELFCLASS64) ||
        (header[EI_DATA] != ELFDATA2LSB && header[EI_DATA] != ELFDATA2MSB)) {
        return APR_EINVAL;
    }
    elf.is_64bit = header[EI_CLASS] == ELFCLASS64;
    elf.is_big_endian = header[EI_DATA] == ELFDATA2MSB;
    if (elf.is_64bit) {
        rv = read(baton, base, header, HEADER_SIZE_64);
        if (rv != APR_SUCCESS) {
            return rv == APR_EOF ? APR_EINVAL : rv;
        }
    }
    word = worker_elf_word(&elf);
    elf.type = (unsigned int)worker_elf_number(&elf, header + 16, 2);
    elf.machine = (unsigned int)worker_elf_number(&elf, header + 18, 2);
    elf.phoff = worker_elf_number(&elf, header + 24 + word, word);
    elf.shoff = worker_elf_number(&elf, header + 24 + 2 * word, word);
    elf.phnum = worker_elf_number(&elf, header + 32 + 3 * word, 2);
    elf.shnum = worker_elf_number(&elf, header + 36 + 3 * word, 2);
    elf.shstrndx = worker_elf_number(&elf, header + 38 + 3 * word, 2);
    if ((elf.phnum != 0 &&
         worker_elf_number(&elf, header + 30 + 3 * word, 2) != worker_elf_segment_size(&elf)) ||
        (elf.shnum != 0 &&
         worker_elf_number(&elf, header + 34 + 3 * word, 2) != worker_elf_section_size(&elf))) {
        return APR_EINVAL;
    }
    rv = resolve_counts(&elf);
    if (rv == APR_SUCCESS) {
        *pelf = elf;
    }
    return rv;
}

static void decode_segment(worker_elf_segment_t *segment, const worker_elf_t *elf,
                           const unsigned char *bytes)
{
    size_t word = worker_elf_word(elf);

    segment->type = (unsigned int)worker_elf_number(elf, bytes, 4);
    segment->flags = (unsigned int)worker_elf_number(elf, bytes + (elf->is_64bit ? 4 : 24), 4);
    segment->offset = worker_elf_number(elf, bytes + word, word);
    segment->vaddr = worker_elf_number(elf, bytes + 2 * word, word);
    segment->filesz = worker_elf_number(elf, bytes + 4 * word, word);
    segment->memsz = worker_elf_number(elf, bytes + 5 * word, word);
    segment->align = worker_elf_number(elf, bytes + (elf->is_64bit ? 48 : 28), word);
}

apr_status_t worker_elf_segments(worker_elf_segment_t **psegments, const worker_elf_t *elf,
                                 apr_pool_t *p)
{
    unsigned char chunk[TABLE_CHUNK * SEGMENT_SIZE_64];
    size_t entry_size = worker_elf_segment_size(elf);
    worker_elf_segment_t *segments;
    uint64_t first;
    size_t i;

    /* The whole table must be there before anything is allocated for it. */
    if (elf->phnum > 0) {
        apr_status_t rv = read_table(elf, elf->phoff, elf->phnum - 1, entry_size, chunk, 1);

        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    segments = apr_palloc(p, (apr_size_t)elf->phnum * sizeof(*segments));
    if (segments == NULL) {
        return APR_ENOMEM;
    }
    for (first = 0; first < elf->phnum; first += TABLE_CHUNK) {
        size_t count =
            elf->phnum - first < TABLE_CHUNK ? (size_t)(elf->phnum - first) : TABLE_CHUNK;
        apr_status_t rv = read_table(elf, elf->phoff, first, entry_size, chunk, count);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        for (i = 0; i < count; i++) {
            decode_segment(&segments[first + i], elf, chunk + i * entry_size);
        }
    }
    *psegments = segments;
    return APR_SUCCESS;
}

/* --- Core dumps --- */

/* Architectures as packages name them; what is in no row is "unknown". */
static const struct {
    unsigned int machine;
    bool is_64bit;
    bool is_big_endian;
    const char *name;
} architectures[] = {
    {EM_X86_64, true, false, "x86_64"},   {EM_386, false, false, "i386"},
    {EM_AARCH64, true, false, "aarch64"}, {EM_ARM, false, false, "armhfp"},
    {EM_PPC64, true, false, "ppc64le"},   {EM_PPC64, true, true, "ppc64"},
    {EM_S390, true, true, "s390x"},
};

static const char *name_architecture(const worker_elf_t *elf)
{
    size_t i;

    for (i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
        if (architectures[i].machine == elf->machine &&
            architectures[i].is_64bit == elf->is_64bit &&
            architectures[i].is_big_endian == elf->is_big_endian) {
            return architectures[i].name;
        }
    }
    return "unknown";
}

/* The kernel's dumper puts the count of more than 65534 program headers into a section header
 * behind all data, so a truncated core has lost it. But it also puts the notes directly behind the
 * program headers, and the first program header tells where they are. */
static apr_status_t recover_segment_count(worker_core_reader_t *reader)
{
    worker_elf_t *elf = &reader->elf;
    worker_elf_segment_t *first = NULL;
    size_t size = worker_elf_segment_size(elf);
    apr_status_t rv;

    elf->phnum = 1;
    rv = worker_elf_segments(&first, elf, reader->scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (first->type != PT_NOTE || first->offset <= elf->phoff ||
        (first->offset - elf->phoff) % size != 0) {
        return APR_EOF;
    }
    elf->phnum = (first->offset - elf->phoff) / size;
    reader->core->is_truncated = true;
    return APR_SUCCESS;
}

static apr_status_t open_core(worker_core_reader_t *reader)
{
    worker_elf_t *elf = &reader->elf;
    worker_core_t *core = reader->core;
    apr_status_t rv;

    rv = worker_elf_open(elf, worker_elf_source_read, &reader->source, 0);
    if (rv != APR_SUCCESS) {
        return retrace_fail(reader->err, rv, "the core dump has no valid ELF header");
    }
    if (elf->type != ET_CORE) {
        return retrace_fail(reader->err, APR_EINVAL, "the ELF file is not a core dump");
    }
    if (elf->phnum == PN_XNUM && elf->has_lost_counts) {
        rv = recover_segment_count(reader);
        if (rv != APR_SUCCESS) {
            return retrace_fail(reader->err, rv == APR_EOF ? APR_EINVAL : rv,
                                "the core dump ends before its number of program headers");
        }
    }
    if (elf->phnum > WORKER_CORE_MAX_SEGMENTS) {
        return retrace_fail(reader->err, APR_EINVAL, "the core dump has more than %d segments",
                            WORKER_CORE_MAX_SEGMENTS);
    }
    core->machine = elf->machine;
    core->is_64bit = elf->is_64bit;
    core->is_big_endian = elf->is_big_endian;
    core->arch = name_architecture(elf);
    return APR_SUCCESS;
}

/* Clip the segment to the file; false if its numbers wrap around. */
static bool clip_segment(worker_elf_segment_t *segment, worker_core_reader_t *reader)
{
    uint64_t end;

    if (__builtin_add_overflow(segment->offset, segment->filesz, &end) ||
        (segment->type == PT_LOAD &&
         __builtin_add_overflow(segment->vaddr, segment->filesz, &end))) {
        return false;
    }
    if (segment->filesz == 0) {
        return true;
    }
    if (segment->offset >= reader->source.size) {
        segment->filesz = 0;
        reader->core->is_truncated = true;
    }
    else if (segment->filesz > reader->source.size - segment->offset) {
        segment->filesz = reader->source.size - segment->offset;
        reader->core->is_truncated = true;
    }
    return true;
}

static apr_status_t read_note_segment(worker_core_reader_t *reader,
                                      const worker_elf_segment_t *segment, bool is_cut)
{
    unsigned char *bytes = apr_palloc(reader->scratch, (apr_size_t)segment->filesz);
    apr_status_t rv;

    if (bytes == NULL) {
        return retrace_fail(reader->err, APR_ENOMEM, "read the notes of the core dump");
    }
    rv = worker_elf_source_read(&reader->source, segment->offset, bytes, (size_t)segment->filesz);
    if (rv != APR_SUCCESS) {
        return retrace_fail(reader->err, rv, "read the notes of the core dump");
    }
    return worker_core_read_notes(reader, bytes, (size_t)segment->filesz, segment->align, is_cut);
}

/* Take one program header: notes are read, loads are collected, the rest does not matter. */
static apr_status_t take_segment(worker_core_reader_t *reader, worker_elf_segment_t *segment,
                                 uint64_t *pnote_bytes)
{
    uint64_t wanted = segment->filesz;

    if (segment->type != PT_LOAD && segment->type != PT_NOTE) {
        return APR_SUCCESS;
    }
    if (!clip_segment(segment, reader)) {
        return retrace_fail(reader->err, APR_EINVAL,
                            "a segment of the core dump ends beyond the highest address");
    }
    if (segment->filesz == 0) {
        return APR_SUCCESS;
    }
    if (segment->type == PT_LOAD) {
        reader->memory.loads[reader->memory.count++] = *segment;
        return APR_SUCCESS;
    }
    /* Both are at most the limit here, so their sum cannot wrap. */
    if (segment->filesz > WORKER_CORE_MAX_NOTES ||
        *pnote_bytes + segment->filesz > WORKER_CORE_MAX_NOTES) {
        return retrace_fail(reader->err, APR_EINVAL,
                            "the notes of the core dump are longer than %d bytes",
                            WORKER_CORE_MAX_NOTES);
    }
    *pnote_bytes += segment->filesz;
    return read_note_segment(reader, segment, segment->filesz < wanted);
}

static apr_status_t read_segments(worker_core_reader_t *reader)
{
    worker_elf_segment_t *segments = NULL;
    uint64_t note_bytes = 0;
    uint64_t i;
    apr_status_t rv;

    rv = worker_elf_segments(&segments, &reader->elf, reader->scratch);
    if (rv == APR_EOF) {
        return retrace_fail(reader->err, APR_EINVAL,
                            "the core dump ends before its program headers do");
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(reader->err, rv, "read the program headers of the core dump");
    }
    /* Collected in place: there are never more loads than segments already looked at. */
    reader->memory.source = &reader->source;
    reader->memory.loads = segments;
    for (i = 0; i < reader->elf.phnum; i++) {
        worker_elf_segment_t segment = segments[i];

        rv = take_segment(reader, &segment, &note_bytes);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    worker_core_memory_sort(&reader->memory);
    return APR_SUCCESS;
}

static apr_status_t read_core(worker_core_reader_t *reader)
{
    apr_status_t rv;

    rv = open_core(reader);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = read_segments(reader);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (reader->core->thread_count == 0) {
        return retrace_fail(reader->err, APR_EINVAL, "the core dump names no thread");
    }
    return worker_core_read_modules(reader);
}

apr_status_t worker_core_read(worker_core_t **pcore, int fd, retrace_error_t *err, apr_pool_t *p)
{
    worker_core_reader_t reader = {.err = err, .p = p, .source = {.fd = fd}};
    struct stat status;
    apr_status_t rv;

    if (fstat(fd, &status) != 0) {
        return retrace_fail(err, errno, "look at the core dump");
    }
    reader.source.size = (uint64_t)status.st_size;
    reader.core = apr_pcalloc(p, sizeof(*reader.core));
    reader.core->command = "";
    reader.core->arguments = "";
    reader.core->threads = apr_array_make(p, 16, sizeof(int));
    reader.core->modules = apr_array_make(p, 16, sizeof(worker_module_t));
    apr_pool_create(&reader.scratch, p);
    rv = read_core(&reader);
    apr_pool_destroy(reader.scratch);
    if (rv == APR_SUCCESS) {
        *pcore = reader.core;
    }
    return rv;
}
