/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/interrupt.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <signal.h>

#include "helpers/task/interrupt.h"
#include "tests/unit/workspace.h"

static void a_signal_is_seen_and_stays(void **state)
{
    workspace_t *ws = *state;
    int fd = -1;

    assert_int_equal(task_interrupt_open(&fd, &ws->err), APR_SUCCESS);
    assert_false(task_interrupt_came(fd));
    assert_false(task_interrupt_wait(fd, 1));
    assert_int_equal(raise(SIGTERM), 0);
    assert_true(task_interrupt_came(fd));
    assert_true(task_interrupt_wait(fd, INT64_MAX));
    assert_true(task_interrupt_came(fd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_is_seen_and_stays),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
