/* SPDX-License-Identifier: Apache-2.0 */
/* See elf_file.h. Where a file has a section table, sections alone are believed: eu-strip copies
 * the program headers of a program unchanged into its .debug file, where they point at anything. */
#include "worker/elf_file.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/elf_decode.h"

#define FILE_MAX_SEGMENTS 65534   /* more would need PN_XNUM, which only cores do */
#define FILE_MAX_SECTIONS 65536   /* more are an error */
#define FILE_MAX_NAMES    1048576 /* bytes of section names; more are an error */
#define FILE_MAX_DYNAMIC  65536   /* bytes of the dynamic section; more are an error */
#define FILE_MAX_NOTES    1048576 /* bytes of one note section; longer ones are ignored */
#define FILE_MAX_TEXT     4096    /* bytes of a name or path; longer is an error */

typedef struct section_t {
    const char *name; /* "" if its position is out of the table of names */
    unsigned int type;
    uint64_t flags;
    uint64_t offset;
    uint64_t size;
    uint64_t link;
    uint64_t align;
} section_t;

/** One file while it is being read. */
typedef struct reader_t {
    worker_elf_source_t source;
    worker_elf_t elf;
    worker_elf_segment_t *segments;
    section_t *sections; /* elf.shnum of them; none: the segments are believed */
    worker_elf_file_t *file;
    retrace_error_t *err;
    apr_pool_t *p;
    apr_pool_t *scratch;
} reader_t;

/* Statuses are returned here and in read_range in plain sight, because an analyzer of this file
 * alone cannot know that retrace_fail never returns success. */
static apr_status_t refuse(reader_t *reader, const char *what)
{
    retrace_fail(reader->err, APR_EINVAL, "the ELF file contradicts itself: %s", what);
    return APR_EINVAL;
}

/* Read a range that must be in the file into the scratch pool, with a NUL behind it. */
static apr_status_t read_range(unsigned char **pbytes, reader_t *reader, uint64_t offset,
                               uint64_t size, uint64_t limit, const char *what)
{
    unsigned char *bytes;
    apr_status_t rv;

    if (size > limit || offset > reader->source.size || size > reader->source.size - offset) {
        return refuse(reader, what);
    }
    bytes = apr_palloc(reader->scratch, (apr_size_t)size + 1);
    rv = bytes == NULL ? APR_ENOMEM
                       : worker_elf_source_read(&reader->source, offset, bytes, (size_t)size);
    if (rv != APR_SUCCESS) {
        retrace_fail(reader->err, rv, "read the ELF file");
        return rv;
    }
    bytes[size] = '\0';
    *pbytes = bytes;
    return APR_SUCCESS;
}

static bool has_content(const section_t *section)
{
    return section->type != SHT_NULL && section->type != SHT_NOBITS && section->size > 0;
}

static void decode_section(section_t *section, const worker_elf_t *elf, const unsigned char *bytes)
{
    size_t word = worker_elf_word(elf);

    section->name = "";
    section->type = (unsigned int)worker_elf_number(elf, bytes + 4, 4);
    section->flags = worker_elf_number(elf, bytes + 8, word);
    section->offset = worker_elf_number(elf, bytes + 8 + 2 * word, word);
    section->size = worker_elf_number(elf, bytes + 8 + 3 * word, word);
    section->link = worker_elf_number(elf, bytes + 8 + 4 * word, 4);
    section->align = worker_elf_number(elf, bytes + 16 + 4 * word, word);
}

static apr_status_t name_sections(reader_t *reader, const unsigned char *table)
{
    const section_t *strings;
    unsigned char *names = NULL;
    size_t entry_size = worker_elf_section_size(&reader->elf);
    uint64_t i;
    apr_status_t rv;

    if (reader->elf.shstrndx == SHN_UNDEF) {
        return APR_SUCCESS;
    }
    if (reader->elf.shstrndx >= reader->elf.shnum) {
        return refuse(reader, "its section names are in no section");
    }
    strings = &reader->sections[reader->elf.shstrndx];
    if (!has_content(strings)) {
        return APR_SUCCESS;
    }
    rv = read_range(&names, reader, strings->offset, strings->size, FILE_MAX_NAMES,
                    "its section names are not in it");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < reader->elf.shnum; i++) {
        uint64_t name = worker_elf_number(&reader->elf, table + i * entry_size, 4);

        if (name < strings->size) {
            reader->sections[i].name = (const char *)names + name;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t read_sections(reader_t *reader)
{
    worker_elf_t *elf = &reader->elf;
    unsigned char *table = NULL;
    uint64_t i;
    apr_status_t rv;

    if (elf->has_lost_counts || elf->shnum > FILE_MAX_SECTIONS) {
        return refuse(reader, "its section table is not in it");
    }
    rv = read_range(&table, reader, elf->shoff, elf->shnum * worker_elf_section_size(elf),
                    UINT64_MAX, "its section table is not in it");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    reader->sections = apr_palloc(reader->scratch, (apr_size_t)elf->shnum * sizeof(section_t));
    for (i = 0; i < elf->shnum; i++) {
        section_t *section = &reader->sections[i];

        decode_section(section, elf, table + i * worker_elf_section_size(elf));
        /* A download that stopped early shows here. */
        if (has_content(section)
            && (section->offset > reader->source.size
                || section->size > reader->source.size - section->offset)) {
            return refuse(reader, "a section is not in it");
        }
    }
    return name_sections(reader, table);
}

static const section_t *find_section(const reader_t *reader, const char *name)
{
    uint64_t i;

    for (i = 0; i < reader->elf.shnum; i++) {
        if (has_content(&reader->sections[i]) && strcmp(reader->sections[i].name, name) == 0) {
            return &reader->sections[i];
        }
    }
    return NULL;
}

static const worker_elf_segment_t *find_segment(const reader_t *reader, unsigned int type)
{
    uint64_t i;

    for (i = 0; i < reader->elf.phnum; i++) {
        if (reader->segments[i].type == type && reader->segments[i].filesz > 0) {
            return &reader->segments[i];
        }
    }
    return NULL;
}

/* What becomes the name of a link or a file must name one in the same directory. */
static bool is_file_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0
        && strcmp(name, "..") != 0;
}

static apr_status_t read_notes(reader_t *reader, uint64_t offset, uint64_t size, uint64_t align)
{
    unsigned char *bytes = NULL;
    worker_elf_note_t note;
    size_t cursor = 0;
    apr_status_t rv;

    if (reader->file->build_id != NULL || size > FILE_MAX_NOTES) {
        return APR_SUCCESS;
    }
    rv = read_range(&bytes, reader, offset, size, FILE_MAX_NOTES, "a note is not in it");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    while (reader->file->build_id == NULL
           && worker_elf_note_next(&note, &cursor, &reader->elf, bytes, (size_t)size, align)
               == WORKER_ELF_NEXT) {
        reader->file->build_id = worker_elf_note_build_id(&note, reader->p);
    }
    return APR_SUCCESS;
}

static apr_status_t read_all_notes(reader_t *reader)
{
    uint64_t i;
    apr_status_t rv = APR_SUCCESS;

    for (i = 0; i < reader->elf.shnum && rv == APR_SUCCESS; i++) {
        const section_t *section = &reader->sections[i];

        if (section->type == SHT_NOTE) {
            rv = read_notes(reader, section->offset, section->size, section->align);
        }
    }
    for (i = 0; i < reader->elf.phnum && reader->elf.shnum == 0 && rv == APR_SUCCESS; i++) {
        const worker_elf_segment_t *segment = &reader->segments[i];

        if (segment->type == PT_NOTE) {
            rv = read_notes(reader, segment->offset, segment->filesz, segment->align);
        }
    }
    return rv;
}

/* Read a range that holds one NUL-terminated text, and maybe more behind it. */
static apr_status_t read_text(const char **ptext, reader_t *reader, uint64_t offset, uint64_t size,
                              const char *what)
{
    unsigned char *bytes = NULL;
    apr_status_t rv;

    rv = read_range(&bytes, reader, offset, size, FILE_MAX_TEXT + WORKER_BUILD_ID_MAX + 1, what);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* A table of strings may go on behind its text, as may a link. */
    if (memchr(bytes, '\0', (size_t)size) == NULL || strlen((char *)bytes) > FILE_MAX_TEXT) {
        return refuse(reader, what);
    }
    *ptext = (const char *)bytes;
    return APR_SUCCESS;
}

static apr_status_t read_interpreter(reader_t *reader)
{
    const section_t *section = find_section(reader, ".interp");
    const worker_elf_segment_t *segment = find_segment(reader, PT_INTERP);
    const char *text = "";
    apr_status_t rv;

    if (section == NULL && (segment == NULL || reader->elf.shnum != 0)) {
        return APR_SUCCESS;
    }
    rv = read_text(&text, reader, section != NULL ? section->offset : segment->offset,
                   section != NULL ? section->size : segment->filesz, "its interpreter is no text");
    if (rv == APR_SUCCESS && text[0] != '\0') {
        reader->file->interpreter = apr_pstrdup(reader->p, text);
    }
    return rv;
}

/* A name, padding and a checksum. */
static apr_status_t read_debuglink(reader_t *reader)
{
    const section_t *section = find_section(reader, ".gnu_debuglink");
    const char *text = "";
    apr_status_t rv;

    if (section == NULL) {
        return APR_SUCCESS;
    }
    rv = read_text(&text, reader, section->offset, section->size, "its .gnu_debuglink is no text");
    if (rv == APR_SUCCESS && is_file_name(text)) {
        reader->file->debuglink = apr_pstrdup(reader->p, text);
    }
    return rv;
}

/* A path, and the build-id without padding. */
static apr_status_t read_altlink(reader_t *reader)
{
    const section_t *section = find_section(reader, ".gnu_debugaltlink");
    const char *text = "";
    size_t used;
    apr_status_t rv;

    if (section == NULL) {
        return APR_SUCCESS;
    }
    rv = read_text(&text, reader, section->offset, section->size,
                   "its .gnu_debugaltlink is no text");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    used = strlen(text) + 1;
    if (used > 1) {
        reader->file->altlink = apr_pstrdup(reader->p, text);
    }
    reader->file->altlink_build_id =
        worker_elf_hex((const unsigned char *)text + used, (size_t)section->size - used, reader->p);
    return APR_SUCCESS;
}

/* The position of DT_SONAME in the table of strings; false without one. */
static bool find_soname(uint64_t *pposition, const worker_elf_t *elf, const unsigned char *bytes,
                        size_t size)
{
    size_t word = worker_elf_word(elf);
    size_t at;

    for (at = 0; size - at >= 2 * word; at += 2 * word) {
        uint64_t tag = worker_elf_number(elf, bytes + at, word);

        if (tag == DT_NULL) {
            return false;
        }
        if (tag == DT_SONAME) {
            *pposition = worker_elf_number(elf, bytes + at + word, word);
            return true;
        }
    }
    return false;
}

static apr_status_t read_soname(reader_t *reader, const section_t *dynamic)
{
    const section_t *strings;
    unsigned char *bytes = NULL;
    const char *text = "";
    uint64_t position = 0;
    uint64_t left;
    apr_status_t rv;

    rv = read_range(&bytes, reader, dynamic->offset, dynamic->size, FILE_MAX_DYNAMIC,
                    "its dynamic section is too long");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!find_soname(&position, &reader->elf, bytes, (size_t)dynamic->size)) {
        return APR_SUCCESS;
    }
    if (dynamic->link >= reader->elf.shnum) {
        return refuse(reader, "its dynamic section has no strings");
    }
    strings = &reader->sections[dynamic->link];
    if (!has_content(strings) || position >= strings->size) {
        return refuse(reader, "its name is not among its strings");
    }
    left = strings->size - position;
    rv = read_text(&text, reader, strings->offset + position,
                   left < FILE_MAX_TEXT + 1 ? left : FILE_MAX_TEXT + 1, "its name is no text");
    if (rv == APR_SUCCESS && is_file_name(text)) {
        reader->file->soname = apr_pstrdup(reader->p, text);
    }
    return rv;
}

static apr_status_t read_dynamic(reader_t *reader)
{
    uint64_t i;

    for (i = 0; i < reader->elf.shnum; i++) {
        if (reader->sections[i].type == SHT_DYNAMIC && reader->sections[i].size > 0) {
            return read_soname(reader, &reader->sections[i]);
        }
    }
    return APR_SUCCESS;
}

/* Program headers alone do not prove it, see above: one section with code must be there as well. */
static bool has_code(const reader_t *reader)
{
    bool has_segment = false;
    uint64_t i;

    for (i = 0; i < reader->elf.phnum; i++) {
        const worker_elf_segment_t *segment = &reader->segments[i];

        if (segment->type == PT_LOAD && (segment->flags & PF_X) != 0 && segment->filesz > 0
            && segment->offset < reader->source.size) {
            has_segment = true;
        }
    }
    for (i = 0; i < reader->elf.shnum; i++) {
        if ((reader->sections[i].flags & SHF_EXECINSTR) != 0 && has_content(&reader->sections[i])) {
            return has_segment;
        }
    }
    return has_segment && reader->elf.shnum == 0;
}

static apr_status_t read_segments(reader_t *reader)
{
    apr_status_t rv;

    if (reader->elf.phnum > FILE_MAX_SEGMENTS) {
        return refuse(reader, "its program headers are not in it");
    }
    rv = worker_elf_segments(&reader->segments, &reader->elf, reader->scratch);
    if (rv == APR_EOF) {
        return refuse(reader, "its program headers are not in it");
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(reader->err, rv, "read the ELF file");
    }
    return APR_SUCCESS;
}

static apr_status_t read_file(reader_t *reader)
{
    static apr_status_t (*const steps[])(reader_t *) = {
        read_segments,    read_sections,  read_all_notes, read_dynamic,
        read_interpreter, read_debuglink, read_altlink,
    };
    size_t i;
    apr_status_t rv;

    rv = worker_elf_open(&reader->elf, worker_elf_source_read, &reader->source, 0);
    if (rv != APR_SUCCESS) {
        return retrace_fail(reader->err, rv, "the file has no valid ELF header");
    }
    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        rv = steps[i](reader);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    reader->file->has_code = has_code(reader);
    reader->file->has_debug_info =
        find_section(reader, ".debug_info") != NULL || find_section(reader, ".zdebug_info") != NULL;
    return APR_SUCCESS;
}

apr_status_t worker_elf_file_read(worker_elf_file_t **pfile, int fd, retrace_error_t *err,
                                  apr_pool_t *p)
{
    reader_t reader = { .err = err, .p = p, .source = { .fd = fd } };
    struct stat status;
    apr_status_t rv;

    if (fstat(fd, &status) != 0) {
        return retrace_fail(err, errno, "look at the ELF file");
    }
    reader.source.size = (uint64_t)status.st_size;
    reader.file = apr_pcalloc(p, sizeof(*reader.file));
    apr_pool_create(&reader.scratch, p);
    rv = read_file(&reader);
    apr_pool_destroy(reader.scratch);
    if (rv == APR_SUCCESS) {
        *pfile = reader.file;
    }
    return rv;
}
