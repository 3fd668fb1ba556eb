/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/progress.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/progress.h"
#include "tests/unit/workspace.h"

static void a_bar_is_as_full_as_the_percents(void **state)
{
    char line[TASK_PROGRESS_LINE];

    (void)state;
    task_progress_format(line, "Sending", 0);
    assert_string_equal(line, "[..............................]   0 % Sending");
    task_progress_format(line, "Sending", 50);
    assert_string_equal(line, "[###############...............]  50 % Sending");
    task_progress_format(line, "Sending", 100);
    assert_string_equal(line, "[##############################] 100 % Sending");
}

static void without_percents_there_is_no_bar(void **state)
{
    char line[TASK_PROGRESS_LINE];

    (void)state;
    task_progress_format(line, "Waiting", -1);
    assert_string_equal(line, "Waiting");
}

static void a_long_label_is_cut(void **state)
{
    char line[TASK_PROGRESS_LINE];
    char label[200];

    (void)state;
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    task_progress_format(line, label, -1);
    assert_int_equal(strlen(line), TASK_PROGRESS_LINE - 1);
    task_progress_format(line, label, 100);
    assert_true(strlen(line) < TASK_PROGRESS_LINE);
}

static void percents_end_at_the_whole(void **state)
{
    (void)state;
    assert_int_equal(task_progress_percent(0, 50), 0);
    assert_int_equal(task_progress_percent(49, 50), 98);
    assert_int_equal(task_progress_percent(50, 50), 100);
    assert_int_equal(task_progress_percent(51, 50), 100);
    assert_int_equal(task_progress_percent(999999, 1000000), 99);
    assert_int_equal(task_progress_percent(0, 0), -1);
}

static void a_line_is_shown_once_and_taken_away(void **state)
{
    task_progress_t progress = { .out = tmpfile() };
    char text[256] = { 0 };

    (void)state;
    assert_non_null(progress.out);
    task_progress_show(&progress, "Sending", -1);
    task_progress_show(&progress, "Sending", -1);
    task_progress_clear(&progress);
    task_progress_clear(&progress);
    rewind(progress.out);
    assert_true(fread(text, 1, sizeof(text) - 1, progress.out) > 0);
    fclose(progress.out);
    assert_string_equal(text, "\r\033[KSending\r\033[K");
}

static void nothing_is_shown_without_a_terminal(void **state)
{
    task_progress_t progress = { .out = NULL };

    (void)state;
    task_progress_show(&progress, "Sending", 5);
    task_progress_clear(&progress);
    assert_string_equal(progress.shown, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bar_is_as_full_as_the_percents),
        TEST(without_percents_there_is_no_bar),
        TEST(a_long_label_is_cut),
        TEST(percents_end_at_the_whole),
        TEST(a_line_is_shown_once_and_taken_away),
        TEST(nothing_is_shown_without_a_terminal),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
