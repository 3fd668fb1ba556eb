/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/stream.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/stream.h"
#include "tests/unit/workspace.h"

static task_stream_t parse(const char *body)
{
    return task_stream_parse(body, strlen(body));
}

static void behind_the_last_word_is_the_backtrace(void **state)
{
    task_stream_t stream = parse("X-Task-Status: PENDING\n[I] log\n"
                                 "X-Task-Status: FINISHED_SUCCESS\n#0 a\n#1 b\n");

    (void)state;
    assert_int_equal(stream.word, TASK_WORD_SUCCESS);
    assert_string_equal(stream.backtrace, "#0 a\n#1 b\n");
    assert_int_equal(stream.length, 10);
}

static void a_backtrace_may_hold_anything(void **state)
{
    task_stream_t stream = parse("X-Task-Status: FINISHED_SUCCESS\n"
                                 "X-Task-Status: FINISHED_FAILURE\n");

    (void)state;
    assert_int_equal(stream.word, TASK_WORD_SUCCESS);
    assert_string_equal(stream.backtrace, "X-Task-Status: FINISHED_FAILURE\n");
}

static void a_failure_has_no_backtrace(void **state)
{
    task_stream_t stream = parse("X-Task-Status: FINISHED_FAILURE\nmore");

    (void)state;
    assert_int_equal(stream.word, TASK_WORD_FAILURE);
    assert_int_equal(stream.length, 0);
}

static void what_broke_off_is_pending(void **state)
{
    static const char *const parts[] = { "",
                                         "X-Task-Status: PENDING\n",
                                         "X-Task-Status: FINISHED_\n",
                                         "X-Task-Status:\n",
                                         "x X-Task-Status: FINISHED_SUCCESS\n",
                                         "X-Task-Status: FINISHED_SUCCESS and a lot behind it\n",
                                         "[I] log" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_int_equal(parse(parts[i]).word, TASK_WORD_PENDING);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(behind_the_last_word_is_the_backtrace),
        TEST(a_backtrace_may_hold_anything),
        TEST(a_failure_has_no_backtrace),
        TEST(what_broke_off_is_pending),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
