/* SPDX-License-Identifier: Apache-2.0 */
/* Types, states and the texts that clients compare literally. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/task.h"

#define STATES 6

/* Rows: from; columns: to, in the order receiving, waiting, queued, running, succeeded, failed. */
static const char *const arrows[STATES] = {
    [RETRACE_TASK_RECEIVING] = ".xx..x", [RETRACE_TASK_WAITING] = "..x..x",
    [RETRACE_TASK_QUEUED] = "...x.x",    [RETRACE_TASK_RUNNING] = "..x.xx",
    [RETRACE_TASK_SUCCEEDED] = "......", [RETRACE_TASK_FAILED] = "......",
};

static void the_allowed_changes_are_these_and_no_others(void **state)
{
    int from;
    int to;

    (void)state;
    for (from = 0; from < STATES; from++) {
        for (to = 0; to < STATES; to++) {
            assert_int_equal(retrace_task_may((retrace_task_state_t)from, (retrace_task_state_t)to),
                             arrows[from][to] == 'x');
        }
    }
}

static void whatever_has_not_ended_may_fail(void **state)
{
    int from;

    (void)state;
    for (from = 0; from < STATES; from++) {
        assert_int_equal(retrace_task_may((retrace_task_state_t)from, RETRACE_TASK_FAILED),
                         !retrace_task_is_final((retrace_task_state_t)from));
    }
}

static void only_succeeded_and_failed_are_final(void **state)
{
    int from;

    (void)state;
    for (from = 0; from < STATES; from++) {
        assert_int_equal(retrace_task_is_final((retrace_task_state_t)from),
                         from == RETRACE_TASK_SUCCEEDED || from == RETRACE_TASK_FAILED);
    }
}

static void clients_see_three_words(void **state)
{
    (void)state;
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_RECEIVING), "PENDING");
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_WAITING), "PENDING");
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_QUEUED), "PENDING");
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_RUNNING), "PENDING");
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_SUCCEEDED), "FINISHED_SUCCESS");
    assert_string_equal(retrace_task_status_word(RETRACE_TASK_FAILED), "FINISHED_FAILURE");
}

static void each_stage_has_the_text_that_clients_know(void **state)
{
    static const char *const texts[] = {
        "Analyzing crash data",
        "Preparing environment for backtrace generation",
        "Generating backtrace",
        "Cleaning environment after backtrace generation",
        "Saving crash statistics",
        "Finishing task",
        "Retrace job finished successfully",
        "Retrace job failed",
        "Downloading remote resources",
        "Post-processing downloaded file",
        "Calculating md5sum",
    };
    int stage;

    (void)state;
    assert_int_equal(sizeof(texts) / sizeof(texts[0]), RETRACE_STAGES);
    for (stage = 0; stage < RETRACE_STAGES; stage++) {
        assert_string_equal(retrace_task_stage_text(stage), texts[stage]);
    }
}

static void other_numbers_are_no_stages(void **state)
{
    (void)state;
    assert_null(retrace_task_stage_text(-1));
    assert_null(retrace_task_stage_text(RETRACE_STAGES));
    assert_null(retrace_task_stage_text(INT32_MAX));
    assert_null(retrace_task_stage_text(INT32_MIN));
}

/* Of a crash of a process, and of one of the kernel. */
static void a_share_does_not_go_back(void **state)
{
    static const int orders[][6] = {
        { RETRACE_STAGE_ANALYZE, RETRACE_STAGE_ENVIRONMENT, RETRACE_STAGE_BACKTRACE,
          RETRACE_STAGE_CLEAN, RETRACE_STAGE_FINISHING, RETRACE_STAGE_SUCCESS },
        { RETRACE_STAGE_DOWNLOADING, RETRACE_STAGE_POSTPROCESSING, RETRACE_STAGE_MD5SUM,
          RETRACE_STAGE_ANALYZE, RETRACE_STAGE_STATISTICS, RETRACE_STAGE_FAIL },
    };
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < 2; i++) {
        for (k = 1; k < 6; k++) {
            assert_true(retrace_task_stage_percent(orders[i][k - 1])
                        < retrace_task_stage_percent(orders[i][k]));
        }
        assert_int_equal(retrace_task_stage_percent(orders[i][5]), 100);
    }
}

static void what_is_no_stage_has_no_share(void **state)
{
    int stage;

    (void)state;
    for (stage = 0; stage < RETRACE_STAGES; stage++) {
        assert_in_range(retrace_task_stage_percent(stage), 0, 100);
    }
    assert_int_equal(retrace_task_stage_percent(-1), -1);
    assert_int_equal(retrace_task_stage_percent(RETRACE_STAGES), -1);
    assert_int_equal(retrace_task_stage_percent(INT32_MIN), -1);
}

static void a_type_is_one_digit_and_perhaps_a_newline(void **state)
{
    (void)state;
    assert_int_equal(retrace_task_type_parse("0"), RETRACE_TASK_RETRACE);
    assert_int_equal(retrace_task_type_parse("1"), RETRACE_TASK_DEBUG);
    assert_int_equal(retrace_task_type_parse("2\n"), RETRACE_TASK_VMCORE);
    assert_int_equal(retrace_task_type_parse("3"), RETRACE_TASK_RETRACE_INTERACTIVE);
    assert_int_equal(retrace_task_type_parse("4"), RETRACE_TASK_VMCORE_INTERACTIVE);
}

static void what_is_no_type_counts_as_retrace(void **state)
{
    static const char *const texts[] = { NULL, "",  "5",   "-1", "9",   "10", "1 ", " 1",
                                         "1x", "/", "one", "\n", "1\r", "01", "4\t" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(retrace_task_type_parse(texts[i]), RETRACE_TASK_RETRACE);
    }
}

static void kernel_and_interactive_types_are_told_apart(void **state)
{
    static const char kernel[] = "..x.x";
    static const char interactive[] = "...xx";
    int type;

    (void)state;
    for (type = 0; type < 5; type++) {
        assert_int_equal(retrace_task_type_is_kernel((retrace_task_type_t)type),
                         kernel[type] == 'x');
        assert_int_equal(retrace_task_type_is_interactive((retrace_task_type_t)type),
                         interactive[type] == 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_allowed_changes_are_these_and_no_others),
        cmocka_unit_test(whatever_has_not_ended_may_fail),
        cmocka_unit_test(only_succeeded_and_failed_are_final),
        cmocka_unit_test(clients_see_three_words),
        cmocka_unit_test(each_stage_has_the_text_that_clients_know),
        cmocka_unit_test(other_numbers_are_no_stages),
        cmocka_unit_test(a_share_does_not_go_back),
        cmocka_unit_test(what_is_no_stage_has_no_share),
        cmocka_unit_test(a_type_is_one_digit_and_perhaps_a_newline),
        cmocka_unit_test(what_is_no_type_counts_as_retrace),
        cmocka_unit_test(kernel_and_interactive_types_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
