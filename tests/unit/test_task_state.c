/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/state.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/state.h"
#include "tests/unit/workspace.h"

static apr_status_t parse(void **state, task_state_t *parsed, const char *word, const char *type,
                          const char *body)
{
    workspace_t *ws = *state;

    return task_state_parse(parsed, word, type, body, strlen(body), &ws->err, ws->pool);
}

static void a_text_is_the_stage(void **state)
{
    task_state_t parsed;

    assert_int_equal(parse(state, &parsed, "PENDING", "text/plain", "Generating\x1b backtrace\n"),
                     APR_SUCCESS);
    assert_int_equal(parsed.word, TASK_WORD_PENDING);
    assert_string_equal(parsed.text, "Generating? backtrace ");
    assert_int_equal(parsed.percent, -1);
    assert_int_equal(parsed.queue_position, 0);
}

static void json_tells_more(void **state)
{
    task_state_t parsed;

    assert_int_equal(parse(state, &parsed, "PENDING", "application/json; charset=utf-8",
                           "{\"text\": \"a\\u001b\", \"percent\": 7, \"queue_position\": 2}"),
                     APR_SUCCESS);
    assert_string_equal(parsed.text, "a?");
    assert_int_equal(parsed.percent, 7);
    assert_int_equal(parsed.queue_position, 2);
}

static void json_members_that_make_no_sense_are_not_told(void **state)
{
    task_state_t parsed;

    assert_int_equal(parse(state, &parsed, "PENDING", "application/json",
                           "{\"text\": 1, \"percent\": 101, \"queue_position\": \"2\"}"),
                     APR_SUCCESS);
    assert_string_equal(parsed.text, "PENDING");
    assert_int_equal(parsed.percent, -1);
    assert_int_equal(parsed.queue_position, 0);
    assert_int_equal(parse(state, &parsed, "PENDING", "application/json",
                           "{\"percent\": 100, \"queue_position\": -1}"),
                     APR_SUCCESS);
    assert_int_equal(parsed.percent, 100);
    assert_int_equal(parsed.queue_position, 0);
}

static void json_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = { "", "[1]", "{", "\"x\"", "{} x" };
    task_state_t parsed;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(state, &parsed, "PENDING", "application/json", bad[i]),
                         TASK_STATUS(TASK_EXIT_PROTOCOL));
    }
}

static void only_three_words_are_words(void **state)
{
    static const char *const bad[] = { "", "pending", "PENDING ", "FINISHED" };
    task_state_t parsed;
    size_t i;

    assert_int_equal(parse(state, &parsed, NULL, NULL, "PENDING"), TASK_STATUS(TASK_EXIT_PROTOCOL));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(state, &parsed, bad[i], NULL, "x"), TASK_STATUS(TASK_EXIT_PROTOCOL));
    }
}

static void each_word_has_its_exit_code(void **state)
{
    task_word_t word = TASK_WORD_PENDING;

    (void)state;
    assert_int_equal(task_word_exit(word), 2);
    assert_true(task_word_parse(&word, "FINISHED_SUCCESS"));
    assert_int_equal(task_word_exit(word), 0);
    assert_true(task_word_parse(&word, "FINISHED_FAILURE"));
    assert_int_equal(task_word_exit(word), 1);
    assert_string_equal(task_word_text(word), "FINISHED_FAILURE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_is_the_stage),
        TEST(json_tells_more),
        TEST(json_members_that_make_no_sense_are_not_told),
        TEST(json_that_is_none_is_refused),
        TEST(only_three_words_are_words),
        TEST(each_word_has_its_exit_code),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
