/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/pace.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>

#include "helpers/task/pace.h"
#include "tests/unit/workspace.h"

static void the_first_look_is_at_the_estimate(void **state)
{
    task_pace_t pace = { .delay_ms = 10000, .estimate_s = 3 };

    (void)state;
    assert_int_equal(task_pace_first_ms(&pace), 3000);
}

static void but_after_the_delay_at_the_latest(void **state)
{
    task_pace_t pace = { .delay_ms = 10000, .estimate_s = 180 };

    (void)state;
    assert_int_equal(task_pace_first_ms(&pace), 10000);
    pace.estimate_s = 0;
    assert_int_equal(task_pace_first_ms(&pace), 10000);
}

static void who_can_wait_is_asked_at_once(void **state)
{
    task_pace_t pace = { .delay_ms = 10000, .estimate_s = 180, .long_poll = true };

    (void)state;
    assert_int_equal(task_pace_first_ms(&pace), 0);
    assert_int_equal(task_pace_next_ms(&pace, 30000, false), 0);
}

static void others_are_asked_after_the_delay(void **state)
{
    task_pace_t pace = { .delay_ms = 10000 };

    (void)state;
    assert_int_equal(task_pace_next_ms(&pace, 0, false), 10000);
    assert_int_equal(task_pace_next_ms(&pace, 30000, false), 10000);
}

/* A server with no room for one more waiting request answers at once. */
static void who_answers_at_once_is_asked_ever_more_rarely(void **state)
{
    task_pace_t pace = { .delay_ms = 3000, .long_poll = true };

    (void)state;
    assert_int_equal(task_pace_next_ms(&pace, 999, false), 1000);
    assert_int_equal(task_pace_next_ms(&pace, 999, false), 2000);
    assert_int_equal(task_pace_next_ms(&pace, 999, false), 3000);
    assert_int_equal(task_pace_next_ms(&pace, 999, false), 3000);
    assert_int_equal(task_pace_next_ms(&pace, 1000, false), 0);
    assert_int_equal(task_pace_next_ms(&pace, 999, false), 1000);
}

/* It answers at each change of the stage, and a quick task has many of them. */
static void who_tells_something_new_is_asked_again_soon(void **state)
{
    task_pace_t pace = { .delay_ms = 3000, .long_poll = true, .soon_ms = 2000 };

    (void)state;
    assert_int_equal(task_pace_next_ms(&pace, 1, true), 100);
    assert_int_equal(task_pace_next_ms(&pace, 30000, true), 100);
    assert_int_equal(task_pace_next_ms(&pace, 1, false), 1000);
    pace.long_poll = false;
    assert_int_equal(task_pace_next_ms(&pace, 1, true), 3000);
}

static void five_failures_in_a_row_are_the_end(void **state)
{
    task_pace_t pace = { .delay_ms = 2000 };
    int i;

    (void)state;
    for (i = 1; i < TASK_FAILURES_MAX; i++) {
        assert_int_equal(task_pace_failed_ms(&pace), 2000);
    }
    assert_int_equal(task_pace_failed_ms(&pace), -1);
}

static void an_answer_in_between_starts_anew(void **state)
{
    task_pace_t pace = { .delay_ms = 2000, .failures = TASK_FAILURES_MAX - 1 };

    (void)state;
    (void)task_pace_next_ms(&pace, 0, false);
    assert_int_equal(task_pace_failed_ms(&pace), 2000);
}

static void a_full_server_is_tried_three_times(void **state)
{
    task_pace_t pace = { .delay_ms = 2000 };

    (void)state;
    assert_int_equal(task_pace_retry_ms(&pace, 1, 7), 7000);
    assert_int_equal(task_pace_retry_ms(&pace, 2, 0), 2000);
    assert_int_equal(task_pace_retry_ms(&pace, 3, 7), -1);
}

static void a_server_cannot_make_us_wait_for_ever(void **state)
{
    task_pace_t pace = { .delay_ms = 2000 };

    (void)state;
    assert_int_equal(task_pace_retry_ms(&pace, 1, TASK_RETRY_MAX_S), 300000);
    assert_int_equal(task_pace_retry_ms(&pace, 1, TASK_RETRY_MAX_S + 1), 300000);
    assert_int_equal(task_pace_retry_ms(&pace, 1, INT64_MAX), 300000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_look_is_at_the_estimate),
        TEST(but_after_the_delay_at_the_latest),
        TEST(who_can_wait_is_asked_at_once),
        TEST(others_are_asked_after_the_delay),
        TEST(who_answers_at_once_is_asked_ever_more_rarely),
        TEST(who_tells_something_new_is_asked_again_soon),
        TEST(five_failures_in_a_row_are_the_end),
        TEST(an_answer_in_between_starts_anew),
        TEST(a_full_server_is_tried_three_times),
        TEST(a_server_cannot_make_us_wait_for_ever),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
