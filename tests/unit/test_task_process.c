/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/process.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/process.h"
#include "tests/unit/workspace.h"

#define LONG_MS 60000

/* A system clock that is put forward between two looks at it; APR's own is not asked for. */
static apr_time_t jump;
static apr_time_t clock_us;

apr_time_t apr_time_now(void)
{
    clock_us += jump + 1000;
    return clock_us;
}

static apr_status_t run(workspace_t *ws, const char *script, int out, int64_t max_ms,
                        const char **pkept)
{
    const char *const argv[] = { "sh", "-c", script, NULL };
    const task_process_t process = { .argv = argv, .out = out, .max_ms = max_ms };
    int descriptors = workspace_descriptors();
    apr_status_t rv = task_process_run(pkept, &process, &ws->err, ws->pool);

    assert_int_equal(workspace_descriptors(), descriptors);
    return rv;
}

static void its_output_is_kept(void **state)
{
    const char *kept = NULL;

    assert_int_equal(run(*state, "cat; echo out", -1, LONG_MS, &kept), APR_SUCCESS);
    assert_string_equal(kept, "out\n");
}

static void or_goes_into_a_file_and_its_complaints_are_kept(void **state)
{
    workspace_t *ws = *state;
    const char *kept = NULL;
    int out = openat(ws->dir, "out", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(out >= 0);
    assert_int_equal(run(ws, "echo out; echo bad >&2; exit 3", out, LONG_MS, &kept), APR_EGENERAL);
    assert_string_equal(kept, "bad\n");
    assert_string_equal(workspace_read(ws, "out"), "out\n");
    assert_string_equal(ws->err.text, "sh failed");
    assert_int_equal(close(out), 0);
}

static void no_more_is_kept_than_the_limit(void **state)
{
    workspace_t *ws = *state;
    const char *kept = NULL;

    assert_int_equal(
        run(ws, apr_psprintf(ws->pool, "head -c %d /dev/zero | tr '\\0' x", TASK_OUTPUT_MAX), -1,
            LONG_MS, &kept),
        APR_SUCCESS);
    assert_int_equal(strlen(kept), TASK_OUTPUT_MAX);
    assert_int_equal(
        run(ws,
            apr_psprintf(ws->pool, "head -c %d /dev/zero | tr '\\0' x", 2 * TASK_OUTPUT_MAX + 1),
            -1, LONG_MS, &kept),
        APR_SUCCESS);
    assert_int_equal(strlen(kept), TASK_OUTPUT_MAX);
}

static void one_that_does_not_end_is_killed(void **state)
{
    workspace_t *ws = *state;
    const char *kept = NULL;

    assert_int_equal(run(ws, "echo begun; exec sleep 600", -1, 100, &kept), APR_TIMEUP);
    assert_string_equal(ws->err.text, "sh took too long");
}

static void one_that_was_killed_has_judged_nothing(void **state)
{
    workspace_t *ws = *state;
    const char *kept = NULL;

    assert_int_equal(run(ws, "echo begun; kill -9 $$", -1, LONG_MS, &kept), APR_INCOMPLETE);
    assert_string_equal(ws->err.text, "signal 9 has ended sh");
    assert_string_equal(kept, "begun\n");
}

static void a_program_that_is_not_there_is_told(void **state)
{
    static const char *const argv[] = { "no-such-program", NULL };
    const task_process_t process = { .argv = argv, .out = -1, .max_ms = LONG_MS };
    workspace_t *ws = *state;
    const char *kept = NULL;

    assert_true(APR_STATUS_IS_ENOENT(task_process_run(&kept, &process, &ws->err, ws->pool)));
    assert_null(kept);
}

static bool refuse(void *baton)
{
    (*(int *)baton)++;
    return false;
}

static void who_may_not_go_on_gets_the_time_to_end(void **state)
{
    workspace_t *ws = *state;
    const char *const argv[] = {
        "sh", "-c",
        apr_psprintf(ws->pool, "trap 'kill $!; echo in order >%s/end; exit' TERM; sleep 60 & wait",
                     ws->path),
        NULL
    };
    const char *kept = NULL;
    int asked = 0;
    const task_process_t process = {
        .argv = argv, .out = -1, .max_ms = LONG_MS, .may_go_on = refuse, .baton = &asked
    };

    assert_int_equal(task_process_run(&kept, &process, &ws->err, ws->pool), APR_EINTR);
    assert_int_equal(asked, 1);
    assert_string_equal(workspace_read(ws, "end"), "in order\n");
}

static void also_when_it_never_stops_writing(void **state)
{
    workspace_t *ws = *state;
    const char *const argv[] = { "yes", NULL };
    const char *kept = NULL;
    int asked = 0;
    const task_process_t process = {
        .argv = argv, .out = -1, .max_ms = 5000, .may_go_on = refuse, .baton = &asked
    };

    assert_int_equal(task_process_run(&kept, &process, &ws->err, ws->pool), APR_EINTR);
    assert_int_equal(asked, 1);
}

static void time_is_not_what_the_system_clock_says(void **state)
{
    const char *kept = NULL;

    jump = apr_time_from_sec(86400);
    assert_int_equal(run(*state, "echo out", -1, LONG_MS, &kept), APR_SUCCESS);
    jump = 0;
    assert_string_equal(kept, "out\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_may_not_go_on_gets_the_time_to_end),
        TEST(also_when_it_never_stops_writing),
        TEST(time_is_not_what_the_system_clock_says),
        TEST(one_that_was_killed_has_judged_nothing),
        TEST(its_output_is_kept),
        TEST(or_goes_into_a_file_and_its_complaints_are_kept),
        TEST(no_more_is_kept_than_the_limit),
        TEST(one_that_does_not_end_is_killed),
        TEST(a_program_that_is_not_there_is_told),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
