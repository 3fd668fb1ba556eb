/* SPDX-License-Identifier: Apache-2.0 */
/* The size of the cache without counting: never too small, and when it is time to count again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/cache_account.h"

#define NOW   1000000
#define LIMIT INT64_C(1000)

static void count(workspace_t *ws, int64_t bytes, int64_t limit_bytes)
{
    worker_cache_account_t start = worker_cache_account_read(ws->dir);

    worker_cache_account_set(ws->dir, &start, bytes, limit_bytes, NOW);
}

static void without_a_file_nothing_is_known(void **state)
{
    workspace_t *ws = *state;

    assert_false(worker_cache_account_read(ws->dir).is_known);
    assert_false(worker_cache_account_add(ws->dir, 10).is_known);
    assert_false(workspace_exists(ws, "size"));
}

static void a_damaged_file_is_none(void **state)
{
    static const char *const texts[] = { "",
                                         "1",
                                         "1 2 3 4",
                                         "1 2 3\n",
                                         "a 2 3 4\n",
                                         "1 2 3 4 5\n",
                                         "-1 0 0 0\n",
                                         "1 -2 3 4\n",
                                         "\n",
                                         "1 2 3 0x4\n",
                                         "9223372036854775807 0 0 0\n",
                                         "0 9223372036854775807 0 0\n",
                                         "0 0 -9223372036854775807 0\n",
                                         "0 0 0 9223372036854775807\n" };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        workspace_write(ws, "size", texts[i]);
        assert_false(worker_cache_account_read(ws->dir).is_known);
    }
}

static void what_is_added_is_added(void **state)
{
    workspace_t *ws = *state;

    count(ws, 100, LIMIT);
    assert_int_equal(worker_cache_account_add(ws->dir, 20).bytes, 120);
    assert_int_equal(worker_cache_account_add(ws->dir, 3).bytes, 123);
    assert_int_equal(worker_cache_account_read(ws->dir).bytes, 123);
    assert_true(worker_cache_account_read(ws->dir).is_known);
}

static void what_comes_during_a_count_is_not_lost(void **state)
{
    workspace_t *ws = *state;
    worker_cache_account_t start;

    count(ws, 500, LIMIT);
    start = worker_cache_account_read(ws->dir);
    (void)worker_cache_account_add(ws->dir, 70);
    worker_cache_account_set(ws->dir, &start, 400, LIMIT, NOW);
    assert_int_equal(worker_cache_account_read(ws->dir).bytes, 470);
}

static void each_count_is_told_from_the_one_before(void **state)
{
    workspace_t *ws = *state;
    int64_t first;

    count(ws, 500, LIMIT);
    first = worker_cache_account_read(ws->dir).count;
    count(ws, 500, LIMIT);
    assert_int_not_equal(worker_cache_account_read(ws->dir).count, first);
}

static int add_often(void *baton)
{
    workspace_t *ws = baton;
    int i;

    for (i = 0; i < 50; i++) {
        if (!worker_cache_account_add(ws->dir, 2).is_known) {
            return 1;
        }
    }
    return 0;
}

static void many_who_add_at_once_lose_nothing(void **state)
{
    workspace_t *ws = *state;
    pid_t children[4];
    int i;

    count(ws, 0, LIMIT);
    for (i = 0; i < 4; i++) {
        children[i] = workspace_start(add_often, ws);
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(workspace_wait(children[i]), 0);
    }
    assert_int_equal(worker_cache_account_read(ws->dir).bytes, 4 * 50 * 2);
}

static void only_what_is_over_the_limit_is_kept_in_mind(void **state)
{
    workspace_t *ws = *state;

    count(ws, LIMIT, LIMIT);
    assert_int_equal(worker_cache_account_read(ws->dir).kept_bytes, 0);
    count(ws, LIMIT + 1, LIMIT);
    assert_int_equal(worker_cache_account_read(ws->dir).kept_bytes, LIMIT + 1);
    count(ws, LIMIT + 1, 0);
    assert_int_equal(worker_cache_account_read(ws->dir).kept_bytes, 0);
}

/* --- When ---------------------------------------------------------------------------------- */

static worker_cache_account_t account_of(int64_t bytes, int64_t kept_bytes)
{
    return (worker_cache_account_t){
        .is_known = true, .bytes = bytes, .kept_bytes = kept_bytes, .counted_at = NOW
    };
}

static bool is_due(worker_cache_account_t account)
{
    return worker_cache_account_is_due(&account, LIMIT, NOW);
}

static void at_the_limit_nothing_is_due(void **state)
{
    (void)state;
    assert_false(is_due(account_of(LIMIT, 0)));
    assert_true(is_due(account_of(LIMIT + 1, 0)));
}

static void what_cannot_go_is_tried_again_after_a_step(void **state)
{
    (void)state;
    assert_false(is_due(account_of(1500 + LIMIT / WORKER_CACHE_STEP, 1500)));
    assert_true(is_due(account_of(1501 + LIMIT / WORKER_CACHE_STEP, 1500)));
}

static void an_old_count_is_made_anew(void **state)
{
    worker_cache_account_t account = account_of(1, 0);

    (void)state;
    assert_false(worker_cache_account_is_due(&account, LIMIT, NOW + WORKER_CACHE_RECOUNT_S - 1));
    assert_true(worker_cache_account_is_due(&account, LIMIT, NOW + WORKER_CACHE_RECOUNT_S));
    assert_true(worker_cache_account_is_due(&account, LIMIT, NOW - 1));
}

static void what_is_not_known_is_counted(void **state)
{
    worker_cache_account_t account = { 0 };

    (void)state;
    assert_true(is_due(account));
}

static void without_a_limit_nothing_is_due(void **state)
{
    worker_cache_account_t unknown = { 0 };
    worker_cache_account_t large = account_of(INT64_MAX, 0);

    (void)state;
    assert_false(worker_cache_account_is_due(&unknown, 0, NOW));
    assert_false(worker_cache_account_is_due(&large, 0, NOW + WORKER_CACHE_RECOUNT_S));
    assert_false(worker_cache_account_is_over(&large, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_nothing_is_known),
        TEST(a_damaged_file_is_none),
        TEST(what_is_added_is_added),
        TEST(what_comes_during_a_count_is_not_lost),
        TEST(each_count_is_told_from_the_one_before),
        TEST(many_who_add_at_once_lose_nothing),
        TEST(only_what_is_over_the_limit_is_kept_in_mind),
        TEST(at_the_limit_nothing_is_due),
        TEST(what_cannot_go_is_tried_again_after_a_step),
        TEST(an_old_count_is_made_anew),
        TEST(what_is_not_known_is_counted),
        TEST(without_a_limit_nothing_is_due),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
