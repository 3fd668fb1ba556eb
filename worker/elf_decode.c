/* SPDX-License-Identifier: Apache-2.0 */
/* See elf_decode.h. */
#include "worker/elf_decode.h"

#include <apr_errno.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TABLE_CHUNK 64 /* table entries that are read at once */

#define HEADER_SIZE_32  52
#define HEADER_SIZE_64  64
#define SEGMENT_SIZE_32 32
#define SEGMENT_SIZE_64 56
#define SECTION_SIZE_32 40
#define SECTION_SIZE_64 64

#define NOTE_HEADER_SIZE 12 /* bytes: size of the owner, size of the content, type */

/* --- Header and segments --- */

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

    if (__builtin_mul_overflow(first, entry_size, &where)
        || __builtin_add_overflow(where, table, &where)
        || __builtin_add_overflow(where, elf->base, &where)) {
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
    worker_elf_t elf = { .read = read, .baton = baton, .base = base };
    unsigned char header[HEADER_SIZE_64];
    size_t word;
    apr_status_t rv;

    memset(header, 0, sizeof(header));
    rv = read(baton, base, header, HEADER_SIZE_32);
    if (rv != APR_SUCCESS) {
        return rv == APR_EOF ? APR_EINVAL : rv;
    }
    if (memcmp(header, ELFMAG, SELFMAG) != 0 || header[EI_VERSION] != EV_CURRENT
        || (header[EI_CLASS] != ELFCLASS32 && header[EI_CLASS] != ELFCLASS64)
        || (header[EI_DATA] != ELFDATA2LSB && header[EI_DATA] != ELFDATA2MSB)) {
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
    if ((elf.phnum != 0
         && worker_elf_number(&elf, header + 30 + 3 * word, 2) != worker_elf_segment_size(&elf))
        || (elf.shnum != 0
            && worker_elf_number(&elf, header + 34 + 3 * word, 2)
                != worker_elf_section_size(&elf))) {
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

/* --- Notes in general --- */

/* Round up to the padding of notes; false when that wraps around. */
static bool pad(size_t *pposition, size_t padding)
{
    size_t sum;

    if (__builtin_add_overflow(*pposition, padding - 1, &sum)) {
        return false;
    }
    *pposition = sum - sum % padding;
    return true;
}

worker_elf_step_t worker_elf_note_next(worker_elf_note_t *note, size_t *pcursor,
                                       const worker_elf_t *elf, const unsigned char *bytes,
                                       size_t size, uint64_t align)
{
    size_t padding = align == 8 ? 8 : 4;
    size_t at = *pcursor;
    size_t content;
    size_t end;

    if (at > size || size - at < NOTE_HEADER_SIZE) {
        return WORKER_ELF_END;
    }
    note->owner_size = (size_t)worker_elf_number(elf, bytes + at, 4);
    note->size = (size_t)worker_elf_number(elf, bytes + at + 4, 4);
    note->type = (unsigned int)worker_elf_number(elf, bytes + at + 8, 4);
    if (__builtin_add_overflow(at + NOTE_HEADER_SIZE, note->owner_size, &content)
        || !pad(&content, padding) || __builtin_add_overflow(content, note->size, &end)
        || end > size) {
        return WORKER_ELF_BROKEN;
    }
    note->owner = bytes + at + NOTE_HEADER_SIZE;
    note->content = bytes + content;
    /* The last note may lack its padding. */
    *pcursor = pad(&end, padding) && end < size ? end : size;
    return WORKER_ELF_NEXT;
}

bool worker_elf_note_is(const worker_elf_note_t *note, const char *owner, unsigned int type)
{
    size_t length = strlen(owner);

    return note->type == type
        && (note->owner_size == length
            || (note->owner_size == length + 1 && note->owner[length] == '\0'))
        && memcmp(note->owner, owner, length) == 0;
}

const char *worker_elf_hex(const unsigned char *bytes, size_t size, apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    char *text;
    size_t i;

    if (size < WORKER_BUILD_ID_MIN || size > WORKER_BUILD_ID_MAX) {
        return NULL;
    }
    text = apr_palloc(p, size * 2 + 1);
    for (i = 0; i < size; i++) {
        text[i * 2] = digits[bytes[i] >> 4];
        text[i * 2 + 1] = digits[bytes[i] & 15];
    }
    text[size * 2] = '\0';
    return text;
}

const char *worker_elf_note_build_id(const worker_elf_note_t *note, apr_pool_t *p)
{
    if (!worker_elf_note_is(note, ELF_NOTE_GNU, NT_GNU_BUILD_ID)) {
        return NULL;
    }
    return worker_elf_hex(note->content, note->size, p);
}
