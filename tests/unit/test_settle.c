/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks without a worker: what is decided about them, and that each comes to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "helpers/dispatch/settle.h"
#include "lib/fs.h"
#include "tests/unit/workspace.h"

#define ID      UINT32_C(123456789)
#define ID_TEXT "123456789"
#define TASK    "spool/" ID_TEXT
#define RUNNING "spool/running/" ID_TEXT

/* --- Deciding ------------------------------------------------------------------------------ */

typedef struct verdict_row_t {
    settle_facts_t
        facts; /* exists, final, locked, same boot, cancelled, attempts, waiting, unusable */
    settle_verdict_t verdict;
} verdict_row_t;

static void the_verdict_follows_from_the_facts(void **state)
{
    static const verdict_row_t rows[] = {
        { { true, false, false, true, false, 0, false, false }, SETTLE_START },
        { { true, false, false, true, false, DISPATCH_MAX_ATTEMPTS - 1, false, false },
          SETTLE_START },
        { { true, false, false, true, false, DISPATCH_MAX_ATTEMPTS, false, false },
          SETTLE_EXHAUSTED },
        { { true, false, false, true, false, DISPATCH_MAX_ATTEMPTS + 1, false, false },
          SETTLE_EXHAUSTED },
        { { true, false, false, false, false, 0, false, false }, SETTLE_REBOOTED },
        { { true, false, false, true, true, 0, false, false }, SETTLE_CANCELLED },
        { { true, true, false, true, false, 0, false, false }, SETTLE_FINISHED },
        { { true, false, true, true, false, 0, false, false }, SETTLE_BUSY },
        { { false, false, false, false, false, 0, false, false }, SETTLE_GONE },
        { { true, false, false, false, false, 0, false, true }, SETTLE_UNUSABLE },
        { { true, false, false, true, false, 0, true, false }, SETTLE_WAITING },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(settle_decide(&rows[i].facts), rows[i].verdict);
    }
}

static void a_held_lock_counts_more_than_anything_else(void **state)
{
    const settle_facts_t facts = { true, true, true, false, true, 99, false, false };

    (void)state;
    assert_int_equal(settle_decide(&facts), SETTLE_BUSY);
}

/* Its result is there: neither a restart nor a late cancel takes it away. */
static void an_end_counts_more_than_a_restart_or_a_cancel(void **state)
{
    const settle_facts_t facts = { true, true, false, false, true, 99, false, false };

    (void)state;
    assert_int_equal(settle_decide(&facts), SETTLE_FINISHED);
}

static void a_cancel_counts_more_than_a_restart(void **state)
{
    const settle_facts_t facts = { true, false, false, false, true, 99, false, false };

    (void)state;
    assert_int_equal(settle_decide(&facts), SETTLE_CANCELLED);
}

/* --- Looking ------------------------------------------------------------------------------- */

static void a_task_that_is_gone_is_seen_as_gone(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;

    memset(&facts, 0xff, sizeof(facts));
    settle_look(&facts, spool, ID, ws->pool);
    assert_false(facts.exists);
    assert_false(facts.is_final);
    assert_int_equal(facts.attempts, 0);
}

/* It held a slot, and kept the dispatcher awake, for ever. */
static void a_task_that_cannot_be_opened_is_not_taken_for_busy(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;

    workspace_write(ws, "spool/" ID_TEXT, "not a directory");
    settle_look(&facts, spool, ID, ws->pool);
    assert_true(facts.is_unusable);
    assert_int_equal(settle_decide(&facts), SETTLE_UNUSABLE);
}

static void a_fresh_task_is_seen_as_it_is(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;

    workspace_write(ws, TASK "/boot_id", retrace_spool_boot_id(ws->pool));
    workspace_write(ws, TASK "/attempts", "2\n");
    settle_look(&facts, spool, ID, ws->pool);
    assert_true(facts.exists);
    assert_false(facts.is_final);
    assert_false(facts.is_locked);
    assert_true(facts.is_same_boot);
    assert_false(facts.is_cancelled);
    assert_int_equal(facts.attempts, 2);
}

static void a_task_of_another_boot_or_of_none_is_not_trusted(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;

    workspace_make_dir(ws, TASK);
    settle_look(&facts, spool, ID, ws->pool);
    assert_false(facts.is_same_boot);
    workspace_write(ws, TASK "/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n");
    settle_look(&facts, spool, ID, ws->pool);
    assert_false(facts.is_same_boot);
}

static void end_cancel_and_lock_are_seen(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;
    int task = workspace_task(ws, ID_TEXT);
    int lock = -1;

    workspace_write(ws, TASK "/finished_time", "1\n");
    workspace_write(ws, TASK "/cancel", "");
    assert_int_equal(retrace_fs_lock(&lock, task, RETRACE_FILE_LOCK, false, &ws->err), APR_SUCCESS);
    settle_look(&facts, spool, ID, ws->pool);
    assert_true(facts.is_final);
    assert_true(facts.is_cancelled);
    assert_true(facts.is_locked);
    assert_true(settle_is_cancelled(spool, ID));
    (void)close(lock);
    (void)close(task);
}

static void a_task_that_is_gone_is_not_cancelled(void **state)
{
    assert_false(settle_is_cancelled(workspace_spool(*state), ID));
}

/* --- Settling ------------------------------------------------------------------------------ */

static apr_status_t settle(workspace_t *ws, const retrace_spool_t *spool, const char *reason)
{
    const stats_task_t *ended = NULL;

    return settle_task(&ended, spool, ID, reason, &ws->err, ws->pool);
}

static void a_task_without_a_result_fails_for_the_reason_given(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, TASK "/crash/coredump", "core");
    workspace_write(ws, RUNNING, "");
    assert_int_equal(settle(ws, spool, "It died"), APR_SUCCESS);
    assert_non_null(strstr(workspace_read(ws, TASK "/retrace_log"), "[E] It died\n"));
    assert_string_equal(workspace_read(ws, TASK "/status"), "7\n");
    assert_true(workspace_exists(ws, TASK "/finished_time"));
    assert_false(workspace_exists(ws, TASK "/crash"));
    assert_true(workspace_exists(ws, RUNNING));
}

static void a_worker_killed_after_its_backtrace_has_succeeded(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, TASK "/retrace_backtrace", "#0\n");
    assert_int_equal(settle(ws, spool, "It died"), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, TASK "/status"), "6\n");
}

static void a_task_that_has_ended_is_only_cleaned(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, TASK "/finished_time", "1\n");
    workspace_write(ws, TASK "/retrace_log", "first\n");
    workspace_write(ws, TASK "/crash/coredump", "core");
    workspace_write(ws, RUNNING, "");
    assert_int_equal(settle(ws, spool, NULL), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, TASK "/finished_time"), "1\n");
    assert_string_equal(workspace_read(ws, TASK "/retrace_log"), "first\n");
    assert_false(workspace_exists(ws, TASK "/crash"));
    assert_true(workspace_exists(ws, RUNNING));
}

/* What is recorded is read under the lock: its owner may delete it at once. */
static void what_is_to_be_recorded_is_handed_out(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    const stats_task_t *ended = NULL;

    workspace_write(ws, TASK "/started_time", "5\n");
    workspace_write(ws, TASK "/facts", "package bash\n");
    assert_int_equal(settle_task(&ended, spool, ID, "It died", &ws->err, ws->pool), APR_SUCCESS);
    workspace_shell(ws, "rm -r " TASK);
    assert_int_equal(ended->id, ID);
    assert_false(ended->is_success);
    assert_int_equal(ended->start_s, 5);
    assert_true(ended->end_s > 5);
    assert_string_equal(ended->facts->package, "bash");
}

static void of_a_task_that_is_gone_nothing_is_recorded(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    const stats_task_t *ended = NULL;

    assert_int_equal(settle_task(&ended, spool, ID, "It died", &ws->err, ws->pool), APR_SUCCESS);
    assert_null(ended);
    assert_false(workspace_exists(ws, TASK));
}

static void a_task_whose_lock_is_held_is_left_alone(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int task = workspace_task(ws, ID_TEXT);
    int lock = -1;

    workspace_write(ws, RUNNING, "");
    assert_int_equal(retrace_fs_lock(&lock, task, RETRACE_FILE_LOCK, false, &ws->err), APR_SUCCESS);
    assert_int_equal(settle(ws, spool, "It died"), APR_EBUSY);
    assert_false(workspace_exists(ws, TASK "/finished_time"));
    assert_true(workspace_exists(ws, RUNNING));
    (void)close(lock);
    (void)close(task);
}

static void settling_twice_is_fine_and_leaves_no_descriptor(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int before = workspace_descriptors();

    workspace_make_dir(ws, TASK);
    assert_int_equal(settle(ws, spool, "first"), APR_SUCCESS);
    assert_int_equal(settle(ws, spool, "second"), APR_SUCCESS);
    assert_null(strstr(workspace_read(ws, TASK "/retrace_log"), "second"));
    assert_int_equal(workspace_descriptors(), before);
}

static void starts_are_counted_until_they_are_too_many(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    settle_facts_t facts;
    int i;

    workspace_write(ws, TASK "/boot_id", retrace_spool_boot_id(ws->pool));
    for (i = 0; i < DISPATCH_MAX_ATTEMPTS; i++) {
        settle_look(&facts, spool, ID, ws->pool);
        assert_int_equal(settle_decide(&facts), SETTLE_START);
        assert_int_equal(settle_count_attempt(spool, ID, &ws->err, ws->pool), APR_SUCCESS);
    }
    settle_look(&facts, spool, ID, ws->pool);
    assert_int_equal(settle_decide(&facts), SETTLE_EXHAUSTED);
}

static void a_start_of_a_task_that_is_gone_is_not_counted(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(settle_count_attempt(workspace_spool(ws), ID, &ws->err, ws->pool), APR_ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_verdict_follows_from_the_facts),
        TEST(a_held_lock_counts_more_than_anything_else),
        TEST(an_end_counts_more_than_a_restart_or_a_cancel),
        TEST(a_cancel_counts_more_than_a_restart),
        TEST(a_task_that_is_gone_is_seen_as_gone),
        TEST(a_task_that_cannot_be_opened_is_not_taken_for_busy),
        TEST(a_fresh_task_is_seen_as_it_is),
        TEST(a_task_of_another_boot_or_of_none_is_not_trusted),
        TEST(end_cancel_and_lock_are_seen),
        TEST(a_task_that_is_gone_is_not_cancelled),
        TEST(a_task_without_a_result_fails_for_the_reason_given),
        TEST(a_worker_killed_after_its_backtrace_has_succeeded),
        TEST(a_task_that_has_ended_is_only_cleaned),
        TEST(what_is_to_be_recorded_is_handed_out),
        TEST(of_a_task_that_is_gone_nothing_is_recorded),
        TEST(a_task_whose_lock_is_held_is_left_alone),
        TEST(settling_twice_is_fine_and_leaves_no_descriptor),
        TEST(starts_are_counted_until_they_are_too_many),
        TEST(a_start_of_a_task_that_is_gone_is_not_counted),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
