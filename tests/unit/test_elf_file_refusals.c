/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files that contradict themselves, were cut off or break a limit. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <cmocka.h>

#include "tests/unit/elf_builder.h"

static int set_up(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL);
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

/* --- Files that contradict themselves --- */

/* The section table ends the file, so a download that stopped early never looks complete. */
static void file_that_is_cut_anywhere_is_refused(void **state)
{
    image_t *bytes = elf_builder_build(elf_builder_create_usual(true, false, *state));

    while (bytes->size > 0) {
        bytes->size--;
        elf_builder_refuse_bytes(bytes, "");
    }
}

static void other_files_are_refused(void **state)
{
    image_t *bytes = image_create(true, false, *state);

    image_add_text(bytes, "#!/bin/sh\necho this is a script, which is long enough for a header\n");
    elf_builder_refuse_bytes(bytes, "no valid ELF header");
}

static void header_with_a_wrong_number_is_refused(void **state)
{
    static const struct {
        size_t at;
        size_t width;
        uint64_t number;
    } rows[] = {
        { EI_CLASS, 1, 3 },
        { EI_DATA, 1, 0 },
        { EI_VERSION, 1, 0 },
        { 32, 8, UINT64_MAX },      /* e_phoff */
        { 32, 8, 0x100000 },        /* e_phoff */
        { 40, 8, UINT64_MAX },      /* e_shoff */
        { 40, 8, UINT64_MAX - 63 }, /* e_shoff */
        { 54, 2, 57 },              /* e_phentsize */
        { 56, 2, 1000 },            /* e_phnum */
        { 58, 2, 63 },              /* e_shentsize */
        { 60, 2, 1000 },            /* e_shnum */
        { 62, 2, 1000 },            /* e_shstrndx */
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        image_t *bytes = elf_builder_build(elf_builder_create_usual(true, false, *state));

        image_set(bytes, rows[i].at, rows[i].number, rows[i].width);
        elf_builder_refuse_bytes(bytes, "");
    }
}

static void section_out_of_the_file_is_refused(void **state)
{
    static const uint64_t offsets[] = { 0x100000, UINT64_MAX - 3, UINT64_MAX };
    size_t i;

    for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        elf_builder_t *builder = elf_builder_create_usual(true, false, *state);

        elf_builder_add_data(builder, ".debug_info", "12345678", 8)->offset = offsets[i];
        elf_builder_refuse(builder, "a section is not in it");
    }
}

static void section_that_ends_beyond_the_file_is_refused(void **state)
{
    static const uint64_t sizes[] = { 0x100000, UINT64_MAX / 2, UINT64_MAX };
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        elf_builder_t *builder = elf_builder_create_usual(true, false, *state);

        elf_builder_add_data(builder, ".debug_info", "12345678", 8)->size = sizes[i];
        elf_builder_refuse(builder, "a section is not in it");
    }
}

static void names_in_the_section_behind_the_last_are_refused(void **state)
{
    elf_builder_t *builder = elf_builder_create_usual(true, false, *state);
    image_t *bytes = elf_builder_build(builder);

    image_set(bytes, 62, builder->header.shnum, 2);
    elf_builder_refuse_bytes(bytes, "section names are in no section");
}

static void name_of_a_section_out_of_the_names_is_none(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);
    image_t *bytes;

    elf_builder_add_data(builder, ".debug_info", "x", 1);
    bytes = elf_builder_build(builder);
    image_set(bytes, (size_t)builder->header.shoff + sizeof(Elf64_Shdr), UINT32_MAX, 4);
    assert_false(elf_builder_read_bytes(bytes)->has_debug_info);
}

static void interpreter_has_a_limit(void **state)
{
    char text[4098];
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    memset(text, 'a', sizeof(text));
    text[4096] = '\0';
    elf_builder_add_data(builder, ".interp", text, 4097);
    assert_int_equal(strlen(elf_builder_read(builder)->interpreter), 4096);
    builder = elf_builder_create(true, false, *state);
    text[4096] = 'a';
    text[4097] = '\0';
    elf_builder_add_data(builder, ".interp", text, 4098);
    elf_builder_refuse(builder, "interpreter");
}

static void text_without_end_is_refused(void **state)
{
    static const char *const names[] = { ".interp", ".gnu_debuglink", ".gnu_debugaltlink" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        elf_builder_t *builder = elf_builder_create(true, false, *state);

        elf_builder_add_data(builder, names[i], "abcd", 4);
        elf_builder_refuse(builder, "no text");
    }
}

static void soname_without_end_is_refused(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_soname(builder, "lib.so");
    builder->parts[0].size--;
    elf_builder_refuse(builder, "its name is no text");
}

static void soname_out_of_its_strings_is_refused(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_soname(builder, "lib.so");
    builder->parts[0].size = 1;
    elf_builder_refuse(builder, "its name is not among its strings");
}

static void dynamic_section_without_strings_is_refused(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_soname(builder, "lib.so")->link = 1000;
    elf_builder_refuse(builder, "has no strings");
    builder = elf_builder_create(true, false, *state);
    elf_builder_add_soname(builder, "lib.so");
    builder->parts[0].type = SHT_NOBITS;
    elf_builder_refuse(builder, "not among its strings");
}

static void dynamic_section_has_a_limit(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);
    image_t *dynamic = elf_builder_bytes(builder);

    image_fill(dynamic, 65536);
    elf_builder_add_part(builder, ".dynamic", SHT_DYNAMIC, dynamic);
    assert_null(elf_builder_read(builder)->soname);
    builder = elf_builder_create(true, false, *state);
    image_fill(dynamic, 65537);
    elf_builder_add_part(builder, ".dynamic", SHT_DYNAMIC, dynamic);
    elf_builder_refuse(builder, "too long");
}

static void names_of_sections_have_a_limit(void **state)
{
    image_t *names = image_create(true, false, *state);
    int extra;

    image_fill(names, 1024 * 1024 + 1);
    for (extra = 0; extra < 2; extra++) {
        elf_builder_t *builder = elf_builder_create(true, false, *state);
        image_t *bytes;

        elf_builder_add_part(builder, ".debug_str", SHT_PROGBITS, names)->size =
            1024 * 1024 + extra;
        bytes = elf_builder_build(builder);
        image_set(bytes, 62, 1, 2); /* e_shstrndx */
        if (extra == 0) {
            elf_builder_read_bytes(bytes);
        }
        else {
            elf_builder_refuse_bytes(bytes, "section names");
        }
    }
}

/* A file whose section 0 counts the sections, the last of which holds the names. */
static image_t *build_numerous(uint64_t count, apr_pool_t *p)
{
    image_t *bytes = image_create(true, false, p);
    builder_header_t header = { .type = ET_REL, .shstrndx = SHN_XINDEX };
    elf_part_t first = { .link = count - 1 };
    elf_part_t null = { 0 };
    elf_part_t names = { .type = SHT_STRTAB, .size = 1 };
    uint64_t i;

    header.shoff = sizeof(Elf64_Ehdr);
    first.size = count;
    image_add_header(bytes, &header);
    elf_builder_add_section(bytes, 0, &first);
    for (i = 1; i + 1 < count; i++) {
        elf_builder_add_section(bytes, 0, &null);
    }
    elf_builder_add_section(bytes, 0, &names);
    return bytes;
}

static void sections_at_the_limit_are_read(void **state)
{
    assert_non_null(elf_builder_read_bytes(build_numerous(65536, *state)));
}

static void sections_beyond_the_limit_are_refused(void **state)
{
    elf_builder_refuse_bytes(build_numerous(65537, *state), "section table");
}

/* Only core dumps have as many segments as that. */
static void segments_have_a_limit(void **state)
{
    image_t *bytes = build_numerous(2, *state);
    size_t table = bytes->size;

    image_set(bytes, 32, table, 8);
    image_set(bytes, 54, sizeof(Elf64_Phdr), 2);
    image_set(bytes, 56, PN_XNUM, 2);
    image_fill(bytes, table + 65535 * sizeof(Elf64_Phdr));
    image_set(bytes, sizeof(Elf64_Ehdr) + 44, 65534, 4);
    assert_non_null(elf_builder_read_bytes(bytes));
    image_set(bytes, sizeof(Elf64_Ehdr) + 44, 65535, 4);
    elf_builder_refuse_bytes(bytes, "program headers");
}

static void absurd_count_of_sections_is_refused(void **state)
{
    image_t *bytes = build_numerous(100, *state);

    image_set(bytes, sizeof(Elf64_Ehdr) + 32, UINT64_MAX, 8);
    elf_builder_refuse_bytes(bytes, "section table");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(file_that_is_cut_anywhere_is_refused),
        CASE(other_files_are_refused),
        CASE(header_with_a_wrong_number_is_refused),
        CASE(section_out_of_the_file_is_refused),
        CASE(section_that_ends_beyond_the_file_is_refused),
        CASE(names_in_the_section_behind_the_last_are_refused),
        CASE(name_of_a_section_out_of_the_names_is_none),
        CASE(interpreter_has_a_limit),
        CASE(text_without_end_is_refused),
        CASE(soname_without_end_is_refused),
        CASE(soname_out_of_its_strings_is_refused),
        CASE(dynamic_section_without_strings_is_refused),
        CASE(dynamic_section_has_a_limit),
        CASE(names_of_sections_have_a_limit),
        CASE(sections_at_the_limit_are_read),
        CASE(sections_beyond_the_limit_are_refused),
        CASE(segments_have_a_limit),
        CASE(absurd_count_of_sections_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
