/* SPDX-License-Identifier: Apache-2.0 */
/* The pure halves of the sandbox: what bwrap is told, and what the end of a run means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "tests/unit/bwrap_help.h"
#include "worker/sandbox_private.h"

#define BWRAP "/usr/bin/bwrap"

static worker_sandbox_t plain_plan(apr_pool_t *p)
{
    static const char *const argv[] = { "/box/program", "argument", NULL };
    static const char *const environment[] = { NULL };
    worker_sandbox_t sandbox = { .bubblewrap = BWRAP, .argv = argv, .environment = environment };
    apr_array_header_t *binds = apr_array_make(p, 2, sizeof(worker_bind_t));
    apr_array_header_t *links = apr_array_make(p, 2, sizeof(worker_link_t));

    APR_ARRAY_PUSH(binds, worker_bind_t) = (worker_bind_t){ "/srv/program", "/box/program" };
    APR_ARRAY_PUSH(links, worker_link_t) = (worker_link_t){ "usr/lib", "/sysroot/lib" };
    sandbox.binds = binds;
    sandbox.links = links;
    sandbox.limits.file_bytes = 4096;
    return sandbox;
}

static const char *joined_argv(const worker_sandbox_t *sandbox, const char *help, apr_pool_t *p)
{
    const char *const *argv = NULL;
    const char *text = "";
    retrace_error_t err;

    assert_int_equal(worker_sandbox_argv(&argv, sandbox, help, &err, p), APR_SUCCESS);
    for (; *argv != NULL; argv++) {
        text = apr_pstrcat(p, text, " ", *argv, NULL);
    }
    return text;
}

static void test_old_bwrap_gets_old_options(void **state)
{
    apr_pool_t *p = *state;
    worker_sandbox_t sandbox = plain_plan(p);

    assert_string_equal(joined_argv(&sandbox, BWRAP_HELP_0_4_0, p),
                        " " BWRAP " --unshare-all --die-with-parent --new-session --cap-drop ALL"
                        " --hostname sandbox --ro-bind /srv/program /box/program"
                        " --symlink usr/lib /sysroot/lib --tmpfs /tmp --dev /dev --remount-ro /dev"
                        " --chdir /tmp --remount-ro / --seccomp 3 --json-status-fd 4"
                        " -- /box/program argument");
}

static void test_new_bwrap_gets_new_options(void **state)
{
    apr_pool_t *p = *state;
    worker_sandbox_t sandbox = plain_plan(p);
    const char *text = joined_argv(&sandbox, BWRAP_HELP_0_4_0 BWRAP_HELP_ADDITIONS, p);

    assert_non_null(strstr(text, " --unshare-user --disable-userns "));
    assert_non_null(strstr(text, " --size 4096 --tmpfs /tmp "));
}

static void test_too_old_bwrap_is_refused(void **state)
{
    apr_pool_t *p = *state;
    worker_sandbox_t sandbox = plain_plan(p);
    const char *const *argv = NULL;
    retrace_error_t err;

    assert_int_equal(worker_sandbox_argv(&argv, &sandbox, "  --seccomp FD\n", &err, p),
                     APR_ENOTIMPL);
    assert_null(argv);
}

static void test_strange_paths_are_refused(void **state)
{
    static const char *const paths[] = {
        "relative",        "/", "/a//b", "/a/../b", "/a/.", "/a/", "", "/sysroot/lib/below",
        "/sysroot/lib/x/y"
    };
    apr_pool_t *p = *state;
    size_t i;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        worker_sandbox_t sandbox = plain_plan(p);
        const char *const *argv = NULL;
        retrace_error_t err;

        APR_ARRAY_PUSH((apr_array_header_t *)sandbox.binds, worker_bind_t) =
            (worker_bind_t){ "/srv/x", paths[i] };
        assert_int_equal(worker_sandbox_argv(&argv, &sandbox, BWRAP_HELP_0_4_0, &err, p),
                         APR_EINVAL);
    }
}

static void test_ends_are_told_apart(void **state)
{
    static const struct {
        const char *status;
        int wait_status; /* signal, or code << 8 */
        bool was_oom;
        bool over_time;
        int64_t wall_ms;
        int end; /* -1: no sandbox */
        int number;
    } rows[] = {
        { "{ \"child-pid\": 7 }\n{ \"exit-code\": 0 }\n", 0, 0, 0, 1, WORKER_SANDBOX_EXITED, 0 },
        { "{ \"child-pid\": 7 }\n{ \"exit-code\": 5 }\n", 5 << 8, 0, 0, 1, WORKER_SANDBOX_EXITED,
          5 },
        { "{ \"exit-code\": 139 }", 139 << 8, 0, 0, 1, WORKER_SANDBOX_SIGNALLED, 11 },
        { "{ \"exit-code\": 159 }", 159 << 8, 0, 0, 1, WORKER_SANDBOX_FORBIDDEN, 31 },
        { "{ \"exit-code\": 152 }", 152 << 8, 0, 0, 1, WORKER_SANDBOX_TIME, 24 },
        { "{ \"exit-code\": 137 }", 137 << 8, 0, 0, 1, WORKER_SANDBOX_SIGNALLED, 9 },
        { "{ \"exit-code\": 137 }", 137 << 8, 0, 0, 9000, WORKER_SANDBOX_TIME, 9 },
        { "{ \"exit-code\": 137 }", 137 << 8, 1, 0, 1, WORKER_SANDBOX_MEMORY, 9 },
        { "{ \"exit-code\": 1 }", 1 << 8, 1, 0, 1, WORKER_SANDBOX_EXITED, 1 },
        { "{ \"child-pid\": 7 }", 9, 1, 0, 1, WORKER_SANDBOX_MEMORY, 9 },
        { "{ \"child-pid\": 7 }", 9, 0, 0, 1, WORKER_SANDBOX_SIGNALLED, 9 },
        { "{ \"child-pid\": 7 }", 9, 0, 1, 1, WORKER_SANDBOX_TIME, 9 },
        { "{ \"child-pid\": 7 }", 1 << 8, 0, 0, 1, -1, 0 },
        { "", 1 << 8, 0, 0, 1, -1, 0 },
    };
    const worker_sandbox_limits_t limits = { .cpu_s = 5 };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        worker_sandbox_run_t run = { .status_text = rows[i].status,
                                     .wait_status = rows[i].wait_status,
                                     .over_time = rows[i].over_time,
                                     .wall_ms = rows[i].wall_ms,
                                     .messages = "bwrap: No permissions\nmore" };
        worker_sandbox_result_t result = { 0 };
        retrace_error_t err = { 0, "" };
        apr_status_t rv = worker_sandbox_judge(&result, &run, &limits, rows[i].was_oom, &err);

        if (rows[i].end < 0) {
            assert_int_equal(rv, APR_ENOTIMPL);
            assert_string_equal(err.text, "no sandbox: bwrap: No permissions");
            continue;
        }
        assert_int_equal(rv, APR_SUCCESS);
        assert_int_equal((int)result.end, rows[i].end);
        assert_int_equal(result.exit_code + result.signal, rows[i].number);
    }
}

static int set_up(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_bwrap_gets_old_options),
        cmocka_unit_test(test_new_bwrap_gets_new_options),
        cmocka_unit_test(test_too_old_bwrap_is_refused),
        cmocka_unit_test(test_strange_paths_are_refused),
        cmocka_unit_test(test_ends_are_told_apart),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
