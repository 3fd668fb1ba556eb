/* SPDX-License-Identifier: Apache-2.0 */
/* See core.h. This file holds the frame: the segments, and the order in which the parts of a core
 * are read. */
#include "worker/core.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/core_private.h"

/* Architectures as packages name them; what is in no row is "unknown". */
static const struct {
    unsigned int machine;
    bool is_64bit;
    bool is_big_endian;
    const char *name;
} architectures[] = {
    { EM_X86_64, true, false, "x86_64" },   { EM_386, false, false, "i386" },
    { EM_AARCH64, true, false, "aarch64" }, { EM_ARM, false, false, "armhfp" },
    { EM_PPC64, true, false, "ppc64le" },   { EM_PPC64, true, true, "ppc64" },
    { EM_S390, true, true, "s390x" },
};

static const char *name_architecture(const worker_elf_t *elf)
{
    size_t i;

    for (i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++) {
        if (architectures[i].machine == elf->machine && architectures[i].is_64bit == elf->is_64bit
            && architectures[i].is_big_endian == elf->is_big_endian) {
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
    if (first->type != PT_NOTE || first->offset <= elf->phoff
        || (first->offset - elf->phoff) % size != 0) {
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

    if (__builtin_add_overflow(segment->offset, segment->filesz, &end)
        || (segment->type == PT_LOAD
            && __builtin_add_overflow(segment->vaddr, segment->filesz, &end))) {
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
    if (segment->filesz > WORKER_CORE_MAX_NOTES
        || *pnote_bytes + segment->filesz > WORKER_CORE_MAX_NOTES) {
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
    worker_core_reader_t reader = { .err = err, .p = p, .source = { .fd = fd } };
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

const worker_module_t *worker_core_module_at(const worker_core_t *core, uint64_t address)
{
    int i;

    for (i = core->modules->nelts; i-- > 0;) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (address >= module->start && address < module->end) {
            return module;
        }
    }
    return NULL;
}
