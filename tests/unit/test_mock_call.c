/* SPDX-License-Identifier: Apache-2.0 */
/* Calling mock: its command line and environment, what it prints, how it ends. Shell scripts stand in
 * for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/clock.h"
#include "tests/unit/workspace.h"
#include "worker/environment/mock_call.h"

static const char *const verb[] = { "--unpriv", "--chroot", NULL };

static worker_mock_t make_mock(const workspace_t *ws, const char *script)
{
    worker_mock_t mock = { workspace_path(ws, "mock"), "/x/retrace.cfg", "/x/log", NULL };

    workspace_write(ws, "mock", apr_pstrcat(ws->pool, "#!/bin/sh\n", script, NULL));
    assert_int_equal(chmod(mock.program, 0755), 0);
    return mock;
}

static worker_mock_end_t call(workspace_t *ws, const char *script, const char *const *words,
                              unsigned int wall_s)
{
    const worker_mock_t mock = make_mock(ws, script);
    worker_mock_end_t end = { 0 };

    assert_int_equal(worker_mock_call(&end, &mock, verb, words, wall_s, &ws->err, ws->pool),
                     APR_SUCCESS);
    return end;
}

static void words_come_behind_two_dashes(void **state)
{
    static const char *const words[] = { "ls", "-l", "a b", NULL };
    const worker_mock_end_t end =
        call(*state, "for word in \"$@\"; do echo \"$word\"; done", words, 20);

    assert_int_equal(end.code, 0);
    assert_false(end.is_late);
    assert_string_equal(end.messages,
                        "-r\n/x/retrace.cfg\n--resultdir=/x/log\n--unpriv\n--chroot\n"
                        "--\nls\n-l\na b\n");
}

static void a_verb_may_be_without_words(void **state)
{
    const worker_mock_end_t end = call(*state, "echo \"$*\"", NULL, 20);

    assert_string_equal(end.messages, "-r /x/retrace.cfg --resultdir=/x/log --unpriv --chroot\n");
}

/* mock believes SUDO_UID and USERHELPER_UID. */
static void nothing_of_our_environment_reaches_it(void **state)
{
    worker_mock_end_t end;

    assert_int_equal(setenv("SUDO_UID", "0", 1), 0);
    assert_int_equal(setenv("USERHELPER_UID", "0", 1), 0);
    end = call(*state, "env; umask; cat", NULL, 20);
    assert_int_equal(end.code, 0);
    assert_null(strstr(end.messages, "_UID"));
    assert_non_null(strstr(end.messages, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"));
    assert_non_null(strstr(end.messages, "0022\n"));
    assert_int_equal(unsetenv("SUDO_UID"), 0);
    assert_int_equal(unsetenv("USERHELPER_UID"), 0);
}

static void both_streams_are_kept_and_cleaned(void **state)
{
    const worker_mock_end_t end =
        call(*state, "printf 'a\\033b\\n'; echo c >&2; exit 30", NULL, 20);

    assert_int_equal(end.code, 30);
    assert_string_equal(end.messages, "a\\x1bb\nc\n");
}

static void of_a_long_output_the_end_is_kept(void **state)
{
    const worker_mock_end_t end =
        call(*state, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", NULL, 60);

    assert_int_equal(end.code, 0);
    assert_true(strlen(end.messages) <= WORKER_MOCK_MESSAGES);
    assert_true(strlen(end.messages) > WORKER_MOCK_MESSAGES / 2);
    assert_non_null(strstr(end.messages, "line 19999\n"));
}

static void a_signal_is_told(void **state)
{
    assert_int_equal(call(*state, "kill -9 $$", NULL, 20).code, 128 + 9);
}

static void who_does_not_end_in_time_is_killed(void **state)
{
    int64_t begun = retrace_clock_ms();
    const worker_mock_end_t end = call(*state, "echo x; exec sleep 100", NULL, 1);

    assert_true(end.is_late);
    assert_string_equal(end.messages, "x\n");
    assert_true(retrace_clock_ms() - begun < 15000);
}

/* What mock has started holds the pipe for longer than mock lives. */
static void a_child_that_stays_is_not_waited_for(void **state)
{
    int64_t begun = retrace_clock_ms();
    const worker_mock_end_t end = call(*state, "sleep 30 & exit 7", NULL, 20);

    assert_int_equal(end.code, 7);
    assert_true(retrace_clock_ms() - begun < 15000);
}

static void who_cannot_be_run_is_told(void **state)
{
    workspace_t *ws = *state;
    worker_mock_t mock = { "/nonexistent/mock", "/x", "/x", NULL };
    worker_mock_end_t end = { 0 };

    assert_int_not_equal(worker_mock_call(&end, &mock, verb, NULL, 5, &ws->err, ws->pool),
                         APR_SUCCESS);
    assert_non_null(strstr(ws->err.text, "run /nonexistent/mock"));
}

static void codes_have_sentences(void **state)
{
    (void)state;
    assert_string_equal(worker_mock_code_text(30), "the package manager failed");
    assert_string_equal(worker_mock_code_text(60), "another mock is at work in the chroot");
    assert_string_equal(worker_mock_code_text(50), "mock has nothing to copy");
    assert_non_null(strstr(worker_mock_code_text(3), "configuration"));
    assert_non_null(strstr(worker_mock_code_text(1), "group mock"));
    assert_string_equal(worker_mock_code_text(99), "mock failed");
}

typedef struct verdict_t {
    int code;
    unsigned int took_s;
    bool is_full;
    worker_sandbox_end_t end;
    int signal;
} verdict_t;

static void the_end_of_a_command_is_told_by_code_time_and_output(void **state)
{
    static const verdict_t verdicts[] = {
        { 0, 1, false, WORKER_SANDBOX_EXITED, 0 },
        { 0, 100, true, WORKER_SANDBOX_EXITED, 0 },
        { 7, 1, false, WORKER_SANDBOX_EXITED, 0 },
        { 127, 1, false, WORKER_SANDBOX_EXITED, 0 },
        { 247, 1, false, WORKER_SANDBOX_SIGNALLED, 9 },
        { 245, 1, false, WORKER_SANDBOX_SIGNALLED, 11 },
        { 137, 1, false, WORKER_SANDBOX_SIGNALLED, 9 },
        { 139, 1, false, WORKER_SANDBOX_SIGNALLED, 11 },
        { 255, 1, false, WORKER_SANDBOX_SIGNALLED, 9 },
        { 247, 9, false, WORKER_SANDBOX_SIGNALLED, 9 },
        { 247, 10, false, WORKER_SANDBOX_TIME, 0 },
        { 124, 10, false, WORKER_SANDBOX_TIME, 0 },
        { 231, 10, true, WORKER_SANDBOX_OUTPUT, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        const verdict_t *one = &verdicts[i];
        worker_sandbox_result_t result = { 0 };

        worker_mock_judge(&result, one->code, one->took_s, 10, one->is_full);
        assert_int_equal(result.end, one->end);
        assert_int_equal(result.signal, one->signal);
        assert_int_equal(result.exit_code, one->code);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_come_behind_two_dashes),
        TEST(a_verb_may_be_without_words),
        TEST(nothing_of_our_environment_reaches_it),
        TEST(both_streams_are_kept_and_cleaned),
        TEST(of_a_long_output_the_end_is_kept),
        TEST(a_signal_is_told),
        TEST(who_does_not_end_in_time_is_killed),
        TEST(a_child_that_stays_is_not_waited_for),
        TEST(who_cannot_be_run_is_told),
        TEST(codes_have_sentences),
        TEST(the_end_of_a_command_is_told_by_code_time_and_output),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
