/* SPDX-License-Identifier: Apache-2.0 */
/* The mapped files of a core dump: NT_FILE tells paths and addresses, and the first page of each
 * file, when the core holds it, tells what the file is. */
#include "worker/core_private.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_PAGE              4096  /* bytes of a mapping that are read at once */
#define IMAGE_MAX_SEGMENTS      128   /* program headers of a mapped file; more: no build-id */
#define IMAGE_MAX_NOTES         16384 /* bytes of a mapped file's note segment; more: ignored */
#define IMAGE_MAX_NOTE_SEGMENTS 8     /* that are looked at */

/** One entry of NT_FILE. */
typedef struct mapping_t {
    uint64_t start;
    uint64_t end;
    uint64_t page; /* of the file, that is mapped at start */
    const char *path;
} mapping_t;

/** A mapped ELF file, seen through the memory in the core. */
typedef struct image_t {
    worker_core_memory_t *memory;
    uint64_t start;
    uint64_t end; /* one past its highest address as its program headers tell it; start unknown */
    size_t page_size;
    unsigned char page[IMAGE_PAGE];
    worker_elf_t elf;
} image_t;

/* --- Memory --- */

/* The last PT_LOAD that begins at or below the address; NULL if none does. */
static const worker_elf_segment_t *find_load(const worker_core_memory_t *memory, uint64_t address)
{
    size_t low = 0;
    size_t high = memory->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memory->loads[middle].vaddr <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low == 0 ? NULL : &memory->loads[low - 1];
}

apr_status_t worker_core_memory_read(void *baton, uint64_t where, void *buffer, size_t size)
{
    const worker_core_memory_t *memory = baton;
    unsigned char *next = buffer;

    while (size > 0) {
        const worker_elf_segment_t *load = find_load(memory, where);
        size_t part = size;
        apr_status_t rv;

        if (load == NULL || where - load->vaddr >= load->filesz) {
            return APR_EOF;
        }
        if (part > load->filesz - (where - load->vaddr)) {
            part = (size_t)(load->filesz - (where - load->vaddr));
        }
        rv = worker_elf_source_read(memory->source, load->offset + (where - load->vaddr), next,
                                    part);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        next += part;
        where += part;
        size -= part;
    }
    return APR_SUCCESS;
}

static int compare_loads(const void *left, const void *right)
{
    const worker_elf_segment_t *a = left;
    const worker_elf_segment_t *b = right;

    if (a->vaddr != b->vaddr) {
        return a->vaddr < b->vaddr ? -1 : 1;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

void worker_core_memory_sort(worker_core_memory_t *memory)
{
    if (memory->count > 0) {
        qsort(memory->loads, memory->count, sizeof(*memory->loads), compare_loads);
    }
}

/* --- Images --- */

/* Nearly all that is read of an image lies in its first page, which is fetched only once. */
static apr_status_t read_image(void *baton, uint64_t where, void *buffer, size_t size)
{
    image_t *image = baton;

    if (where >= image->start && where - image->start <= image->page_size
        && size <= image->page_size - (where - image->start)) {
        memcpy(buffer, image->page + (where - image->start), size);
        return APR_SUCCESS;
    }
    return worker_core_memory_read(image->memory, where, buffer, size);
}

/* APR_EOF when the page is not in the core, APR_EINVAL when it is no ELF header. */
static apr_status_t open_image(image_t *image, worker_core_memory_t *memory,
                               const mapping_t *mapping)
{
    uint64_t length = mapping->end - mapping->start;
    apr_status_t rv;

    image->memory = memory;
    image->start = mapping->start;
    image->end = mapping->start;
    image->page_size = length < IMAGE_PAGE ? (size_t)length : IMAGE_PAGE;
    rv = worker_core_memory_read(memory, mapping->start, image->page, image->page_size);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return worker_elf_open(&image->elf, read_image, image, mapping->start);
}

static void take_image_notes(worker_module_t *module, image_t *image, uint64_t address,
                             const worker_elf_segment_t *segment, apr_pool_t *p)
{
    unsigned char bytes[IMAGE_MAX_NOTES];
    worker_elf_note_t note;
    size_t cursor = 0;

    if (segment->filesz > sizeof(bytes)
        || read_image(image, address, bytes, (size_t)segment->filesz) != APR_SUCCESS) {
        return;
    }
    while (worker_elf_note_next(&note, &cursor, &image->elf, bytes, (size_t)segment->filesz,
                                segment->align)
           == WORKER_ELF_NEXT) {
        if (module->build_id == NULL) {
            module->build_id = worker_elf_note_build_id(&note, p);
        }
        if (module->package_name == NULL) {
            worker_core_read_package(module, &note, p);
        }
    }
}

/* Where the image was linked to begin: the address of its file offset 0, which the first PT_LOAD
 * tells. Without one it is 0 and addresses are offsets. */
static uint64_t find_link_base(const worker_elf_segment_t *segments, uint64_t count)
{
    uint64_t i;

    for (i = 0; i < count; i++) {
        if (segments[i].type == PT_LOAD) {
            return segments[i].vaddr - segments[i].offset;
        }
    }
    return 0;
}

static void extend_image(image_t *image, const worker_elf_segment_t *segment, uint64_t link_base)
{
    uint64_t end;

    if (!__builtin_sub_overflow(segment->vaddr, link_base, &end)
        && !__builtin_add_overflow(end, segment->memsz, &end)
        && !__builtin_add_overflow(end, image->start, &end) && end > image->end) {
        image->end = end;
    }
}

/* Read what the image says about itself. Whatever it gets wrong is its own matter: the module
 * just has no build-id then, which is what it would have without that page in the core. */
static void describe_image(worker_module_t *module, image_t *image, worker_core_reader_t *reader)
{
    worker_elf_segment_t *segments = NULL;
    uint64_t link_base;
    int note_segments = 0;
    uint64_t i;

    if (image->elf.phnum > IMAGE_MAX_SEGMENTS
        || worker_elf_segments(&segments, &image->elf, reader->scratch) != APR_SUCCESS) {
        return;
    }
    link_base = find_link_base(segments, image->elf.phnum);
    for (i = 0; i < image->elf.phnum; i++) {
        if (segments[i].type == PT_LOAD) {
            extend_image(image, &segments[i], link_base);
        }
        if (segments[i].type == PT_NOTE && note_segments++ < IMAGE_MAX_NOTE_SEGMENTS) {
            /* Addresses of a hostile image may wrap: that only reads other memory of the core. */
            take_image_notes(module, image, image->start + (segments[i].vaddr - link_base),
                             &segments[i], reader->p);
        }
    }
}

/* --- Mappings --- */

static worker_module_t *last_module(const worker_core_reader_t *reader)
{
    apr_array_header_t *modules = reader->core->modules;

    return modules->nelts == 0 ? NULL
                               : &APR_ARRAY_IDX(modules, modules->nelts - 1, worker_module_t);
}

static void extend_module(worker_module_t *module, const mapping_t *mapping)
{
    if (mapping->start < module->start) {
        module->start = mapping->start;
    }
    if (mapping->end > module->end) {
        module->end = mapping->end;
    }
}

/* Does the mapping go on with the module? A file's first page may be mapped twice within one ELF
 * image, when its data begin in that page; beyond the image it is the file loaded once more. */
static bool continues(const worker_module_t *module, uint64_t image_end, const mapping_t *mapping)
{
    if (module == NULL || strcmp(module->path, mapping->path) != 0) {
        return false;
    }
    return mapping->page != 0 || (mapping->start >= module->start && mapping->start < image_end);
}

static apr_status_t take_mapping(worker_core_reader_t *reader, const mapping_t *mapping,
                                 uint64_t *pimage_end)
{
    worker_module_t *module = last_module(reader);
    image_t image;
    apr_status_t rv = APR_EOF;

    if (continues(module, *pimage_end, mapping)) {
        extend_module(module, mapping);
        return APR_SUCCESS;
    }
    if (mapping->page == 0) {
        rv = open_image(&image, &reader->memory, mapping);
        if (rv != APR_SUCCESS && rv != APR_EOF && rv != APR_EINVAL) {
            return retrace_fail(reader->err, rv, "read memory of the core dump");
        }
    }
    if (rv != APR_SUCCESS && module != NULL && strcmp(module->path, mapping->path) == 0) {
        extend_module(module, mapping);
        return APR_SUCCESS;
    }
    if (reader->core->modules->nelts == WORKER_CORE_MAX_MODULES) {
        return retrace_fail(reader->err, APR_EINVAL, "the core dump names more than %d files",
                            WORKER_CORE_MAX_MODULES);
    }
    module = apr_array_push(reader->core->modules);
    module->path = apr_pstrdup(reader->p, mapping->path);
    module->start = mapping->start;
    module->end = mapping->end;
    *pimage_end = mapping->start;
    if (rv == APR_SUCCESS) {
        module->is_elf = true;
        describe_image(module, &image, reader);
        *pimage_end = image.end;
    }
    return APR_SUCCESS;
}

/* The path at *pnames, which is moved behind it. */
static apr_status_t take_path(const char **ppath, const unsigned char **pnames,
                              const unsigned char *end, retrace_error_t *err)
{
    size_t left = (size_t)(end - *pnames);
    size_t length = strnlen((const char *)*pnames, left);

    if (length == left) {
        return retrace_fail(err, APR_EINVAL, "note NT_FILE of the core dump ends within its paths");
    }
    if (length > WORKER_CORE_MAX_PATH) {
        return retrace_fail(err, APR_EINVAL, "the core dump names a path longer than %d bytes",
                            WORKER_CORE_MAX_PATH);
    }
    *ppath = (const char *)*pnames;
    *pnames += length + 1;
    return APR_SUCCESS;
}

/* NT_FILE: count, page size, count times (start, end, page), count paths. */
static apr_status_t read_files(worker_core_reader_t *reader)
{
    const worker_elf_note_t *note = &reader->files;
    const unsigned char *end = note->content + note->size;
    size_t word = worker_elf_word(&reader->elf);
    const unsigned char *numbers = note->content + 2 * word;
    const unsigned char *names;
    uint64_t image_end = 0;
    uint64_t count;
    uint64_t i;

    if (note->size < 2 * word) {
        return retrace_fail(reader->err, APR_EINVAL, "note NT_FILE of the core dump is too short");
    }
    count = worker_elf_number(&reader->elf, note->content, word);
    if (count > WORKER_CORE_MAX_SEGMENTS || count > (note->size - 2 * word) / (3 * word)) {
        return retrace_fail(reader->err, APR_EINVAL,
                            "note NT_FILE of the core dump counts more files than it holds, or"
                            " more than %d",
                            WORKER_CORE_MAX_SEGMENTS);
    }
    names = numbers + (size_t)count * 3 * word;
    for (i = 0; i < count; i++, numbers += 3 * word) {
        mapping_t mapping = { .path = "",
                              .start = worker_elf_number(&reader->elf, numbers, word),
                              .end = worker_elf_number(&reader->elf, numbers + word, word),
                              .page = worker_elf_number(&reader->elf, numbers + 2 * word, word) };
        apr_status_t rv;

        if (mapping.start >= mapping.end) {
            return retrace_fail(reader->err, APR_EINVAL,
                                "a file of the core dump is mapped to an empty range");
        }
        rv = take_path(&mapping.path, &names, end, reader->err);
        if (rv == APR_SUCCESS) {
            rv = take_mapping(reader, &mapping, &image_end);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

static int compare_modules(const void *left, const void *right)
{
    const worker_module_t *a = left;
    const worker_module_t *b = right;

    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    if (a->end != b->end) {
        return a->end < b->end ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

/* AT_PHDR points into the program's first page, whoever mapped it: the kernel or a user of ld.so.
 */
static const worker_module_t *find_program(const worker_core_reader_t *reader)
{
    apr_array_header_t *modules = reader->core->modules;
    int i;

    if (reader->program_headers == 0) {
        return NULL;
    }
    for (i = modules->nelts - 1; i >= 0; i--) {
        const worker_module_t *module = &APR_ARRAY_IDX(modules, i, worker_module_t);

        if (reader->program_headers >= module->start && reader->program_headers < module->end) {
            return module;
        }
    }
    return NULL;
}

apr_status_t worker_core_read_modules(worker_core_reader_t *reader)
{
    apr_array_header_t *modules = reader->core->modules;
    apr_status_t rv;

    if (reader->files.content == NULL) {
        return APR_SUCCESS;
    }
    rv = read_files(reader);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    qsort(modules->elts, (size_t)modules->nelts, sizeof(worker_module_t), compare_modules);
    reader->core->program = find_program(reader);
    return APR_SUCCESS;
}
