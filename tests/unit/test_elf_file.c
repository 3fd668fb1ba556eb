/* SPDX-License-Identifier: Apache-2.0 */
/* Executables, libraries and files of debug information: what is read from them, and what their
 * program headers may not claim. Files that lie are in test_elf_file_refusals.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <cmocka.h>

#include "tests/unit/elf_builder.h"

#define ID_8  "0102030405060708"
#define ID_20 "0102030405060708090a0b0c0d0e0f1011121314"

static int set_up(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL);
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

/* --- What a good file says --- */

static void every_layout_tells_the_same(void **state)
{
    int i;

    for (i = 0; i < 4; i++) {
        worker_elf_file_t *file =
            elf_builder_read(elf_builder_create_usual((i & 1) != 0, (i & 2) != 0, *state));

        assert_string_equal(file->build_id, ID_20);
        assert_string_equal(file->soname, "libusual.so.1");
        assert_string_equal(file->interpreter, "/lib64/ld.so");
        assert_true(file->has_code);
        assert_false(file->has_debug_info);
        assert_null(file->debuglink);
        assert_null(file->altlink);
        assert_null(file->altlink_build_id);
    }
}

static void file_without_anything_says_nothing(void **state)
{
    worker_elf_file_t *file = elf_builder_read(elf_builder_create(true, false, *state));

    assert_null(file->build_id);
    assert_null(file->soname);
    assert_null(file->interpreter);
    assert_false(file->has_code);
    assert_false(file->has_debug_info);
}

static void build_id_of_bad_length_is_passed_over(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_build_id(builder, 7);
    elf_builder_add_build_id(builder, 65);
    elf_builder_add_build_id(builder, 8);
    elf_builder_add_build_id(builder, 20);
    assert_string_equal(elf_builder_read(builder)->build_id, ID_8);
}

static void note_that_lies_about_its_size_gives_no_build_id(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_build_id(builder, 20);
    image_set((image_t *)builder->parts[0].content, 4, 21, 4);
    assert_null(elf_builder_read(builder)->build_id);
}

static void debuglink_is_a_file_name(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_data(builder, ".gnu_debuglink", "lib.so.debug\0\0\0\0abcd", 20);
    assert_string_equal(elf_builder_read(builder)->debuglink, "lib.so.debug");
}

static void debuglink_that_leaves_its_directory_is_ignored(void **state)
{
    static const char *const names[] = { "../../../etc/passwd", "/x", "..", ".", "" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        elf_builder_t *builder = elf_builder_create(true, false, *state);

        elf_builder_add_data(builder, ".gnu_debuglink", names[i], strlen(names[i]) + 1);
        assert_null(elf_builder_read(builder)->debuglink);
    }
}

static void soname_that_leaves_its_directory_is_ignored(void **state)
{
    static const char *const names[] = { "../lib.so", "/lib.so", "..", ".", "" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        elf_builder_t *builder = elf_builder_create(true, false, *state);

        elf_builder_add_soname(builder, names[i]);
        assert_null(elf_builder_read(builder)->soname);
    }
}

static void altlink_is_a_path_and_a_build_id(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);
    worker_elf_file_t *file;

    elf_builder_add_data(builder, ".gnu_debugaltlink", "../../.dwz/a\0\1\2\3\4\5\6\7\10", 21);
    file = elf_builder_read(builder);
    assert_string_equal(file->altlink, "../../.dwz/a");
    assert_string_equal(file->altlink_build_id, ID_8);
}

static void altlink_without_path_is_none(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_data(builder, ".gnu_debugaltlink", "\0\1\2\3\4\5\6\7\10", 9);
    assert_null(elf_builder_read(builder)->altlink);
}

static void altlink_without_build_id_is_only_a_path(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);
    worker_elf_file_t *file;

    elf_builder_add_data(builder, ".gnu_debugaltlink", "../../.dwz/a\0\1\2\3\4\5\6\7", 20);
    file = elf_builder_read(builder);
    assert_string_equal(file->altlink, "../../.dwz/a");
    assert_null(file->altlink_build_id);
}

/* --- Debug information and code --- */

static void debug_information_needs_content(void **state)
{
    elf_builder_t *full = elf_builder_create(true, false, *state);
    elf_builder_t *old = elf_builder_create(true, false, *state);
    elf_builder_t *empty = elf_builder_create(true, false, *state);
    elf_builder_t *elsewhere = elf_builder_create(true, false, *state);

    elf_builder_add_data(full, ".debug_info", "x", 1);
    assert_true(elf_builder_read(full)->has_debug_info);
    elf_builder_add_data(old, ".zdebug_info", "x", 1);
    assert_true(elf_builder_read(old)->has_debug_info);
    elf_builder_add_data(empty, ".debug_info", "", 0);
    assert_false(elf_builder_read(empty)->has_debug_info);
    elf_builder_add_data(elsewhere, ".debug_info", "x", 1)->type = SHT_NOBITS;
    assert_false(elf_builder_read(elsewhere)->has_debug_info);
}

/* eu-strip leaves the program headers of the program in its .debug file. */
static void program_headers_of_a_debug_file_are_not_believed(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);
    elf_part_t *text = elf_builder_add_data(builder, ".text", "code", 4);
    worker_elf_file_t *file;

    text->type = SHT_NOBITS;
    text->flags = SHF_ALLOC | SHF_EXECINSTR;
    elf_builder_add_data(builder, ".debug_info", "x", 1);
    elf_builder_add_segment(builder, PT_LOAD, 0, 64)->flags = PF_R | PF_X;
    elf_builder_add_segment(builder, PT_INTERP, 1, 64);
    elf_builder_add_segment(builder, PT_NOTE, 0x100000, 64);
    file = elf_builder_read(builder);
    assert_false(file->has_code);
    assert_true(file->has_debug_info);
    assert_null(file->interpreter);
    assert_null(file->build_id);
}

static void code_needs_bytes_in_the_file(void **state)
{
    elf_builder_t *builder = elf_builder_create(true, false, *state);

    elf_builder_add_code(builder);
    builder->segments[0].filesz = 0;
    assert_false(elf_builder_read(builder)->has_code);
    builder = elf_builder_create(true, false, *state);
    elf_builder_add_code(builder);
    builder->segments[0].offset = 0x100000;
    assert_false(elf_builder_read(builder)->has_code);
    builder = elf_builder_create(true, false, *state);
    elf_builder_add_code(builder);
    builder->segments[0].flags = PF_R | PF_W;
    assert_false(elf_builder_read(builder)->has_code);
}

/* --- Files without sections --- */

static image_t *build_without_sections(apr_pool_t *p)
{
    elf_builder_t *builder = elf_builder_create(true, false, p);
    image_t *id = core_builder_build_id(20, p);
    image_t *out = elf_builder_bytes(builder);
    size_t start = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);

    builder->header.phoff = sizeof(Elf64_Ehdr);
    builder->header.phnum = 3;
    image_add_header(out, &builder->header);
    elf_builder_add_segment(builder, PT_LOAD, 0, start)->flags = PF_X;
    elf_builder_add_segment(builder, PT_NOTE, start, id->size);
    elf_builder_add_segment(builder, PT_INTERP, start + id->size, 13);
    image_add_segment(out, &builder->segments[0]);
    image_add_segment(out, &builder->segments[1]);
    image_add_segment(out, &builder->segments[2]);
    image_add(out, id->data, id->size);
    image_add_text(out, "/lib64/ld.so");
    return out;
}

static void file_without_sections_is_read_by_its_segments(void **state)
{
    worker_elf_file_t *file = elf_builder_read_bytes(build_without_sections(*state));

    assert_string_equal(file->build_id, ID_20);
    assert_string_equal(file->interpreter, "/lib64/ld.so");
    assert_true(file->has_code);
}

static void segments_beyond_the_end_of_a_file_without_sections_are_refused(void **state)
{
    image_t *bytes = build_without_sections(*state);

    bytes->size--;
    elf_builder_refuse_bytes(bytes, "interpreter");
    bytes->size -= 13;
    elf_builder_refuse_bytes(bytes, "a note is not in it");
    bytes->size = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr) - 1;
    elf_builder_refuse_bytes(bytes, "program headers");
}

static void count_of_segments_in_no_section_is_refused(void **state)
{
    image_t *bytes = build_without_sections(*state);

    image_set(bytes, 56, PN_XNUM, 2);
    elf_builder_refuse_bytes(bytes, "no valid ELF header");
}

/* --- Real files --- */

static void this_program_is_read(void **state)
{
    worker_elf_file_t *file = NULL;
    retrace_error_t err = { 0 };
    int fd = open("/proc/self/exe", O_RDONLY);

    assert_int_equal(worker_elf_file_read(&file, fd, &err, *state), APR_SUCCESS);
    close(fd);
    assert_non_null(file->build_id);
    assert_non_null(strstr(file->interpreter, "/ld"));
    assert_null(file->soname);
    assert_true(file->has_code);
}

static void descriptor_that_is_closed_is_an_error_of_its_own(void **state)
{
    worker_elf_file_t *file = NULL;

    assert_int_equal(worker_elf_file_read(&file, -1, NULL, *state), EBADF);
    assert_null(file);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_layout_tells_the_same),
        CASE(file_without_anything_says_nothing),
        CASE(build_id_of_bad_length_is_passed_over),
        CASE(note_that_lies_about_its_size_gives_no_build_id),
        CASE(debuglink_is_a_file_name),
        CASE(debuglink_that_leaves_its_directory_is_ignored),
        CASE(soname_that_leaves_its_directory_is_ignored),
        CASE(altlink_is_a_path_and_a_build_id),
        CASE(altlink_without_path_is_none),
        CASE(altlink_without_build_id_is_only_a_path),
        CASE(debug_information_needs_content),
        CASE(program_headers_of_a_debug_file_are_not_believed),
        CASE(code_needs_bytes_in_the_file),
        CASE(file_without_sections_is_read_by_its_segments),
        CASE(segments_beyond_the_end_of_a_file_without_sections_are_refused),
        CASE(count_of_segments_in_no_section_is_refused),
        CASE(this_program_is_read),
        CASE(descriptor_that_is_closed_is_an_error_of_its_own),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
