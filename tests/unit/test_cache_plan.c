/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of the cache go: the decision by itself, without a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/cache_entries.h"
#include "worker/resolve/cache_trim.h"

#define NS  INT64_C(1000000000)
#define NOW (1000000 * NS)

static apr_array_header_t *make_list(workspace_t *ws)
{
    return apr_array_make(ws->pool, 4, sizeof(worker_cache_entry_t));
}

static worker_cache_entry_t *add(apr_array_header_t *entries, const char *name, int64_t bytes,
                                 int64_t used_at_ns)
{
    worker_cache_entry_t *entry = apr_array_push(entries);

    *entry =
        (worker_cache_entry_t){ .build_id = name,
                                .bytes = bytes,
                                .kind_bytes = { bytes, WORKER_CACHE_NO_FILE, WORKER_CACHE_NO_FILE },
                                .used_at_ns = used_at_ns };
    return entry;
}

/* The names of those that go, in the order of the list. */
static const char *going(workspace_t *ws, const apr_array_header_t *entries)
{
    const char *names = "";
    int i;

    for (i = 0; i < entries->nelts; i++) {
        const worker_cache_entry_t *entry = &APR_ARRAY_IDX(entries, i, worker_cache_entry_t);

        names = apr_pstrcat(ws->pool, names, entry->goes ? entry->build_id : "", NULL);
    }
    return names;
}

static apr_array_header_t *usual(workspace_t *ws)
{
    apr_array_header_t *entries = make_list(ws);

    (void)add(entries, "c", 10, 3 * NS);
    (void)add(entries, "a", 10, 1 * NS);
    (void)add(entries, "d", 10, 4 * NS);
    (void)add(entries, "b", 10, 2 * NS);
    return entries;
}

static void what_fits_stays(void **state)
{
    apr_array_header_t *entries = usual(*state);

    assert_int_equal(worker_cache_plan(entries, 40, NOW), 40);
    assert_string_equal(going(*state, entries), "");
}

static void one_byte_too_much_costs_the_oldest(void **state)
{
    apr_array_header_t *entries = usual(*state);

    assert_int_equal(worker_cache_plan(entries, 39, NOW), 30);
    assert_string_equal(going(*state, entries), "a");
}

static void the_least_recently_used_go_first(void **state)
{
    apr_array_header_t *entries = usual(*state);

    assert_int_equal(worker_cache_plan(entries, 10, NOW), 10);
    assert_string_equal(going(*state, entries), "abc");
    assert_int_equal(worker_cache_plan(entries, 0, NOW), 0);
    assert_string_equal(going(*state, entries), "abcd");
}

static void what_is_in_use_never_goes(void **state)
{
    apr_array_header_t *entries = usual(*state);

    APR_ARRAY_IDX(entries, 1, worker_cache_entry_t).in_use = true; /* a */
    APR_ARRAY_IDX(entries, 0, worker_cache_entry_t).in_use = true; /* c */
    assert_int_equal(worker_cache_plan(entries, 0, NOW), 20);
    assert_string_equal(going(*state, entries), "bd");
}

static void a_decision_may_be_made_again(void **state)
{
    apr_array_header_t *entries = usual(*state);

    (void)worker_cache_plan(entries, 0, NOW);
    assert_int_equal(worker_cache_plan(entries, 40, NOW), 40);
    assert_string_equal(going(*state, entries), "");
}

static void what_holds_no_file_goes_in_any_case(void **state)
{
    apr_array_header_t *entries = usual(*state);
    worker_cache_entry_t *empty = add(entries, "e", 4, NOW);

    empty->kind_bytes[WORKER_FILE_EXECUTABLE] = WORKER_CACHE_NO_FILE;
    assert_int_equal(worker_cache_plan(entries, WORKER_CACHE_NO_GOAL, NOW), 40);
    assert_string_equal(going(*state, entries), "e");
}

static void but_not_while_somebody_fills_it(void **state)
{
    apr_array_header_t *entries = make_list(*state);
    worker_cache_entry_t *empty = add(entries, "e", 4, NOW);

    empty->kind_bytes[WORKER_FILE_EXECUTABLE] = WORKER_CACHE_NO_FILE;
    empty->in_use = true;
    assert_int_equal(worker_cache_plan(entries, 0, NOW), 4);
    assert_string_equal(going(*state, entries), "");
}

/* A clock that was wrong for a while must not keep files for ever; one that goes a little ahead must
 * not cost those that are in use every day. */
static void what_was_used_far_in_the_future_goes_first(void **state)
{
    apr_array_header_t *entries = usual(*state);

    (void)add(entries, "f", 10, NOW + WORKER_CACHE_FUTURE_S * NS + 1);
    (void)add(entries, "n", 10, NOW + WORKER_CACHE_FUTURE_S * NS);
    assert_int_equal(worker_cache_plan(entries, 50, NOW), 50);
    assert_string_equal(going(*state, entries), "f");
    assert_int_equal(worker_cache_plan(entries, 40, NOW), 40);
    assert_string_equal(going(*state, entries), "af");
}

static void an_empty_cache_is_no_matter(void **state)
{
    assert_int_equal(worker_cache_plan(make_list(*state), 0, NOW), 0);
}

static void the_goal_leaves_room_for_what_is_to_come(void **state)
{
    (void)state;
    assert_int_equal(worker_cache_goal(1000, 0), 900);
    assert_int_equal(worker_cache_goal(1000, 300), 600);
    assert_int_equal(worker_cache_goal(1000, 900), 0);
    /* For one that does not fit anyway, all others need not go. */
    assert_int_equal(worker_cache_goal(1000, 901), 900);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_fits_stays),
        TEST(one_byte_too_much_costs_the_oldest),
        TEST(the_least_recently_used_go_first),
        TEST(what_is_in_use_never_goes),
        TEST(a_decision_may_be_made_again),
        TEST(what_holds_no_file_goes_in_any_case),
        TEST(but_not_while_somebody_fills_it),
        TEST(what_was_used_far_in_the_future_goes_first),
        TEST(an_empty_cache_is_no_matter),
        TEST(the_goal_leaves_room_for_what_is_to_come),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
