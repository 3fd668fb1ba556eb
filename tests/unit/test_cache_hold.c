/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses what of the cache: many may, whoever removes is alone, and nobody's hold outlives him. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/clock.h"
#include "tests/unit/workspace.h"
#include "worker/resolve/cache_hold.h"

/* Another process that holds something until it is told to end. */
typedef struct holder_t {
    workspace_t *ws;
    apr_status_t (*take)(worker_cache_hold_t *hold, const char *build_id, retrace_error_t *err);
    int ready[2];
    unsigned int for_ms; /* 0: until it is killed */
    pid_t pid;
} holder_t;

static worker_cache_hold_t *open_hold(workspace_t *ws)
{
    worker_cache_hold_t *hold = NULL;

    assert_int_equal(worker_cache_hold_open(&hold, workspace_path(ws, "cache"), &ws->err, ws->pool),
                     APR_SUCCESS);
    return hold;
}

static int hold_it(void *baton)
{
    holder_t *holder = baton;
    worker_cache_hold_t *hold = NULL;

    if (worker_cache_hold_open(&hold, workspace_path(holder->ws, "cache"), NULL, holder->ws->pool)
            != APR_SUCCESS
        || holder->take(hold, SAMPLE_ID, NULL) != APR_SUCCESS
        || write(holder->ready[1], "x", 1) != 1) {
        return 1;
    }
    if (holder->for_ms == 0) {
        (void)alarm(60);
        (void)pause();
    }
    (void)usleep(holder->for_ms * 1000);
    return 0;
}

static void start_holder(holder_t *holder, workspace_t *ws)
{
    char byte;

    holder->ws = ws;
    assert_int_equal(pipe(holder->ready), 0);
    holder->pid = workspace_start(hold_it, holder);
    assert_int_equal(read(holder->ready[0], &byte, 1), 1);
    (void)close(holder->ready[0]);
    (void)close(holder->ready[1]);
}

static void kill_holder(const holder_t *holder)
{
    assert_int_equal(kill(holder->pid, SIGKILL), 0);
    assert_int_equal(workspace_wait(holder->pid), WORKSPACE_KILLED + SIGKILL);
}

static workspace_t *make_cache(void **state)
{
    workspace_make_dir(*state, "cache");
    return *state;
}

static void many_hold_the_same(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *first = open_hold(ws);
    worker_cache_hold_t *second = open_hold(ws);

    assert_int_equal(worker_cache_hold_share(first, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_cache_hold_share(first, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_cache_hold_share(second, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_true(worker_cache_hold_is_shared(second, SAMPLE_ID));
    assert_false(worker_cache_hold_is_shared(second, OTHER_ID));
}

static void what_another_process_uses_nobody_holds_alone(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *hold = open_hold(ws);
    holder_t holder = { .take = worker_cache_hold_share };

    start_holder(&holder, ws);
    assert_int_equal(worker_cache_hold_alone(hold, SAMPLE_ID, &ws->err), APR_EBUSY);
    assert_true(worker_cache_hold_is_shared(hold, SAMPLE_ID));
    assert_int_equal(worker_cache_hold_alone(hold, OTHER_ID, &ws->err), APR_SUCCESS);
    kill_holder(&holder);
}

static void a_killed_process_holds_nothing(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *hold = open_hold(ws);
    holder_t holder = { .take = worker_cache_hold_share };

    start_holder(&holder, ws);
    kill_holder(&holder);
    assert_false(worker_cache_hold_is_shared(hold, SAMPLE_ID));
    assert_int_equal(worker_cache_hold_alone(hold, SAMPLE_ID, &ws->err), APR_SUCCESS);
}

static void what_is_dropped_or_closed_is_free(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *first = open_hold(ws);
    worker_cache_hold_t *second = open_hold(ws);

    assert_int_equal(worker_cache_hold_share(first, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_cache_hold_share(first, OTHER_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_cache_hold_alone(second, SAMPLE_ID, &ws->err), APR_EBUSY);
    worker_cache_hold_drop(first, SAMPLE_ID);
    assert_int_equal(worker_cache_hold_alone(second, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_cache_hold_alone(second, OTHER_ID, &ws->err), APR_EBUSY);
    worker_cache_hold_close(first);
    worker_cache_hold_close(first);
    assert_int_equal(worker_cache_hold_alone(second, OTHER_ID, &ws->err), APR_SUCCESS);
}

static void who_uses_waits_for_who_removes(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *hold = open_hold(ws);
    holder_t holder = { .take = worker_cache_hold_alone, .for_ms = 200 };

    start_holder(&holder, ws);
    assert_int_equal(worker_cache_hold_share(hold, SAMPLE_ID, &ws->err), APR_SUCCESS);
    assert_int_equal(workspace_wait(holder.pid), 0);
}

static void but_not_for_ever(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *hold = open_hold(ws);
    holder_t holder = { .take = worker_cache_hold_alone };
    int64_t start_ms = retrace_clock_ms();

    start_holder(&holder, ws);
    assert_int_equal(worker_cache_hold_share(hold, SAMPLE_ID, &ws->err), APR_EBUSY);
    assert_true(retrace_clock_ms() - start_ms >= WORKER_CACHE_HOLD_WAIT_MS);
    kill_holder(&holder);
}

static void one_descriptor_is_enough_for_a_thousand_files(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *hold = open_hold(ws);
    int before = workspace_descriptors();
    char build_id[] = SAMPLE_ID;
    int i;

    for (i = 0; i < 1000; i++) {
        build_id[3] = (char)('0' + i % 10);
        build_id[4] = (char)('0' + i / 10 % 10);
        build_id[5] = (char)('0' + i / 100);
        assert_int_equal(worker_cache_hold_share(hold, build_id, &ws->err), APR_SUCCESS);
    }
    assert_int_equal(workspace_descriptors(), before);
}

static void all_that_is_held_is_told_at_once(void **state)
{
    workspace_t *ws = make_cache(state);
    worker_cache_hold_t *asks = open_hold(ws);
    worker_cache_hold_t *others[3] = { open_hold(ws), open_hold(ws), open_hold(ws) };
    const apr_array_header_t *holders;
    int i;

    assert_false(worker_cache_holders_have(worker_cache_holders(asks, ws->pool), SAMPLE_ID));
    /* In no order, with neighbours, the first and the last one, some held twice. */
    for (i = 0; i < 1000; i += 2) {
        (void)worker_cache_hold_share(
            others[i % 3], apr_psprintf(ws->pool, "%015x0", (unsigned int)(i * 7919 % 1000)), NULL);
    }
    for (i = 0; i < 1000; i += 4) {
        (void)worker_cache_hold_share(others[2], apr_psprintf(ws->pool, "%015x0", (unsigned int)i),
                                      NULL);
    }
    (void)worker_cache_hold_share(others[0], "ffffffffffffffff", NULL);
    (void)worker_cache_hold_share(asks, SAMPLE_ID, NULL); /* its own */
    holders = worker_cache_holders(asks, ws->pool);
    for (i = 0; i < 1000; i++) {
        const char *build_id = apr_psprintf(ws->pool, "%015x0", (unsigned int)i);

        assert_int_equal(worker_cache_holders_have(holders, build_id), i % 2 == 0);
        assert_int_equal(worker_cache_hold_is_shared(asks, build_id), i % 2 == 0);
    }
    assert_true(worker_cache_holders_have(holders, "ffffffffffffffff"));
    assert_false(worker_cache_holders_have(holders, SAMPLE_ID));
    assert_true(worker_cache_holders_have(NULL, SAMPLE_ID));
}

/* bwrap and gdb: a debugger that lives on would keep the files for ever. */
static void programs_do_not_inherit_it(void **state)
{
    workspace_t *ws = make_cache(state);

    (void)open_hold(ws);
    workspace_shell(ws, "ls -l /proc/self/fd | grep -c use.lock | grep -qx 0");
}

static void without_a_cache_there_is_no_hold(void **state)
{
    workspace_t *ws = *state;
    worker_cache_hold_t *hold = NULL;

    assert_int_equal(worker_cache_hold_open(&hold, workspace_path(ws, "none"), &ws->err, ws->pool),
                     APR_ENOENT);
    workspace_make_dir(ws, "cache");
    workspace_link(ws, "/dev/null", "cache/use.lock");
    assert_int_not_equal(
        worker_cache_hold_open(&hold, workspace_path(ws, "cache"), &ws->err, ws->pool),
        APR_SUCCESS);
    assert_null(hold);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_hold_the_same),
        TEST(what_another_process_uses_nobody_holds_alone),
        TEST(a_killed_process_holds_nothing),
        TEST(what_is_dropped_or_closed_is_free),
        TEST(who_uses_waits_for_who_removes),
        TEST(but_not_for_ever),
        TEST(one_descriptor_is_enough_for_a_thousand_files),
        TEST(all_that_is_held_is_told_at_once),
        TEST(programs_do_not_inherit_it),
        TEST(without_a_cache_there_is_no_hold),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
