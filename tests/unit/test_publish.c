/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves: all of it with a success, the facts alone with a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/publish.h"

#define ID    "123456789"
#define PLACE "spool/" ID "/"

static void publish(workspace_t *ws, int task, const worker_results_t *results, const char *reason)
{
    assert_int_equal(worker_publish(task, results, reason, &ws->err, ws->pool), APR_SUCCESS);
    close(task);
}

static void a_success_leaves_all_of_it(void **state)
{
    workspace_t *ws = *state;
    retrace_facts_t *facts = retrace_facts_make(ws->pool);
    const worker_results_t results = { "report\n", "{}\n", "bad: 9\n", facts };

    facts->package = "app";
    publish(ws, workspace_task(ws, ID), &results, "");
    assert_string_equal(workspace_read(ws, PLACE "retrace_backtrace"), "report\n");
    assert_string_equal(workspace_read(ws, PLACE "results/backtrace.json"), "{}\n");
    assert_string_equal(workspace_read(ws, PLACE "results/exploitable"), "bad: 9\n");
    assert_string_equal(workspace_read(ws, PLACE "facts"), retrace_facts_format(facts, ws->pool));
    assert_int_equal(workspace_mode(ws, PLACE "results/backtrace.json"), 0640);
    assert_int_equal(workspace_mode(ws, PLACE "results/exploitable"), 0640);
    assert_int_equal(workspace_mode(ws, PLACE "facts"), 0640);
    assert_non_null(strstr(workspace_read(ws, PLACE "retrace_log"), "finished successfully"));
    assert_true(workspace_exists(ws, PLACE "finished_time"));
}

static void what_there_is_not_is_not_written(void **state)
{
    workspace_t *ws = *state;
    const worker_results_t results = { "report\n", NULL, NULL, retrace_facts_make(ws->pool) };

    publish(ws, workspace_task(ws, ID), &results, "");
    assert_int_equal(workspace_count(ws, PLACE "results"), 0);
}

static void a_failure_leaves_its_facts_and_its_reason(void **state)
{
    workspace_t *ws = *state;
    const worker_results_t results = { NULL, "{}\n", "bad: 9\n", retrace_facts_make(ws->pool) };

    publish(ws, workspace_task(ws, ID), &results, "gdb was tired");
    assert_false(workspace_exists(ws, PLACE "retrace_backtrace"));
    assert_false(workspace_exists(ws, PLACE "results/backtrace.json"));
    assert_false(workspace_exists(ws, PLACE "results/exploitable"));
    assert_true(workspace_exists(ws, PLACE "facts"));
    assert_non_null(strstr(workspace_read(ws, PLACE "retrace_log"), "gdb was tired"));
}

/* The backtrace is what counts. */
static void results_that_cannot_be_written_are_no_failure(void **state)
{
    workspace_t *ws = *state;
    const worker_results_t results = { "report\n", "{}\n", "bad: 9\n",
                                       retrace_facts_make(ws->pool) };
    int task = workspace_task(ws, ID);

    workspace_write(ws, PLACE "results", "not a directory");
    publish(ws, task, &results, "");
    assert_string_equal(workspace_read(ws, PLACE "retrace_backtrace"), "report\n");
    assert_non_null(
        strstr(workspace_read(ws, PLACE "retrace_log"), "[W] Not all results could be written: "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_success_leaves_all_of_it),
        TEST(what_there_is_not_is_not_written),
        TEST(a_failure_leaves_its_facts_and_its_reason),
        TEST(results_that_cannot_be_written_are_no_failure),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
