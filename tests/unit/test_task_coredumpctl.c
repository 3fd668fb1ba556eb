/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/coredumpctl.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <stdlib.h>

#include "helpers/task/coredumpctl.h"
#include "helpers/task/exit.h"
#include "tests/unit/workspace.h"

static void what_it_prints_is_understood(void **state)
{
    static const char text[] = "           PID: 4711 (tiny)\n"
                               "           UID: 1000 (somebody)\n"
                               "        Signal: 11 (SEGV)\n"
                               "     Timestamp: Tue 2026-11-24 10:00:00 UTC (1h ago)\n"
                               "  Command Line: ./tiny --flag\n"
                               "    Executable: /usr/bin/tiny\n"
                               "       Storage: /var/lib/systemd/coredump/core.tiny.zst (present)\n"
                               "       Package: tiny/1.0-1.fc36\n"
                               "       Message: Process 4711 (tiny) of user 1000 dumped core.\n";
    workspace_t *ws = *state;
    task_crash_info_t info;

    assert_true(task_coredumpctl_parse(&info, text, ws->pool));
    assert_string_equal(info.pid, "4711");
    assert_string_equal(info.executable, "/usr/bin/tiny");
    assert_string_equal(info.package, "tiny-1.0-1.fc36");
}

/* A name and a message are the crashed program's: they come later than what systemd says. */
static void the_first_of_two_counts(void **state)
{
    workspace_t *ws = *state;
    task_crash_info_t info;

    assert_true(task_coredumpctl_parse(
        &info, "PID: 1 (a)\nExecutable: /a\nMessage: x\nPID: 2 (b)\nExecutable: /b", ws->pool));
    assert_string_equal(info.pid, "1");
    assert_string_equal(info.executable, "/a");
    assert_null(info.package);
}

static void without_a_process_id_it_is_nothing(void **state)
{
    static const char *const bad[] = { "",
                                       "PID:\n",
                                       "PID: x\n",
                                       "PID: 12x\n",
                                       "PID: 12345678901\n",
                                       "PPID: 1\n",
                                       "No coredumps found.\n" };
    workspace_t *ws = *state;
    task_crash_info_t info;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(task_coredumpctl_parse(&info, bad[i], ws->pool));
    }
}

static void names_that_are_none_are_left_out(void **state)
{
    workspace_t *ws = *state;
    task_crash_info_t info;

    assert_true(task_coredumpctl_parse(&info, "PID: 1234567890\nExecutable: tiny\nPackage: a b\n",
                                       ws->pool));
    assert_null(info.executable);
    assert_null(info.package);
}

static void a_match_is_no_option(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = { .core = -1 };

    assert_int_equal(task_coredumpctl_open(&source, "-D", &ws->err, ws->pool),
                     TASK_STATUS(TASK_EXIT_SOURCE));
    assert_int_equal(task_coredumpctl_open(&source, "", &ws->err, ws->pool),
                     TASK_STATUS(TASK_EXIT_SOURCE));
    assert_int_equal(source.core, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_it_prints_is_understood),
        TEST(the_first_of_two_counts),
        TEST(without_a_process_id_it_is_nothing),
        TEST(names_that_are_none_are_left_out),
        TEST(a_match_is_no_option),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
