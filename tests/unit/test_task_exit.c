/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/exit.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <errno.h>

#include "helpers/task/exit.h"
#include "tests/unit/workspace.h"

static void a_status_and_its_code_are_one_to_one(void **state)
{
    (void)state;
    assert_int_equal(task_exit_of(APR_SUCCESS), TASK_EXIT_OK);
    assert_int_equal(task_exit_of(TASK_STATUS(TASK_EXIT_FAILED)), 1);
    assert_int_equal(task_exit_of(TASK_STATUS(TASK_EXIT_INTERRUPTED)), 130);
}

static void what_was_given_no_code_is_a_failure_of_the_system(void **state)
{
    (void)state;
    assert_int_equal(task_exit_of(ENOSPC), TASK_EXIT_IO);
    assert_int_equal(task_exit_of(APR_EGENERAL), TASK_EXIT_IO);
    assert_int_equal(task_exit_of(TASK_STATUS(131)), TASK_EXIT_IO);
}

static void a_failure_keeps_its_sentence(void **state)
{
    workspace_t *ws = *state;
    apr_status_t rv = retrace_fail(&ws->err, ENOENT, "open x");

    assert_int_equal(task_exit_as(TASK_EXIT_SOURCE, rv, &ws->err), TASK_STATUS(TASK_EXIT_SOURCE));
    assert_string_equal(ws->err.text, "open x: No such file or directory");
    assert_int_equal(task_exit_as(TASK_EXIT_SOURCE, APR_SUCCESS, &ws->err), APR_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_status_and_its_code_are_one_to_one),
        TEST(what_was_given_no_code_is_a_failure_of_the_system),
        TEST(a_failure_keeps_its_sentence),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
