/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the cache, told and removed: only ours, only what nobody uses, whole entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/cache_fixture.h"

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_cache_hold_t *hold;
    int top;
} stage_t;

static stage_t make_stage(void **state)
{
    stage_t stage = { .ws = *state };

    stage.config = cache_make(stage.ws, 1);
    stage.top = openat(stage.ws->dir, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(
        worker_cache_hold_open(&stage.hold, stage.config.cache_dir, &stage.ws->err, stage.ws->pool),
        APR_SUCCESS);
    return stage;
}

static worker_cache_entry_t entry_of(const stage_t *stage, int n)
{
    worker_cache_entry_t entry = { 0 };

    assert_int_equal(worker_cache_entry_read(&entry, stage->top, stage->hold,
                                             cache_id(stage->ws, n), &stage->ws->err,
                                             stage->ws->pool),
                     APR_SUCCESS);
    return entry;
}

static void an_entry_has_its_size_its_kinds_and_its_time(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 8, 100);
    entry = entry_of(&stage, 1);
    assert_string_equal(entry.build_id, cache_id(stage.ws, 1));
    assert_int_equal(entry.kind_bytes[WORKER_FILE_EXECUTABLE], 8192);
    assert_int_equal(entry.kind_bytes[WORKER_FILE_DEBUGINFO], WORKER_CACHE_NO_FILE);
    assert_true(entry.bytes >= 8192);
    assert_true(entry.used_at_ns == CACHE_NOW_NS - INT64_C(100) * 1000000000);
    assert_false(entry.in_use);
    assert_false(entry.has_leftovers);
    assert_true(worker_cache_entry_has_file(&entry));
}

/* Blocks count: of a file with a hole only what is there. */
static void what_is_allocated_counts(void **state)
{
    stage_t stage = make_stage(state);

    cache_add(stage.ws, 1, 4, 0);
    workspace_shell(
        stage.ws,
        apr_psprintf(stage.ws->pool, "truncate -s 1G %s", cache_name(stage.ws, 1, "executable")));
    assert_int_equal(entry_of(&stage, 1).kind_bytes[WORKER_FILE_EXECUTABLE], 4096);
}

static void a_use_makes_it_young(void **state)
{
    stage_t stage = make_stage(state);
    int64_t before;

    cache_add(stage.ws, 1, 4, 1000);
    before = entry_of(&stage, 1).used_at_ns;
    worker_cache_entry_touch(stage.config.cache_dir, cache_id(stage.ws, 1), stage.ws->pool);
    assert_true(entry_of(&stage, 1).used_at_ns > before);
}

static void all_entries_are_listed_and_what_is_not_ours_beside_them(void **state)
{
    static const char *const ours[] = { "index/fedora-36-x86_64.db",
                                        "missing/a",
                                        "fetching/11.lock",
                                        "trim.lock",
                                        "size",
                                        "size.lock",
                                        ".new-abcdef" };
    static const char *const others[] = {
        "notes.txt", "1", "zz/11", "ab/short", "ab/NotHex0000000000", "ab/0000000000000000"
    };
    stage_t stage = make_stage(state);
    worker_cache_listing_t listing;
    size_t i;

    cache_add(stage.ws, 1, 4, 0);
    cache_add(stage.ws, 2, 4, 0);
    for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        workspace_write(stage.ws, apr_pstrcat(stage.ws->pool, "cache/", ours[i], NULL), "");
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        workspace_write(stage.ws, apr_pstrcat(stage.ws->pool, "cache/", others[i], NULL), "");
    }
    workspace_write(stage.ws, cache_name(stage.ws, 1, "core"), "");
    listing = cache_list(stage.ws);
    assert_int_equal(listing.entries->nelts, 2);
    /* zz is one. */
    assert_int_equal(listing.unknown->nelts, sizeof(others) / sizeof(others[0]) + 1);
}

static void a_link_is_no_entry(void **state)
{
    stage_t stage = make_stage(state);

    cache_add(stage.ws, 1, 4, 0);
    workspace_link(stage.ws, "01", "cache/02");
    workspace_link(stage.ws, "../01/00000100000000000000000000000000000000",
                   "cache/03/0000000000000000");
    assert_int_equal(cache_list(stage.ws).entries->nelts, 1);
    assert_int_equal(cache_list(stage.ws).unknown->nelts, 2);
}

static void removed_it_leaves_nothing(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    workspace_write(stage.ws, cache_name(stage.ws, 1, "debuginfo.new"), "half");
    workspace_write(stage.ws, cache_name(stage.ws, 1, "dwz"), "dwz");
    entry = entry_of(&stage, 1);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, &stage.ws->err),
                     APR_SUCCESS);
    assert_int_equal(workspace_count(stage.ws, "cache"), 1); /* use.lock */
    assert_false(worker_cache_hold_is_shared(stage.hold, entry.build_id));
}

static void what_is_not_ours_stays(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    workspace_write(stage.ws, cache_name(stage.ws, 1, "notes"), "mine");
    entry = entry_of(&stage, 1);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, &stage.ws->err),
                     APR_SUCCESS);
    assert_false(cache_has(stage.ws, 1));
    assert_string_equal(workspace_read(stage.ws, cache_name(stage.ws, 1, "notes")), "mine");
}

static void what_is_in_use_is_not_removed(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_hold_t *user = NULL;
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    assert_int_equal(worker_cache_hold_open(&user, stage.config.cache_dir, NULL, stage.ws->pool),
                     APR_SUCCESS);
    assert_int_equal(worker_cache_hold_share(user, cache_id(stage.ws, 1), NULL), APR_SUCCESS);
    entry = entry_of(&stage, 1);
    assert_true(entry.in_use);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, &stage.ws->err),
                     APR_EBUSY);
    assert_int_equal(worker_cache_entry_remove_file(&entry, WORKER_FILE_EXECUTABLE, stage.top,
                                                    stage.hold, &stage.ws->err),
                     APR_EBUSY);
    assert_string_equal(stage.ws->err.text,
                        apr_pstrcat(stage.ws->pool, cache_id(stage.ws, 1), " is in use", NULL));
    worker_cache_entry_tidy(&entry, stage.top, stage.hold);
    assert_true(cache_has(stage.ws, 1));
}

/* A task has used it and ended between the decision and the removal: it is not the oldest now. */
static void what_was_used_meanwhile_is_not_removed(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 1000);
    entry = entry_of(&stage, 1);
    worker_cache_entry_touch(stage.config.cache_dir, entry.build_id, stage.ws->pool);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, &stage.ws->err),
                     APR_EBUSY);
    assert_true(cache_has(stage.ws, 1));
    assert_false(worker_cache_hold_is_shared(stage.hold, entry.build_id));
}

static void what_is_gone_cannot_be_removed(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    entry = entry_of(&stage, 1);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, NULL), APR_SUCCESS);
    assert_int_equal(worker_cache_entry_remove(&entry, stage.top, stage.hold, &stage.ws->err),
                     APR_ENOENT);
    assert_int_equal(worker_cache_entry_read(&entry, stage.top, stage.hold, cache_id(stage.ws, 1),
                                             NULL, stage.ws->pool),
                     APR_ENOENT);
}

static void one_file_goes_alone(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    workspace_write(stage.ws, cache_name(stage.ws, 1, "dwz"), "dwz");
    entry = entry_of(&stage, 1);
    assert_int_equal(
        worker_cache_entry_remove_file(&entry, WORKER_FILE_EXECUTABLE, stage.top, stage.hold, NULL),
        APR_SUCCESS);
    assert_false(cache_has(stage.ws, 1));
    assert_true(workspace_exists(stage.ws, cache_name(stage.ws, 1, "dwz")));
}

static void what_was_not_finished_goes_and_costs_no_time(void **state)
{
    stage_t stage = make_stage(state);
    worker_cache_entry_t entry;

    cache_add(stage.ws, 1, 4, 0);
    workspace_write(stage.ws, cache_name(stage.ws, 1, "debuginfo.new"), "half");
    entry = entry_of(&stage, 1);
    assert_true(entry.has_leftovers);
    worker_cache_entry_tidy(&entry, stage.top, stage.hold);
    assert_false(workspace_exists(stage.ws, cache_name(stage.ws, 1, "debuginfo.new")));
    assert_true(cache_has(stage.ws, 1));
    assert_true(entry_of(&stage, 1).used_at_ns == entry.used_at_ns);
}

static void make_stray(const stage_t *stage, const char *name, time_t age_s)
{
    const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = CACHE_NOW - age_s } };

    workspace_write(stage->ws, name, "");
    assert_int_equal(utimensat(stage->ws->dir, name, times, 0), 0);
}

static void empty_directories_and_old_strays_go(void **state)
{
    stage_t stage = make_stage(state);

    workspace_make_dir(stage.ws, "cache/ab");
    make_stray(&stage, "cache/.new-young1", WORKER_CACHE_STRAY_S - 1);
    make_stray(&stage, "cache/.new-older1", WORKER_CACHE_STRAY_S);
    make_stray(&stage, "cache/older", 2 * WORKER_CACHE_STRAY_S);
    worker_cache_tidy(stage.top, CACHE_NOW);
    assert_false(workspace_exists(stage.ws, "cache/ab"));
    assert_true(workspace_exists(stage.ws, "cache/.new-young1"));
    assert_false(workspace_exists(stage.ws, "cache/.new-older1"));
    assert_true(workspace_exists(stage.ws, "cache/older"));
}

static void build_ids_are_of_a_form(void **state)
{
    (void)state;
    assert_true(worker_cache_is_build_id(SAMPLE_ID));
    assert_true(worker_cache_is_build_id("0123456789abcdef"));
    assert_false(worker_cache_is_build_id("0123456789abcd"));
    assert_false(worker_cache_is_build_id("0123456789abcdef0"));
    assert_false(worker_cache_is_build_id("0123456789ABCDEF"));
    assert_false(worker_cache_is_build_id("../../../../../../etc"));
    assert_false(worker_cache_is_build_id(""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_has_its_size_its_kinds_and_its_time),
        TEST(what_is_allocated_counts),
        TEST(a_use_makes_it_young),
        TEST(all_entries_are_listed_and_what_is_not_ours_beside_them),
        TEST(a_link_is_no_entry),
        TEST(removed_it_leaves_nothing),
        TEST(what_is_not_ours_stays),
        TEST(what_is_in_use_is_not_removed),
        TEST(what_was_used_meanwhile_is_not_removed),
        TEST(what_is_gone_cannot_be_removed),
        TEST(one_file_goes_alone),
        TEST(what_was_not_finished_goes_and_costs_no_time),
        TEST(empty_directories_and_old_strays_go),
        TEST(build_ids_are_of_a_form),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
