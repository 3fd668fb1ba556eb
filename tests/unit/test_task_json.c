/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/json.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/json.h"
#include "tests/unit/workspace.h"

static void json_is_told_by_its_type(void **state)
{
    (void)state;
    assert_true(task_type_is_json("application/json"));
    assert_true(task_type_is_json("Application/JSON; charset=utf-8"));
    assert_false(task_type_is_json("application/jsonp"));
    assert_false(task_type_is_json("text/plain"));
    assert_false(task_type_is_json(NULL));
}

static json_t *load(void **state, const char *body)
{
    workspace_t *ws = *state;
    json_t *object = NULL;

    assert_int_equal(task_json_load(&object, body, strlen(body), &ws->err, ws->pool), APR_SUCCESS);
    return object;
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const bad[] = { "", "[1]", "{", "\"x\"", "{} x", "{\"a\": \"\xff\"}" };
    workspace_t *ws = *state;
    json_t *object = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(task_json_load(&object, bad[i], strlen(bad[i]), &ws->err, ws->pool),
                         TASK_STATUS(TASK_EXIT_PROTOCOL));
        assert_null(object);
    }
}

static void a_number_is_within_its_limits(void **state)
{
    json_t *object = load(state, "{\"a\": 7, \"b\": \"7\", \"c\": 7.5, \"d\": null}");

    assert_int_equal(task_json_number(object, "a", 7, 7, -1), 7);
    assert_int_equal(task_json_number(object, "a", 8, 9, -1), -1);
    assert_int_equal(task_json_number(object, "a", 0, 6, -1), -1);
    assert_int_equal(task_json_number(object, "b", 0, 9, -1), -1);
    assert_int_equal(task_json_number(object, "c", 0, 9, -1), -1);
    assert_int_equal(task_json_number(object, "d", 0, 9, -1), -1);
    assert_int_equal(task_json_number(object, "e", 0, 9, -1), -1);
}

static void it_is_printed_in_ascii(void **state)
{
    workspace_t *ws = *state;
    const char *text = NULL;

    assert_int_equal(
        task_json_print(&text, load(state, "{\"a\": \"\\u001b\xc2\x9b\"}"), &ws->err, ws->pool),
        APR_SUCCESS);
    assert_string_equal(text, "{\n  \"a\": \"\\u001B\\u009B\"\n}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_is_told_by_its_type),
        TEST(what_is_no_object_is_refused),
        TEST(a_number_is_within_its_limits),
        TEST(it_is_printed_in_ascii),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
