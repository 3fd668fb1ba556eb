/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/password.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/options.h"
#include "helpers/task/password.h"
#include "tests/unit/workspace.h"

static apr_status_t read_file(void **state, const char **ppassword, const char *content)
{
    workspace_t *ws = *state;

    workspace_write(ws, "password", content);
    return task_password_read(ppassword, workspace_path(ws, "password"), &ws->err, ws->pool);
}

static void a_line_is_read_with_any_end(void **state)
{
    static const char *const good[] = { "secret", "secret\n", "secret\r\n" };
    const char *password = NULL;
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(read_file(state, &password, good[i]), APR_SUCCESS);
        assert_string_equal(password, "secret");
    }
}

static void the_longest_is_taken_a_longer_one_refused(void **state)
{
    char content[TASK_PASSWORD_MAX + 8] = { 0 };
    const char *password = NULL;

    memset(content, 'x', TASK_PASSWORD_MAX);
    memcpy(content + TASK_PASSWORD_MAX, "\r\n", 2);
    assert_int_equal(read_file(state, &password, content), APR_SUCCESS);
    assert_int_equal(strlen(password), TASK_PASSWORD_MAX);
    memcpy(content + TASK_PASSWORD_MAX, "x\r\n", 3);
    assert_int_equal(read_file(state, &password, content), TASK_STATUS(TASK_EXIT_USAGE));
}

static void what_is_no_password_is_refused(void **state)
{
    static const char *const bad[] = { "", "\n", "two words\n", "two\nlines\n", "two\n\n", "\x1b" };
    const char *password = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_file(state, &password, bad[i]), TASK_STATUS(TASK_EXIT_USAGE));
        assert_null(password);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_read_with_any_end),
        TEST(the_longest_is_taken_a_longer_one_refused),
        TEST(what_is_no_password_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
