/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/settings.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/settings.h"
#include "tests/unit/workspace.h"

static task_settings_t parse(void **state, const char *text)
{
    workspace_t *ws = *state;
    task_settings_t settings;

    assert_int_equal(
        task_settings_parse(&settings, "text/plain", text, strlen(text), &ws->err, ws->pool),
        APR_SUCCESS);
    return settings;
}

static void an_old_server_is_understood(void **state)
{
    task_settings_t settings =
        parse(state,
              "running_tasks 1\nmax_running_tasks 5\nmax_packed_size 50\n"
              "max_unpacked_size 1024\n"
              "supported_formats application/x-xz-compressed-tar application/x-xz\n"
              "supported_releases fedora-36-x86_64 application/zstd");

    assert_int_equal(settings.running_tasks, 1);
    assert_int_equal(settings.max_running_tasks, 5);
    assert_int_equal(settings.max_packed_mb, 50);
    assert_int_equal(settings.max_unpacked_mb, 1024);
    assert_int_equal(settings.formats, 1 << TASK_FORMAT_XZ);
    assert_int_equal(settings.features, 0);
    assert_false(settings.has_features);
}

static void features_are_words_of_which_some_are_known(void **state)
{
    task_settings_t settings = parse(state,
                                     "max_packed_size 1\nfeatures long-poll teleport "
                                     "sync json cancel delete JSON\n");

    assert_true(settings.has_features);
    assert_int_equal(settings.features, (1 << TASK_FEATURES) - 1);
    assert_int_equal(parse(state, "max_packed_size 1\nfeatures jsonp\n").features, 0);
    assert_true(parse(state, "max_packed_size 1\nfeatures\n").has_features);
}

static void formats_are_all_found(void **state)
{
    task_settings_t settings =
        parse(state,
              "max_packed_size 1\nsupported_formats application/x-coredump "
              "Application/ZSTD application/x-gzip application/x-xz-compressed-tar\n");
    int i;

    assert_int_equal(settings.formats, (1 << TASK_FORMATS) - 1);
    for (i = 0; i < TASK_FORMATS; i++) {
        assert_non_null(task_format_type((task_format_t)i));
    }
}

static void without_a_list_the_oldest_format_is_meant(void **state)
{
    assert_int_equal(parse(state, "max_packed_size 1").formats, 1 << TASK_FORMAT_XZ);
    assert_int_equal(parse(state, "max_packed_size 1\nsupported_formats\n").formats, 0);
}

static void line_ends_and_case_do_not_matter(void **state)
{
    task_settings_t settings =
        parse(state, "Running_Tasks 2\r\n\r\n  MAX_RUNNING_TASKS\t3 \r\nfeatures json\r\n");

    assert_int_equal(settings.running_tasks, 2);
    assert_int_equal(settings.max_running_tasks, 3);
    assert_int_equal(settings.features, 1 << TASK_FEATURE_JSON);
}

static void what_is_no_number_is_not_told(void **state)
{
    task_settings_t settings = parse(state,
                                     "max_running_tasks 5\nrunning_tasks\nmax_packed_size -1\n"
                                     "max_unpacked_size 99999999999999999999\n");

    assert_int_equal(settings.running_tasks, -1);
    assert_int_equal(settings.max_packed_mb, -1);
    assert_int_equal(settings.max_unpacked_mb, -1);
}

static void the_greatest_number_is_taken(void **state)
{
    assert_int_equal(parse(state, "max_packed_size 1099511627776").max_packed_mb, INT64_C(1) << 40);
    assert_int_equal(parse(state, "running_tasks 1\nmax_packed_size 1099511627777").max_packed_mb,
                     -1);
}

static void what_tells_no_limit_is_no_retrace_server(void **state)
{
    static const char *const bad[] = { "", "<html>max_packed_size 50</html>", "max_packed_size\n",
                                       "max_packed_size x\n",
                                       "supported_formats application/zstd\n" };
    workspace_t *ws = *state;
    task_settings_t settings;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            task_settings_parse(&settings, NULL, bad[i], strlen(bad[i]), &ws->err, ws->pool),
            TASK_STATUS(TASK_EXIT_PROTOCOL));
    }
}

static void a_server_is_full_when_it_says_so(void **state)
{
    assert_true(parse(state, "running_tasks 5\nmax_running_tasks 5").is_full);
    assert_false(parse(state, "running_tasks 4\nmax_running_tasks 5").is_full);
    assert_false(parse(state, "max_packed_size 5").is_full);
}

static apr_status_t parse_json(void **state, task_settings_t *settings, const char *text)
{
    workspace_t *ws = *state;

    return task_settings_parse(settings, "application/json", text, strlen(text), &ws->err,
                               ws->pool);
}

static void json_has_the_real_sizes(void **state)
{
    task_settings_t settings;

    assert_int_equal(
        parse_json(state, &settings,
                   "{\"running_tasks\": 7, \"max_running_tasks\": 5, \"is_full\": false,"
                   " \"max_packed_size_mb\": 50, \"max_unpacked_size_mb\": 8192,"
                   " \"supported_formats\": [\"application/zstd\", 1],"
                   " \"features\": [\"json\", null, \"teleport\"]}"),
        APR_SUCCESS);
    assert_int_equal(settings.max_packed_mb, 50);
    assert_int_equal(settings.max_unpacked_mb, 8192);
    assert_int_equal(settings.formats, 1 << TASK_FORMAT_ZSTD);
    assert_int_equal(settings.features, 1 << TASK_FEATURE_JSON);
    assert_true(settings.has_features);
    assert_false(settings.is_full);
    assert_int_equal(parse_json(state, &settings, "{\"running_tasks\": 1, \"is_full\": true}"),
                     APR_SUCCESS);
    assert_true(settings.is_full);
    assert_false(settings.has_features);
    assert_int_equal(settings.max_packed_mb, -1);
    assert_int_equal(settings.formats, 1 << TASK_FORMAT_XZ);
}

static void json_that_tells_no_limit_is_no_retrace_server(void **state)
{
    static const char *const bad[] = { "",
                                       "[]",
                                       "{}",
                                       "{\"running_tasks\": \"1\"}",
                                       "{\"running_tasks\": -1}",
                                       "{\"max_packed_size_mb\": 1099511627777}" };
    task_settings_t settings;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse_json(state, &settings, bad[i]), TASK_STATUS(TASK_EXIT_PROTOCOL));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_old_server_is_understood),
        TEST(features_are_words_of_which_some_are_known),
        TEST(formats_are_all_found),
        TEST(without_a_list_the_oldest_format_is_meant),
        TEST(line_ends_and_case_do_not_matter),
        TEST(what_is_no_number_is_not_told),
        TEST(the_greatest_number_is_taken),
        TEST(what_tells_no_limit_is_no_retrace_server),
        TEST(a_server_is_full_when_it_says_so),
        TEST(json_has_the_real_sizes),
        TEST(json_that_tells_no_limit_is_no_retrace_server),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
