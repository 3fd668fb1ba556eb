/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a task: which files it leaves, and that a kill between any two of its steps leaves a
 * state that the next attempt brings to the same end. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>

#include "lib/fs.h"
#include "lib/spool.h"
#include "tests/unit/workspace.h"

#define REPORT "#0  crash\n"

static void succeed(workspace_t *ws)
{
    assert_int_equal(retrace_spool_finish(ws->dir, REPORT, strlen(REPORT), "It worked", &ws->err),
                     APR_SUCCESS);
}

static void fail_task(workspace_t *ws, const char *reason)
{
    assert_int_equal(retrace_spool_finish(ws->dir, NULL, 0, reason, &ws->err), APR_SUCCESS);
}

/* No reader sees anything but these: a client takes a log without a backtrace for a failure. */
static void expect_success(workspace_t *ws)
{
    assert_string_equal(workspace_read(ws, "retrace_backtrace"), REPORT);
    assert_non_null(workspace_read(ws, "retrace_log"));
    assert_string_equal(workspace_read(ws, "status"), "6\n");
    assert_true(workspace_exists(ws, "finished_time"));
    assert_false(workspace_exists(ws, "worker_log"));
}

static void expect_failure(workspace_t *ws, const char *reason)
{
    assert_false(workspace_exists(ws, "retrace_backtrace"));
    assert_non_null(strstr(workspace_read(ws, "retrace_log"), reason));
    assert_string_equal(workspace_read(ws, "status"), "7\n");
    assert_true(workspace_exists(ws, "finished_time"));
    assert_false(workspace_exists(ws, "worker_log"));
}

static void a_success_leaves_backtrace_log_status_and_time(void **state)
{
    workspace_t *ws = *state;

    retrace_spool_log(ws->dir, 'I', "earlier");
    succeed(ws);
    expect_success(ws);
    assert_non_null(strstr(workspace_read(ws, "retrace_log"), "[I] earlier\n"));
    assert_non_null(strstr(workspace_read(ws, "retrace_log"), "[I] It worked\n"));
}

static void a_failure_leaves_its_reason_as_the_last_line(void **state)
{
    workspace_t *ws = *state;

    retrace_spool_log(ws->dir, 'I', "earlier");
    fail_task(ws, "too big");
    expect_failure(ws, "[E] too big\n");
    assert_string_equal(strrchr(workspace_read(ws, "retrace_log"), ']'), "] too big\n");
}

static void httpd_reads_all_of_it_through_its_group_and_others_nothing(void **state)
{
    static const char *const files[] = { "retrace_backtrace", "retrace_log", "status",
                                         "finished_time" };
    size_t i;

    succeed(*state);
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_int_equal(workspace_mode(*state, files[i]), 0640);
    }
}

static void ending_twice_changes_nothing(void **state)
{
    workspace_t *ws = *state;
    const char *log;
    struct stat before;
    struct stat after;

    succeed(ws);
    log = workspace_read(ws, "retrace_log");
    assert_int_equal(fstatat(ws->dir, "finished_time", &before, 0), 0);
    fail_task(ws, "second");
    expect_success(ws);
    assert_string_equal(workspace_read(ws, "retrace_log"), log);
    assert_int_equal(fstatat(ws->dir, "finished_time", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_failed_task_stays_failed(void **state)
{
    fail_task(*state, "first");
    succeed(*state);
    expect_failure(*state, "first");
}

/* A core with thousands of missing files fills the log; why the task failed is what counts. */
static void a_full_log_still_ends_with_the_reason(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "worker_log", "full\n");
    assert_int_equal(truncate(workspace_path(ws, "worker_log"), RETRACE_LOG_MAX - 4096), 0);
    fail_task(ws, "too big");
    workspace_shell(ws, "tail -c 8 retrace_log | grep -q 'too big'");
}

/* --- Killed between two steps: the dispatcher ends the task, as failed as far as it knows ---- */

static void killed_before_anything_was_published_is_a_failure(void **state)
{
    workspace_write(*state, "worker_log", "earlier\n");
    workspace_write(*state, ".retrace_backtrace.new", "half a backtr");
    fail_task(*state, "The worker died");
    expect_failure(*state, "The worker died");
}

static void killed_after_the_backtrace_is_a_success(void **state)
{
    workspace_write(*state, "worker_log", "earlier\n");
    workspace_write(*state, "retrace_backtrace", REPORT);
    fail_task(*state, "The worker died");
    expect_success(*state);
}

static void killed_after_the_last_line_of_the_log_is_a_success(void **state)
{
    workspace_write(*state, "worker_log", "earlier\n[I] It worked\n");
    workspace_write(*state, "retrace_backtrace", REPORT);
    fail_task(*state, "The worker died");
    expect_success(*state);
    assert_non_null(strstr(workspace_read(*state, "retrace_log"), "It worked\n"));
}

static void killed_after_the_log_is_a_success(void **state)
{
    workspace_write(*state, "retrace_backtrace", REPORT);
    workspace_write(*state, "retrace_log", "It worked\n");
    workspace_write(*state, "status", "5\n");
    fail_task(*state, "The worker died");
    expect_success(*state);
    assert_string_equal(workspace_read(*state, "retrace_log"), "It worked\n");
}

static void killed_after_the_stage_is_a_success(void **state)
{
    workspace_write(*state, "retrace_backtrace", REPORT);
    workspace_write(*state, "retrace_log", "It worked\n");
    workspace_write(*state, "status", "6\n");
    workspace_write(*state, ".finished_time.new", "17");
    fail_task(*state, "The worker died");
    expect_success(*state);
    assert_false(workspace_exists(*state, ".finished_time.new"));
}

static void killed_while_failing_keeps_the_first_reason(void **state)
{
    workspace_write(*state, "retrace_log", "too big\n");
    fail_task(*state, "The worker died");
    expect_failure(*state, "too big\n");
    assert_null(strstr(workspace_read(*state, "retrace_log"), "died"));
}

static void without_a_log_the_reason_is_still_told(void **state)
{
    workspace_link(*state, "/nonexistent/x", "worker_log");
    assert_int_equal(retrace_spool_finish(((workspace_t *)*state)->dir, NULL, 0, "no log",
                                          &((workspace_t *)*state)->err),
                     APR_SUCCESS);
    assert_string_equal(workspace_read(*state, "retrace_log"), "no log");
}

static int finish_on_a_full_disk(void *baton)
{
    static const struct rlimit limit = { 4, 4 };
    workspace_t *ws = baton;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 9;
    }
    return retrace_spool_finish(ws->dir, REPORT, strlen(REPORT), "It worked", NULL) == EFBIG ? 0
                                                                                             : 1;
}

static void a_backtrace_that_cannot_be_written_ends_nothing(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(workspace_child(finish_on_a_full_disk, ws), 0);
    assert_false(workspace_exists(ws, "retrace_backtrace"));
    assert_false(workspace_exists(ws, "retrace_log"));
    assert_false(workspace_exists(ws, "finished_time"));
}

/* --- Cleaning ------------------------------------------------------------------------------ */

static void clean(workspace_t *ws, const char *type)
{
    static const char *const files[] = { "crash/coredump", "worker_log", "boot_id", "attempts",
                                         "cancel",         "password",   "status",  "results/x" };
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        workspace_write(ws, files[i], "");
    }
    workspace_write(ws, "type", type);
    assert_int_equal(retrace_spool_clean(ws->dir, &ws->err, ws->pool), APR_SUCCESS);
    assert_false(workspace_exists(ws, "worker_log"));
    assert_false(workspace_exists(ws, "boot_id"));
    assert_false(workspace_exists(ws, "attempts"));
    assert_false(workspace_exists(ws, "cancel"));
    assert_true(workspace_exists(ws, "password"));
    assert_true(workspace_exists(ws, "status"));
    assert_true(workspace_exists(ws, "results/x"));
}

static void crash_data_of_an_ordinary_task_is_removed(void **state)
{
    clean(*state, "0\n");
    assert_false(workspace_exists(*state, "crash"));
}

static void crash_data_of_a_kernel_crash_is_removed(void **state)
{
    clean(*state, "2\n");
    assert_false(workspace_exists(*state, "crash"));
}

static void crash_data_is_kept_for_debugging(void **state)
{
    clean(*state, "1\n");
    assert_true(workspace_exists(*state, "crash/coredump"));
}

static void crash_data_is_kept_for_interactive_tasks(void **state)
{
    clean(*state, "3\n");
    clean(*state, "4\n");
    assert_true(workspace_exists(*state, "crash/coredump"));
}

static void cleaning_twice_is_fine(void **state)
{
    workspace_t *ws = *state;

    clean(ws, "0\n");
    assert_int_equal(retrace_spool_clean(ws->dir, &ws->err, ws->pool), APR_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_success_leaves_backtrace_log_status_and_time),
        TEST(a_failure_leaves_its_reason_as_the_last_line),
        TEST(a_full_log_still_ends_with_the_reason),
        TEST(httpd_reads_all_of_it_through_its_group_and_others_nothing),
        TEST(ending_twice_changes_nothing),
        TEST(a_failed_task_stays_failed),
        TEST(killed_before_anything_was_published_is_a_failure),
        TEST(killed_after_the_backtrace_is_a_success),
        TEST(killed_after_the_last_line_of_the_log_is_a_success),
        TEST(killed_after_the_log_is_a_success),
        TEST(killed_after_the_stage_is_a_success),
        TEST(killed_while_failing_keeps_the_first_reason),
        TEST(without_a_log_the_reason_is_still_told),
        TEST(a_backtrace_that_cannot_be_written_ends_nothing),
        TEST(crash_data_of_an_ordinary_task_is_removed),
        TEST(crash_data_of_a_kernel_crash_is_removed),
        TEST(crash_data_is_kept_for_debugging),
        TEST(crash_data_is_kept_for_interactive_tasks),
        TEST(cleaning_twice_is_fine),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
