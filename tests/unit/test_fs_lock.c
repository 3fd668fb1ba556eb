/* SPDX-License-Identifier: Apache-2.0 */
/* Locks: held against everybody, for as long as the process that took them lives, and no longer. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>

#include "lib/fs.h"
#include "tests/unit/workspace.h"

static int try_lock(void *baton)
{
    workspace_t *ws = baton;
    int fd = -7;
    apr_status_t rv = retrace_fs_lock(&fd, ws->dir, "lock", false, NULL);

    return rv == APR_SUCCESS ? 0 : rv == APR_EBUSY && fd == -7 ? 1 : 2;
}

static int look_at_lock(void *baton)
{
    return retrace_fs_is_locked(((workspace_t *)baton)->dir, "lock") ? 1 : 0;
}

static int take_lock(workspace_t *ws)
{
    int fd = -1;

    assert_int_equal(retrace_fs_lock(&fd, ws->dir, "lock", false, &ws->err), APR_SUCCESS);
    return fd;
}

static void a_lock_is_held_against_other_processes(void **state)
{
    int fd = take_lock(*state);

    assert_int_equal(workspace_child(try_lock, *state), 1);
    assert_int_equal(workspace_child(look_at_lock, *state), 1);
    (void)close(fd);
    assert_int_equal(workspace_child(look_at_lock, *state), 0);
    assert_int_equal(workspace_child(try_lock, *state), 0);
}

/* Locks of fcntl(2)'s old kind are not: the process that holds them cannot see them. */
static void a_lock_is_held_against_the_same_process_too(void **state)
{
    workspace_t *ws = *state;
    int fd = take_lock(ws);
    int second = -7;

    assert_true(retrace_fs_is_locked(ws->dir, "lock"));
    assert_int_equal(retrace_fs_lock(&second, ws->dir, "lock", false, &ws->err), APR_EBUSY);
    assert_int_equal(second, -7);
    (void)close(fd);
}

static void looking_at_a_lock_does_not_drop_it(void **state)
{
    workspace_t *ws = *state;
    int fd = take_lock(ws);

    assert_true(retrace_fs_is_locked(ws->dir, "lock"));
    assert_int_equal(workspace_child(try_lock, ws), 1);
    (void)close(fd);
}

static int hold_until_killed(void *baton)
{
    workspace_t *ws = baton;
    int fd = -1;

    if (retrace_fs_lock(&fd, ws->dir, "lock", false, NULL) == APR_SUCCESS
        && retrace_fs_replace(ws->dir, "held", "", 0, 0600, false, NULL) == APR_SUCCESS) {
        (void)alarm(30);
        (void)pause();
    }
    return 1;
}

static void a_killed_process_holds_nothing(void **state)
{
    workspace_t *ws = *state;
    pid_t child = workspace_start(hold_until_killed, ws);

    while (!workspace_exists(ws, "held")) {
        (void)usleep(1000);
    }
    assert_true(retrace_fs_is_locked(ws->dir, "lock"));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(workspace_wait(child), WORKSPACE_KILLED + SIGKILL);
    assert_false(retrace_fs_is_locked(ws->dir, "lock"));
}

typedef struct waiting_t {
    workspace_t *ws;
    int held;
} waiting_t;

static int wait_for_lock(void *baton)
{
    workspace_t *ws = ((waiting_t *)baton)->ws;
    int fd = -1;

    /* An inherited copy of the descriptor would hold the lock for ever. */
    (void)close(((waiting_t *)baton)->held);
    (void)alarm(30);
    return retrace_fs_lock(&fd, ws->dir, "lock", true, NULL) == APR_SUCCESS
            && retrace_fs_exists(ws->dir, "released")
        ? 0
        : 1;
}

static void who_waits_gets_the_lock_when_it_is_free(void **state)
{
    workspace_t *ws = *state;
    int fd = take_lock(ws);
    waiting_t waiting = { ws, fd };
    pid_t child = workspace_start(wait_for_lock, &waiting);

    (void)usleep(50000);
    workspace_write(ws, "released", "");
    (void)close(fd);
    assert_int_equal(workspace_wait(child), 0);
}

static void a_lock_file_is_private_and_its_descriptor_not_inherited(void **state)
{
    int fd = take_lock(*state);

    assert_int_equal(workspace_mode(*state, "lock"), 0600);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(fd);
}

/* Who asks wants to remove what nobody holds: what cannot be told counts as held. */
static void a_link_is_no_lock_file(void **state)
{
    workspace_t *ws = *state;
    int fd = -7;

    workspace_link(ws, "elsewhere", "lock");
    assert_int_equal(retrace_fs_lock(&fd, ws->dir, "lock", false, &ws->err), ELOOP);
    assert_false(workspace_exists(ws, "elsewhere"));
    assert_true(retrace_fs_is_locked(ws->dir, "lock"));
}

static void no_lock_file_means_not_locked(void **state)
{
    workspace_t *ws = *state;

    assert_false(retrace_fs_is_locked(ws->dir, "lock"));
    assert_false(workspace_exists(ws, "lock"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lock_is_held_against_other_processes),
        TEST(a_lock_is_held_against_the_same_process_too),
        TEST(looking_at_a_lock_does_not_drop_it),
        TEST(a_killed_process_holds_nothing),
        TEST(who_waits_gets_the_lock_when_it_is_free),
        TEST(a_lock_file_is_private_and_its_descriptor_not_inherited),
        TEST(a_link_is_no_lock_file),
        TEST(no_lock_file_means_not_locked),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
