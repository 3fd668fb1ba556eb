/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped files of core dumps: which mappings make one module, and lists of files that lie. */
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <apr_general.h>
#include <cmocka.h>

#include "tests/unit/core_builder.h"

#define PAGE  CORE_BUILDER_PAGE
#define LIB   "/usr/lib64/lib.so"
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

static const worker_module_t *module_of(const worker_core_t *core, int index)
{
    assert_true(index < core->modules->nelts);
    return &APR_ARRAY_IDX(core->modules, index, worker_module_t);
}

/* Map a file and put an ELF image with a build-id into its first page. */
static void add_elf(core_builder_t *builder, uint64_t start, const char *path)
{
    core_builder_add_mapping(builder, start, start + PAGE, 0, path);
    core_builder_add_memory(builder, start,
                            core_builder_image(core_builder_build_id(20, builder->p), builder->p));
}

/* --- Which mappings make one module --- */

static void mappings_of_a_file_fold_into_one_module(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    add_elf(builder, 0x10000, LIB);
    core_builder_add_mapping(builder, 0x11000, 0x14000, 1, LIB);
    core_builder_add_mapping(builder, 0x14000, 0x15000, 3, LIB);
    core = core_builder_read(builder);
    assert_int_equal(core->modules->nelts, 1);
    assert_string_equal(module_of(core, 0)->path, LIB);
    assert_int_equal(module_of(core, 0)->start, 0x10000);
    assert_int_equal(module_of(core, 0)->end, 0x15000);
    assert_true(module_of(core, 0)->is_elf);
    assert_string_equal(module_of(core, 0)->build_id, ID_20);
}

static void file_loaded_twice_is_two_modules(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    add_elf(builder, 0x10000, LIB);
    core_builder_add_mapping(builder, 0x11000, 0x12000, 1, LIB);
    add_elf(builder, 0x12000, LIB);
    core_builder_add_mapping(builder, 0x13000, 0x14000, 1, LIB);
    core = core_builder_read(builder);
    assert_int_equal(core->modules->nelts, 2);
    assert_int_equal(module_of(core, 0)->end, 0x12000);
    assert_int_equal(module_of(core, 1)->start, 0x12000);
    assert_string_equal(module_of(core, 1)->build_id, ID_20);
}

static void file_loaded_a_second_time_further_down_is_two_modules(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    add_elf(builder, 0x10000, LIB);
    add_elf(builder, 0x8000, LIB);
    assert_int_equal(core_builder_read(builder)->modules->nelts, 2);
}

/* Data that begin in the first page of the file map that page a second time. */
static void first_page_mapped_twice_within_one_image_is_one_module(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    add_elf(builder, 0x10000, LIB);
    add_elf(builder, 0x11000, LIB);
    assert_int_equal(core_builder_read(builder)->modules->nelts, 1);
}

static void other_file_between_two_mappings_makes_three_modules(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    add_elf(builder, 0x10000, LIB);
    core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/other");
    core_builder_add_mapping(builder, 0x30000, 0x31000, 1, LIB);
    assert_int_equal(core_builder_read(builder)->modules->nelts, 3);
}

/* Graphics drivers map their device a hundred times. */
static void data_file_mapped_again_is_still_one_module(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/dev/dri/card0");
    core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/dev/dri/card0");
    core = core_builder_read(builder);
    assert_int_equal(core->modules->nelts, 1);
    assert_false(module_of(core, 0)->is_elf);
    assert_null(module_of(core, 0)->build_id);
}

static void modules_are_sorted_by_address(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_mapping(builder, 0x30000, 0x31000, 0, "/c");
    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/b");
    core = core_builder_read(builder);
    assert_string_equal(module_of(core, 0)->path, "/a");
    assert_string_equal(module_of(core, 1)->path, "/b");
    assert_string_equal(module_of(core, 2)->path, "/c");
}

static void module_at_an_address_is_the_nearest_that_holds_it(void **state)
{
    static const worker_module_t modules[] = {
        { .path = "/a", .start = 0x1000, .end = 0x9000 }, /* with a hole, in which is */
        { .path = "/b", .start = 0x3000, .end = 0x4000 },
    };
    worker_core_t core = { .modules = apr_array_make(*state, 2, sizeof(worker_module_t)) };

    APR_ARRAY_PUSH(core.modules, worker_module_t) = modules[0];
    APR_ARRAY_PUSH(core.modules, worker_module_t) = modules[1];
    assert_null(worker_core_module_at(&core, 0xfff));
    assert_string_equal(worker_core_module_at(&core, 0x1000)->path, "/a");
    assert_string_equal(worker_core_module_at(&core, 0x3000)->path, "/b");
    assert_string_equal(worker_core_module_at(&core, 0x3fff)->path, "/b");
    assert_string_equal(worker_core_module_at(&core, 0x4000)->path, "/a");
    assert_null(worker_core_module_at(&core, 0x9000));
    assert_null(worker_core_module_at(&core, UINT64_MAX));
}

static void program_is_the_module_with_its_program_headers(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/b");
    core_builder_add_auxv(builder, AT_ENTRY, 0x10100);
    core_builder_add_auxv(builder, AT_PHDR, 0x20040);
    core = core_builder_read(builder);
    assert_non_null(core->program);
    assert_string_equal(core->program->path, "/b");
}

static void program_headers_in_no_module_leave_the_program_unknown(void **state)
{
    static const uint64_t addresses[] = { 0, 0xffff, 0x11000, UINT64_MAX };
    size_t i;

    for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        core_builder_t *builder = core_builder_create_usual(*state);

        core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
        core_builder_add_auxv(builder, AT_PHDR, addresses[i]);
        assert_null(core_builder_read(builder)->program);
    }
}

static void auxiliary_vector_ends_at_its_end_mark(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    core_builder_add_auxv(builder, AT_NULL, 0);
    core_builder_add_auxv(builder, AT_PHDR, 0x10040);
    assert_null(core_builder_read(builder)->program);
}

static void page_that_is_only_partly_in_the_core_is_no_elf(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    add_elf(builder, 0x10000, LIB);
    builder->missing = 1;
    assert_false(module_of(core_builder_read(builder), 0)->is_elf);
}

static void list_of_files_survives_the_loss_of_all_memory(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    add_elf(builder, 0x10000, LIB);
    builder->missing = PAGE;
    core = core_builder_read(builder);
    assert_true(core->is_truncated);
    assert_int_equal(core->modules->nelts, 1);
    assert_false(module_of(core, 0)->is_elf);
}

/* --- Lists of files that lie --- */

static void list_that_counts_more_files_than_it_holds_is_refused(void **state)
{
    static const uint64_t counts[] = { 4, 1000, UINT64_MAX / 24 + 2, UINT64_MAX };
    size_t i;

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        core_builder_t *builder = core_builder_create_usual(*state);

        core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
        core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/b");
        builder->file_count = counts[i];
        core_builder_refuse(builder, "more files than it holds");
    }
}

static void list_with_fewer_paths_than_files_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    core_builder_add_mapping(builder, 0x20000, 0x21000, 0, "/b");
    builder->paths->size = 3;
    core_builder_refuse(builder, "within its paths");
}

static void path_without_end_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    builder->paths->size = 2;
    core_builder_refuse(builder, "within its paths");
}

static char *make_path(size_t length, apr_pool_t *p)
{
    char *path = apr_pcalloc(p, length + 1);

    memset(path, 'a', length);
    path[0] = '/';
    return path;
}

static void path_at_the_limit_is_read(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, make_path(WORKER_CORE_MAX_PATH, *state));
    assert_int_equal(strlen(module_of(core_builder_read(builder), 0)->path), WORKER_CORE_MAX_PATH);
}

static void path_beyond_the_limit_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0,
                             make_path(WORKER_CORE_MAX_PATH + 1, *state));
    core_builder_refuse(builder, "path longer than 4096");
}

/* Paths are untrusted, but whoever compares them needs what the core really says. */
static void odd_path_stays_as_it_came(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "../\n\xff (deleted)");
    assert_string_equal(module_of(core_builder_read(builder), 0)->path, "../\n\xff (deleted)");
}

static void empty_range_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0x10000, 0, "/a");
    core_builder_refuse(builder, "empty range");
}

static void range_that_ends_before_its_start_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    core_builder_add_mapping(builder, 0x10000, 0xf000, 0, "/a");
    core_builder_refuse(builder, "empty range");
}

static core_builder_t *build_many_files(int count, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create_usual(p);
    int i;

    for (i = 0; i < count; i++) {
        char path[16];
        uint64_t start = (uint64_t)(i + 1) * PAGE;

        snprintf(path, sizeof(path), "/%d", i);
        core_builder_add_mapping(builder, start, start + PAGE, 0, path);
    }
    return builder;
}

static void files_at_the_limit_are_read(void **state)
{
    core_builder_t *builder = build_many_files(WORKER_CORE_MAX_MODULES, *state);

    assert_int_equal(core_builder_read(builder)->modules->nelts, WORKER_CORE_MAX_MODULES);
}

static void files_beyond_the_limit_are_refused(void **state)
{
    core_builder_refuse(build_many_files(WORKER_CORE_MAX_MODULES + 1, *state),
                        "more than 4096 files");
}

static core_builder_t *build_many_mappings(int count, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create_usual(p);
    int i;

    for (i = 0; i < count; i++) {
        core_builder_add_mapping(builder, PAGE, 2 * PAGE, 0, "/a");
    }
    return builder;
}

static void mappings_at_the_limit_are_read(void **state)
{
    core_builder_t *builder = build_many_mappings(WORKER_CORE_MAX_SEGMENTS, *state);

    assert_int_equal(core_builder_read(builder)->modules->nelts, 1);
}

static void mappings_beyond_the_limit_are_refused(void **state)
{
    core_builder_refuse(build_many_mappings(WORKER_CORE_MAX_SEGMENTS + 1, *state),
                        "more than 262144");
}

static void second_list_of_files_does_not_count(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *empty = core_builder_bytes(builder);

    image_add_word(empty, 0);
    image_add_word(empty, PAGE);
    core_builder_add_note(builder, NT_FILE, empty);
    core_builder_add_mapping(builder, 0x10000, 0x11000, 0, "/a");
    assert_int_equal(core_builder_read(builder)->modules->nelts, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mappings_of_a_file_fold_into_one_module),
        CASE(file_loaded_twice_is_two_modules),
        CASE(file_loaded_a_second_time_further_down_is_two_modules),
        CASE(first_page_mapped_twice_within_one_image_is_one_module),
        CASE(other_file_between_two_mappings_makes_three_modules),
        CASE(data_file_mapped_again_is_still_one_module),
        CASE(modules_are_sorted_by_address),
        CASE(module_at_an_address_is_the_nearest_that_holds_it),
        CASE(program_is_the_module_with_its_program_headers),
        CASE(program_headers_in_no_module_leave_the_program_unknown),
        CASE(auxiliary_vector_ends_at_its_end_mark),
        CASE(page_that_is_only_partly_in_the_core_is_no_elf),
        CASE(list_of_files_survives_the_loss_of_all_memory),
        CASE(list_that_counts_more_files_than_it_holds_is_refused),
        CASE(list_with_fewer_paths_than_files_is_refused),
        CASE(path_without_end_is_refused),
        CASE(path_at_the_limit_is_read),
        CASE(path_beyond_the_limit_is_refused),
        CASE(odd_path_stays_as_it_came),
        CASE(empty_range_is_refused),
        CASE(range_that_ends_before_its_start_is_refused),
        CASE(files_at_the_limit_are_read),
        CASE(files_beyond_the_limit_are_refused),
        CASE(mappings_at_the_limit_are_read),
        CASE(mappings_beyond_the_limit_are_refused),
        CASE(second_list_of_files_does_not_count),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
