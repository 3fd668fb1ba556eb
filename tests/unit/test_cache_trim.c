/* SPDX-License-Identifier: Apache-2.0 */
/* Trimming the cache: what the decision says is done, whoever else is at work and whoever is killed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/fs.h"
#include "tests/unit/cache_fixture.h"
#include "worker/resolve/cache_account.h"
#include "worker/resolve/cache_trim.h"

#define FILES   20
#define FILE_KB 64

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    int64_t goal_bytes;
    worker_cache_other_t other;
    int pipe[2];
} stage_t;

/* FILES files, the first one not used for longest; their sizes are together above the limit. */
static stage_t *make_stage(void **state)
{
    workspace_t *ws = *state;
    stage_t *stage = apr_pcalloc(ws->pool, sizeof(*stage));
    int i;

    stage->ws = ws;
    stage->config = cache_make(ws, 1);
    for (i = 0; i < FILES; i++) {
        cache_add(ws, i, FILE_KB, FILES - i);
    }
    return stage;
}

static worker_cache_trimmed_t trim(stage_t *stage, int64_t goal_bytes)
{
    worker_cache_trimmed_t done = { 0 };

    assert_int_equal(worker_cache_trim(&done, &stage->config, goal_bytes, WORKER_CACHE_AFTER_IT,
                                       &stage->ws->err, stage->ws->pool),
                     APR_SUCCESS);
    return done;
}

static worker_cache_account_t account(const stage_t *stage)
{
    worker_cache_account_t found;
    int top = -1;

    assert_int_equal(retrace_fs_open_dir(&top, stage->ws->dir, "cache", &stage->ws->err),
                     APR_SUCCESS);
    found = worker_cache_account_read(top);
    (void)close(top);
    return found;
}

static int count_files(const stage_t *stage)
{
    int count = 0;
    int i;

    for (i = 0; i < FILES; i++) {
        count += cache_has(stage->ws, i);
    }
    return count;
}

static void the_oldest_go_until_the_goal_is_reached(void **state)
{
    stage_t *stage = make_stage(state);
    int64_t all = cache_bytes(stage->ws);
    int64_t one = all / FILES;
    worker_cache_trimmed_t done = trim(stage, 15 * one);
    int i;

    assert_int_equal(done.removed, 5);
    assert_int_equal(done.removed_bytes, 5 * one);
    assert_int_equal(done.left_bytes, 15 * one);
    assert_int_equal(cache_bytes(stage->ws), 15 * one);
    for (i = 0; i < FILES; i++) {
        assert_int_equal(cache_has(stage->ws, i), i >= 5);
        assert_int_equal(workspace_exists(stage->ws, cache_name(stage->ws, i, "")), i >= 5);
    }
}

static void a_trim_says_what_is_there(void **state)
{
    stage_t *stage = make_stage(state);

    assert_false(account(stage).is_known);
    (void)trim(stage, WORKER_CACHE_NO_GOAL);
    assert_int_equal(account(stage).bytes, cache_bytes(stage->ws));
    assert_int_equal(count_files(stage), FILES);
}

static void without_a_goal_only_leftovers_go(void **state)
{
    stage_t *stage = make_stage(state);
    worker_cache_trimmed_t done;

    workspace_write(stage->ws, cache_name(stage->ws, 3, "debuginfo.new"), "half");
    workspace_write(stage->ws, "cache/ab/0000000000000000/dwz.new", "half");
    workspace_make_dir(stage->ws, "cache/ab/1111111111111111");
    workspace_make_dir(stage->ws, "cache/ac");
    workspace_write(stage->ws, "cache/notes", "not ours");
    done = trim(stage, WORKER_CACHE_NO_GOAL);
    assert_int_equal(done.removed, 2);
    assert_int_equal(count_files(stage), FILES);
    assert_false(workspace_exists(stage->ws, cache_name(stage->ws, 3, "debuginfo.new")));
    assert_false(workspace_exists(stage->ws, "cache/ab"));
    assert_false(workspace_exists(stage->ws, "cache/ac"));
    assert_true(workspace_exists(stage->ws, "cache/notes"));
}

static int use_the_oldest(void *baton)
{
    stage_t *stage = baton;
    worker_cache_hold_t *hold = NULL;

    (void)alarm(60);
    if (worker_cache_hold_open(&hold, stage->config.cache_dir, NULL, stage->ws->pool) != APR_SUCCESS
        || worker_cache_hold_share(hold, cache_id(stage->ws, 0), NULL) != APR_SUCCESS
        || write(stage->pipe[1], "x", 1) != 1) {
        return 1;
    }
    (void)pause();
    return 1;
}

static void what_another_process_uses_stays_until_that_ends(void **state)
{
    stage_t *stage = make_stage(state);
    worker_cache_account_t known;
    char byte;
    pid_t child;

    assert_int_equal(pipe(stage->pipe), 0);
    child = workspace_start(use_the_oldest, stage);
    assert_int_equal(read(stage->pipe[0], &byte, 1), 1);
    assert_int_equal(trim(stage, 0).removed, FILES - 1);
    assert_true(cache_has(stage->ws, 0));
    known = account(stage);
    assert_int_equal(known.bytes, cache_bytes(stage->ws));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(workspace_wait(child), WORKSPACE_KILLED + SIGKILL);
    assert_int_equal(trim(stage, 0).removed, 1);
    assert_int_equal(account(stage).bytes, 0);
    (void)close(stage->pipe[0]);
    (void)close(stage->pipe[1]);
}

static int trim_in_child(void *baton)
{
    stage_t *stage = baton;

    (void)alarm(60);
    return worker_cache_trim(NULL, &stage->config, stage->goal_bytes, stage->other, NULL,
                             stage->ws->pool);
}

/* At any moment: what is left is whole, and never more than the account says. */
static void a_killed_trimmer_leaves_whole_entries(void **state)
{
    stage_t *stage = make_stage(state);
    int in_the_middle = 0;
    int i;

    (void)trim(stage, WORKER_CACHE_NO_GOAL);
    stage->other = WORKER_CACHE_AFTER_IT;
    for (i = 0; i < 400 && in_the_middle < 3; i++) {
        pid_t child = workspace_start(trim_in_child, stage);
        int code;
        int n;

        (void)usleep((useconds_t)(100 + i * 37 % 4000));
        (void)kill(child, SIGKILL);
        code = workspace_wait(child);
        assert_true(code == 0 || code == WORKSPACE_KILLED + SIGKILL);
        in_the_middle += count_files(stage) > 0 && count_files(stage) < FILES;
        assert_true(account(stage).bytes >= cache_bytes(stage->ws));
        for (n = 0; n < FILES; n++) {
            if (!cache_has(stage->ws, n)) {
                cache_add(stage->ws, n, FILE_KB, FILES - n);
            }
        }
        (void)trim(stage, WORKER_CACHE_NO_GOAL);
    }
    assert_true(in_the_middle > 0);
    assert_int_equal(trim(stage, 0).left_bytes, 0);
    assert_int_equal(count_files(stage), 0);
}

static void two_trimmers_do_not_remove_twice_as_much(void **state)
{
    stage_t *stage = make_stage(state);
    int64_t one = cache_bytes(stage->ws) / FILES;
    pid_t children[6];
    int i;

    stage->goal_bytes = 12 * one;
    for (i = 0; i < 6; i++) {
        stage->other = i % 2 == 0 ? WORKER_CACHE_AFTER_IT : WORKER_CACHE_LEAVE_IT;
        children[i] = workspace_start(trim_in_child, stage);
    }
    for (i = 0; i < 6; i++) {
        int code = workspace_wait(children[i]);

        assert_true(code == 0 || (i % 2 == 1 && code == (APR_EBUSY & 0xff)));
    }
    assert_int_equal(count_files(stage), 12);
    assert_int_equal(account(stage).bytes, 12 * one);
}

static void one_at_a_time(void **state)
{
    stage_t *stage = make_stage(state);
    int top = -1;
    int lock = -1;

    assert_int_equal(retrace_fs_open_dir(&top, stage->ws->dir, "cache", NULL), APR_SUCCESS);
    assert_int_equal(retrace_fs_lock(&lock, top, "trim.lock", false, NULL), APR_SUCCESS);
    assert_int_equal(worker_cache_trim(NULL, &stage->config, 0, WORKER_CACHE_LEAVE_IT,
                                       &stage->ws->err, stage->ws->pool),
                     APR_EBUSY);
    assert_int_equal(count_files(stage), FILES);
    (void)close(lock);
    (void)close(top);
}

/* Who has waited for another trimmer looks whether there is anything left to do. */
static void what_another_one_has_done_is_not_done_again(void **state)
{
    stage_t *stage = make_stage(state);
    int64_t count;

    (void)trim(stage, 512 * 1024);
    count = account(stage).count;
    assert_int_equal(worker_cache_trim(NULL, &stage->config, 0, WORKER_CACHE_COMPLETE_IT,
                                       &stage->ws->err, stage->ws->pool),
                     APR_SUCCESS);
    assert_int_equal(account(stage).count, count);
    assert_true(count_files(stage) > 0);
}

static void the_end_of_a_task_trims_what_it_alone_has_kept(void **state)
{
    stage_t *stage = make_stage(state);
    worker_cache_hold_t *hold = NULL;
    int i;

    assert_int_equal(worker_cache_hold_open(&hold, stage->config.cache_dir, NULL, stage->ws->pool),
                     APR_SUCCESS);
    for (i = 0; i < FILES; i++) {
        assert_int_equal(worker_cache_hold_share(hold, cache_id(stage->ws, i), NULL), APR_SUCCESS);
    }
    assert_int_equal(trim(stage, 0).removed, 0);
    assert_true(account(stage).kept_bytes > CACHE_MIB);
    worker_cache_release(hold, &stage->config, stage->ws->pool);
    assert_true(cache_bytes(stage->ws) <= CACHE_MIB / 100 * WORKER_CACHE_TRIM_PERCENT);
    assert_true(count_files(stage) > 0);
    assert_int_equal(account(stage).kept_bytes, 0);
}

static void the_end_of_a_task_leaves_a_small_cache_alone(void **state)
{
    stage_t *stage = make_stage(state);
    worker_cache_hold_t *hold = NULL;

    stage->config.cache_size_mb = 2;
    (void)trim(stage, WORKER_CACHE_NO_GOAL);
    assert_int_equal(worker_cache_hold_open(&hold, stage->config.cache_dir, NULL, stage->ws->pool),
                     APR_SUCCESS);
    worker_cache_release(hold, &stage->config, stage->ws->pool);
    assert_int_equal(count_files(stage), FILES);
}

static void without_a_cache_there_is_nothing_to_trim(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = { .cache_dir = workspace_path(ws, "none") };

    assert_int_equal(worker_cache_trim(NULL, &config, 0, WORKER_CACHE_AFTER_IT, &ws->err, ws->pool),
                     APR_ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_go_until_the_goal_is_reached),
        TEST(a_trim_says_what_is_there),
        TEST(without_a_goal_only_leftovers_go),
        TEST(what_another_process_uses_stays_until_that_ends),
        TEST(a_killed_trimmer_leaves_whole_entries),
        TEST(two_trimmers_do_not_remove_twice_as_much),
        TEST(one_at_a_time),
        TEST(what_another_one_has_done_is_not_done_again),
        TEST(the_end_of_a_task_trims_what_it_alone_has_kept),
        TEST(the_end_of_a_task_leaves_a_small_cache_alone),
        TEST(without_a_cache_there_is_nothing_to_trim),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
