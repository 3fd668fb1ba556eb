/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/system.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>

#include "helpers/task/system.h"
#include "tests/unit/workspace.h"

static const char text[] = "NAME=\"Fedora Linux\"\nVERSION_ID=36\nX_PRETTY_NAME=no\n"
                           "PRETTY_NAME='Fedora Linux 36'\nODD=\"\nLAST=x";

static void expect(void **state, const char *key, const char *value)
{
    workspace_t *ws = *state;

    assert_string_equal(task_system_value(text, key, ws->pool), value);
}

static void values_lose_their_quotes(void **state)
{
    expect(state, "NAME", "Fedora Linux");
    expect(state, "PRETTY_NAME", "Fedora Linux 36");
    expect(state, "VERSION_ID", "36");
    expect(state, "ODD", "\"");
    expect(state, "LAST", "x");
}

static void a_key_that_is_not_there_has_none(void **state)
{
    workspace_t *ws = *state;

    assert_null(task_system_value(text, "VERSION", ws->pool));
    assert_null(task_system_value("", "VERSION", ws->pool));
}

static void this_system_has_a_name(void **state)
{
    workspace_t *ws = *state;

    assert_non_null(task_system_release(ws->pool));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_lose_their_quotes),
        TEST(a_key_that_is_not_there_has_none),
        TEST(this_system_has_a_name),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
