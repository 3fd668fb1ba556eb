/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile parent hands down is undone. Each case runs in a child: it
 * does to itself what the parent would have done, calls the function, and looks at what is left. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/privileges.h"
#include "tests/unit/workspace.h"

#define MEBIBYTE (1024 * 1024)

/* --- Descriptors --------------------------------------------------------------------------- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int inherit_descriptors(void *baton)
{
    (void)baton;
    if (dup2(STDOUT_FILENO, 3) < 0 || dup2(STDOUT_FILENO, 77) < 0 || dup2(STDOUT_FILENO, 900) < 0) {
        return 9;
    }
    if (!retrace_privileges_reset_process()) {
        return 1;
    }
    return is_open(3) || is_open(77) || is_open(900) ? 2 : 0;
}

static void inherited_descriptors_are_closed(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(inherit_descriptors, NULL), 0);
}

static int keep_standard_descriptors(void *baton)
{
    struct stat before;
    struct stat after;

    (void)baton;
    if (fstat(STDOUT_FILENO, &before) != 0 || !retrace_privileges_reset_process()) {
        return 1;
    }
    return fstat(STDOUT_FILENO, &after) == 0 && before.st_ino == after.st_ino
            && before.st_dev == after.st_dev
        ? 0
        : 2;
}

static void the_standard_descriptors_stay(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(keep_standard_descriptors, NULL), 0);
}

/* Else the next file that is opened would be descriptor 1, and what is printed go into it. */
static int close_standard_descriptors(void *baton)
{
    unsigned int which = *(unsigned int *)baton;
    struct stat null;
    struct stat info;
    int fd;

    for (fd = 0; fd <= STDERR_FILENO; fd++) {
        if ((which & (1U << fd)) != 0) {
            (void)close(fd);
        }
    }
    if (!retrace_privileges_reset_process() || stat("/dev/null", &null) != 0) {
        return 1;
    }
    for (fd = 0; fd <= STDERR_FILENO; fd++) {
        if ((which & (1U << fd)) != 0
            && (fstat(fd, &info) != 0 || info.st_rdev != null.st_rdev || !S_ISCHR(info.st_mode))) {
            return 2;
        }
    }
    return is_open(STDERR_FILENO + 1) ? 3 : 0;
}

static void closed_standard_descriptors_become_dev_null(void **state)
{
    unsigned int which;

    (void)state;
    for (which = 0; which < 8; which++) {
        assert_int_equal(workspace_child(close_standard_descriptors, &which), 0);
    }
}

static int allow_no_descriptors(void *baton)
{
    struct rlimit limit;

    (void)baton;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 9;
    }
    limit.rlim_cur = 3;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 9;
    }
    (void)close(STDIN_FILENO);
    /* Refusing is fine; going on with a hole among the standard descriptors is not. */
    return !retrace_privileges_reset_process() || is_open(STDIN_FILENO) ? 0 : 1;
}

static void a_limit_of_descriptors_does_not_leave_a_hole(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(allow_no_descriptors, NULL), 0);
}

/* --- Signals ------------------------------------------------------------------------------- */

static int inherit_signals(void *baton)
{
    sigset_t all;
    struct sigaction action;
    int number;

    (void)baton;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    for (number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_IGN);
    }
    if (!retrace_privileges_reset_process()) {
        return 1;
    }
    (void)sigprocmask(SIG_BLOCK, NULL, &all);
    for (number = 1; number < NSIG; number++) {
        if (sigismember(&all, number) == 1) {
            return 2;
        }
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) {
            return 3;
        }
    }
    return 0;
}

static void blocked_and_ignored_signals_are_reset(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(inherit_signals, NULL), 0);
}

/* httpd ignores it: without the reset a helper would go on writing to a client that has left. */
static int write_to_a_closed_pipe(void *baton)
{
    int ends[2];

    (void)baton;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!retrace_privileges_reset_process() || pipe(ends) != 0) {
        return 1;
    }
    (void)close(ends[0]);
    return write(ends[1], "x", 1) == 1 ? 2 : 3;
}

static void a_closed_pipe_kills_again(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(write_to_a_closed_pipe, NULL), WORKSPACE_KILLED + SIGPIPE);
}

/* A timer survives exec. */
static int inherit_a_timer(void *baton)
{
    static const int timers[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
    const struct itimerval soon = { .it_value = { .tv_sec = 1000 } };
    struct itimerval left;
    size_t i;

    (void)baton;
    for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        (void)setitimer((__itimer_which_t)timers[i], &soon, NULL);
    }
    if (!retrace_privileges_reset_process()) {
        return 1;
    }
    for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        if (getitimer((__itimer_which_t)timers[i], &left) != 0 || left.it_value.tv_sec != 0) {
            return 2;
        }
    }
    return 0;
}

static void timers_are_stopped(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(inherit_a_timer, NULL), 0);
}

/* --- Limits, umask, directory, environment ------------------------------------------------- */

static int inherit_limits(void *baton)
{
    static const int resources[] = { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_NPROC };
    struct rlimit limit;
    size_t i;

    (void)baton;
    for (i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (getrlimit(resources[i], &limit) != 0) {
            return 9;
        }
        limit.rlim_cur = limit.rlim_max < 4000 ? limit.rlim_max : 4000;
        if (setrlimit(resources[i], &limit) != 0) {
            return 9;
        }
    }
    if (!retrace_privileges_reset_process()) {
        return 1;
    }
    for (i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (getrlimit(resources[i], &limit) != 0 || limit.rlim_cur != limit.rlim_max) {
            return 2;
        }
    }
    return 0;
}

static void lowered_soft_limits_are_raised_to_the_hard_ones(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(inherit_limits, NULL), 0);
}

static int look_at_core_and_stack(void *baton)
{
    struct rlimit core;
    struct rlimit stack;

    (void)baton;
    if (!retrace_privileges_reset_process() || getrlimit(RLIMIT_CORE, &core) != 0
        || getrlimit(RLIMIT_STACK, &stack) != 0) {
        return 1;
    }
    if (core.rlim_cur != 0 || core.rlim_max != 0) {
        return 2;
    }
    return stack.rlim_cur <= 8 * MEBIBYTE ? 0 : 3;
}

static void core_files_are_off_and_the_stack_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(look_at_core_and_stack, NULL), 0);
}

static int inherit_umask_and_directory(void *baton)
{
    char directory[4096];

    (void)umask(0);
    if (chdir((const char *)baton) != 0) {
        return 9;
    }
    if (!retrace_privileges_reset_process()) {
        return 1;
    }
    if (umask(0) != 027) {
        return 2;
    }
    return getcwd(directory, sizeof(directory)) != NULL && strcmp(directory, "/") == 0 ? 0 : 3;
}

static void umask_and_directory_are_ours(void **state)
{
    char tmp[] = "/tmp";

    (void)state;
    assert_int_equal(workspace_child(inherit_umask_and_directory, tmp), 0);
}

static int inherit_environment(void *baton)
{
    static const char *const allowed[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC" };
    size_t count = 0;
    size_t i;

    (void)baton;
    (void)setenv("LD_PRELOAD", "/tmp/evil.so", 1);
    (void)setenv("PATH", "/tmp", 1);
    (void)setenv("TZ", "/tmp/zone", 1);
    (void)setenv("GCONV_PATH", "/tmp", 1);
    if (!retrace_privileges_reset_environment()) {
        return 1;
    }
    while (environ[count] != NULL) {
        bool is_allowed = false;

        for (i = 0; i < 3; i++) {
            is_allowed = is_allowed || strcmp(environ[count], allowed[i]) == 0;
        }
        if (!is_allowed) {
            return 2;
        }
        count++;
    }
    return count == 3 ? 0 : 3;
}

static void the_environment_is_three_fixed_variables(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(inherit_environment, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inherited_descriptors_are_closed),
        cmocka_unit_test(the_standard_descriptors_stay),
        cmocka_unit_test(closed_standard_descriptors_become_dev_null),
        cmocka_unit_test(a_limit_of_descriptors_does_not_leave_a_hole),
        cmocka_unit_test(blocked_and_ignored_signals_are_reset),
        cmocka_unit_test(a_closed_pipe_kills_again),
        cmocka_unit_test(timers_are_stopped),
        cmocka_unit_test(lowered_soft_limits_are_raised_to_the_hard_ones),
        cmocka_unit_test(core_files_are_off_and_the_stack_is_bounded),
        cmocka_unit_test(umask_and_directory_are_ours),
        cmocka_unit_test(the_environment_is_three_fixed_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
