/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/plan.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>

#include "helpers/task/exit.h"
#include "helpers/task/plan.h"
#include "lib/config.h"
#include "tests/unit/workspace.h"

#define BIT(n) (UINT32_C(1) << (n))

static task_settings_t old_server(void)
{
    return (task_settings_t){ .running_tasks = 0,
                              .max_running_tasks = 5,
                              .max_packed_mb = 50,
                              .max_unpacked_mb = 1024,
                              .formats = BIT(TASK_FORMAT_XZ) };
}

static task_settings_t new_server(void)
{
    task_settings_t settings = old_server();

    settings.formats = BIT(TASK_FORMATS) - 1;
    return settings;
}

static task_plan_t plan(void **state, task_settings_t settings, task_source_t source)
{
    workspace_t *ws = *state;
    task_plan_t made;

    assert_int_equal(task_plan_make(&made, &settings, &source, &ws->err), APR_SUCCESS);
    return made;
}

static void expect_refusal(void **state, task_settings_t settings, task_source_t source,
                           task_exit_t code)
{
    workspace_t *ws = *state;
    task_plan_t made;

    assert_int_equal(task_plan_make(&made, &settings, &source, &ws->err), TASK_STATUS(code));
}

static void the_best_format_of_the_server_is_taken(void **state)
{
    task_source_t source = { .core_bytes = RETRACE_MIB, .members = { "/bin/a" }, .is_told = true };
    task_settings_t settings = new_server();

    assert_int_equal(plan(state, settings, source).format, TASK_FORMAT_ZSTD);
    assert_int_equal(plan(state, old_server(), source).format, TASK_FORMAT_XZ);
    settings.formats = BIT(TASK_FORMAT_GZIP);
    assert_int_equal(plan(state, settings, source).format, TASK_FORMAT_GZIP);
}

static void a_core_of_which_nothing_is_known_goes_bare(void **state)
{
    task_source_t source = { .core_bytes = 50 * RETRACE_MIB };
    task_settings_t settings = new_server();
    task_plan_t made = plan(state, settings, source);

    assert_true(made.bare);
    assert_int_equal(made.format, TASK_FORMAT_ZSTD);
    assert_string_equal(made.type, "application/x-coredump");
    settings.formats = BIT(TASK_FORMAT_CORE);
    made = plan(state, settings, source);
    assert_int_equal(made.format, TASK_FORMAT_CORE);
    made = plan(state, old_server(), source);
    assert_false(made.bare);
    assert_string_equal(made.type, "application/x-xz-compressed-tar");
}

static void a_packed_one_goes_bare_as_it_is(void **state)
{
    task_source_t source = { .core_bytes = RETRACE_MIB, .packing = TASK_PACKING_XZ };
    task_plan_t made = plan(state, new_server(), source);

    assert_true(made.bare);
    assert_false(made.unpack);
    assert_int_equal(made.format, TASK_FORMAT_CORE);
}

static void one_of_which_too_little_is_known_goes_bare_unless_the_user_says_it(void **state)
{
    task_source_t source = { .core_bytes = RETRACE_MIB, .members = { "/bin/a" } };

    assert_true(plan(state, new_server(), source).bare);
    assert_false(plan(state, old_server(), source).bare);
    source.is_told = true;
    assert_false(plan(state, new_server(), source).bare);
    source.is_told = false;
    source.members[TASK_MEMBER_PACKAGE] = "a-1-2";
    assert_false(plan(state, new_server(), source).bare);
}

static void a_packed_core_stays_so_where_zstd_is_known(void **state)
{
    task_source_t source = { .core_bytes = RETRACE_MIB,
                             .packing = TASK_PACKING_LZ4,
                             .members = { "/bin/a" },
                             .is_told = true };
    task_plan_t made = plan(state, new_server(), source);

    assert_false(made.unpack);
    assert_string_equal(made.name, "coredump.lz4");
    made = plan(state, old_server(), source);
    assert_true(made.unpack);
    assert_string_equal(made.name, "coredump");
    source.packing = TASK_PACKING_NONE;
    made = plan(state, old_server(), source);
    assert_false(made.unpack);
}

static void a_full_server_is_not_asked(void **state)
{
    workspace_t *ws = *state;
    task_settings_t settings = old_server();

    assert_int_equal(task_plan_check_free(&settings, &ws->err), APR_SUCCESS);
    settings.is_full = true;
    assert_int_equal(task_plan_check_free(&settings, &ws->err), TASK_STATUS(TASK_EXIT_UNAVAILABLE));
}

static void a_server_without_a_common_format_is_not_asked(void **state)
{
    task_source_t source = { .core_bytes = RETRACE_MIB, .members = { "/bin/a" }, .is_told = true };
    task_settings_t settings = old_server();

    settings.formats = BIT(TASK_FORMAT_CORE);
    expect_refusal(state, settings, source, TASK_EXIT_UNAVAILABLE);
    settings.formats = 0;
    expect_refusal(state, settings, source, TASK_EXIT_UNAVAILABLE);
}

static void all_files_together_have_a_limit(void **state)
{
    task_source_t source = { .core_bytes = 1024 * RETRACE_MIB - 6,
                             .members = { "/bin/a" },
                             .is_told = true };
    task_settings_t settings = old_server();

    assert_int_equal(plan(state, settings, source).max_unpacked, 1024 * RETRACE_MIB);
    source.core_bytes++;
    expect_refusal(state, settings, source, TASK_EXIT_SOURCE);
    settings.max_unpacked_mb = -1;
    assert_int_equal(plan(state, settings, source).max_unpacked, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_best_format_of_the_server_is_taken),
        TEST(a_core_of_which_nothing_is_known_goes_bare),
        TEST(a_packed_one_goes_bare_as_it_is),
        TEST(one_of_which_too_little_is_known_goes_bare_unless_the_user_says_it),
        TEST(a_packed_core_stays_so_where_zstd_is_known),
        TEST(a_full_server_is_not_asked),
        TEST(a_server_without_a_common_format_is_not_asked),
        TEST(all_files_together_have_a_limit),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
