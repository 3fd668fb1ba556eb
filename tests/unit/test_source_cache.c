/* SPDX-License-Identifier: Apache-2.0 */
/* The cache as a source: what is found is held until the task ends, what comes makes room for itself,
 * and nobody ever sees half a file, whoever trims at the same time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>

#include "tests/unit/cache_fixture.h"
#include "worker/resolve/cache_trim.h"
#include "worker/resolve/source.h"

#define CACHED "cache/11/11111111111111111111111111111111111111"

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_errand_t errand;
    worker_search_t search;
    worker_want_t want;
} stage_t;

/* One who wants the sample, and holds what it uses. */
static stage_t *make_stage(void **state, int64_t limit_mb)
{
    workspace_t *ws = *state;
    stage_t *stage = apr_pcalloc(ws->pool, sizeof(*stage));

    stage->ws = ws;
    stage->config = cache_make(ws, limit_mb);
    assert_int_equal(
        worker_cache_hold_open(&stage->errand.hold, stage->config.cache_dir, &ws->err, ws->pool),
        APR_SUCCESS);
    stage->search = (worker_search_t){ .errand = &stage->errand };
    stage->want = (worker_want_t){ .kind = WORKER_FILE_EXECUTABLE,
                                   .build_id = SAMPLE_ID,
                                   .search = &stage->search };
    workspace_build_samples(ws);
    return stage;
}

static apr_status_t find(stage_t *stage)
{
    worker_found_t *found = NULL;

    return worker_source_cache.find(&found, &stage->config, &stage->want, &stage->ws->err,
                                    stage->ws->pool);
}

static apr_status_t insert(stage_t *stage)
{
    worker_found_t *found = NULL;

    return worker_cache_insert(&found, &stage->config, &stage->want,
                               workspace_path(stage->ws, "built/lib.so"), &stage->ws->err,
                               stage->ws->pool);
}

static apr_status_t trim_to(stage_t *stage, int64_t goal_bytes)
{
    return worker_cache_trim(NULL, &stage->config, goal_bytes, WORKER_CACHE_AFTER_IT,
                             &stage->ws->err, stage->ws->pool);
}

static int64_t used_at(const stage_t *stage)
{
    struct stat info;

    assert_int_equal(fstatat(stage->ws->dir, CACHED, &info, 0), 0);
    return info.st_mtim.tv_sec;
}

static void what_is_found_is_held_and_young(void **state)
{
    const struct timespec old[] = { { .tv_sec = CACHE_NOW }, { .tv_sec = CACHE_NOW } };
    stage_t *stage = make_stage(state, 1);

    assert_int_equal(insert(stage), APR_SUCCESS);
    worker_cache_hold_drop(stage->errand.hold, SAMPLE_ID);
    assert_int_equal(utimensat(stage->ws->dir, CACHED, old, 0), 0);
    assert_int_equal(find(stage), APR_SUCCESS);
    assert_true(used_at(stage) > CACHE_NOW);
    assert_int_equal(trim_to(stage, 0), APR_SUCCESS);
    assert_true(workspace_exists(stage->ws, CACHED "/executable"));
}

static void what_is_inserted_is_held(void **state)
{
    stage_t *stage = make_stage(state, 1);

    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_int_equal(trim_to(stage, 0), APR_SUCCESS);
    assert_true(workspace_exists(stage->ws, CACHED "/executable"));
    worker_cache_hold_close(stage->errand.hold);
    assert_int_equal(trim_to(stage, 0), APR_SUCCESS);
    assert_false(workspace_exists(stage->ws, CACHED));
}

static void who_stands_alone_holds_it_while_it_is_inserted_only(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int before = workspace_descriptors();

    stage->want.search = NULL;
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_int_equal(find(stage), APR_SUCCESS);
    assert_int_equal(workspace_descriptors(), before);
    assert_int_equal(trim_to(stage, 0), APR_SUCCESS);
    assert_int_equal(find(stage), APR_NOTFOUND);
}

static void what_was_removed_is_a_miss_and_comes_again(void **state)
{
    stage_t *stage = make_stage(state, 1);

    assert_int_equal(insert(stage), APR_SUCCESS);
    worker_cache_hold_drop(stage->errand.hold, SAMPLE_ID);
    assert_int_equal(trim_to(stage, 0), APR_SUCCESS);
    assert_int_equal(find(stage), APR_NOTFOUND);
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_int_equal(find(stage), APR_SUCCESS);
}

/* --- Room ---------------------------------------------------------------------------------- */

static void what_comes_makes_room_for_itself(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int i;

    for (i = 2; i < 18; i++) {
        cache_add(stage->ws, i, 64, 1000 - i);
    }
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_true(workspace_exists(stage->ws, CACHED "/executable"));
    assert_false(cache_has(stage->ws, 2));
    assert_true(cache_has(stage->ws, 17));
    assert_true(cache_bytes(stage->ws) <= CACHE_MIB / 100 * WORKER_CACHE_TRIM_PERCENT);
}

static void without_a_limit_all_stays(void **state)
{
    stage_t *stage = make_stage(state, 0);
    int i;

    for (i = 2; i < 18; i++) {
        cache_add(stage->ws, i, 128, 1000 - i);
    }
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_true(cache_has(stage->ws, 2));
}

static void below_the_limit_all_stays(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int i;

    for (i = 2; i < 12; i++) {
        cache_add(stage->ws, i, 64, 1000 - i);
    }
    assert_int_equal(insert(stage), APR_SUCCESS);
    for (i = 2; i < 12; i++) {
        assert_true(cache_has(stage->ws, i));
    }
}

/* 2 MB for a cache of 1 MB; the task that needs it has it, and others lose little. */
static void what_is_larger_than_the_cache_is_there_for_its_task(void **state)
{
    stage_t *stage = make_stage(state, 1);

    cache_add(stage->ws, 2, 64, 100);
    workspace_shell(stage->ws, "head -c 2M /dev/zero >>built/lib.so");
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_int_equal(find(stage), APR_SUCCESS);
    assert_true(cache_has(stage->ws, 2));
    worker_cache_release(stage->errand.hold, &stage->config, stage->ws->pool);
    assert_true(cache_bytes(stage->ws) <= CACHE_MIB);
}

static int64_t free_mb(const stage_t *stage)
{
    struct statvfs info;

    assert_int_equal(statvfs(stage->config.cache_dir, &info), 0);
    return (int64_t)info.f_bavail * (int64_t)info.f_frsize / CACHE_MIB;
}

static void what_would_leave_too_little_space_does_not_come(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int fd = -1;

    stage->config.min_storage_left_mb = free_mb(stage) + 1024;
    assert_int_equal(insert(stage), APR_ENOSPC);
    assert_non_null(strstr(stage->ws->err.text, "less than MinStorageLeft ("));
    assert_false(workspace_exists(stage->ws, CACHED));
    assert_int_equal(worker_cache_temporary(&fd, &stage->config, &stage->ws->err, stage->ws->pool),
                     APR_ENOSPC);
    assert_int_equal(fd, -1);
    assert_int_equal(worker_cache_room(&stage->config), 0);
}

static void what_is_there_is_found_without_any_space(void **state)
{
    stage_t *stage = make_stage(state, 1);

    assert_int_equal(insert(stage), APR_SUCCESS);
    stage->config.min_storage_left_mb = free_mb(stage) + 1024;
    assert_int_equal(find(stage), APR_SUCCESS);
    assert_int_equal(insert(stage), APR_SUCCESS);
}

static void with_enough_space_it_comes(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int64_t free = free_mb(stage);

    stage->config.min_storage_left_mb = free / 2;
    assert_int_equal(insert(stage), APR_SUCCESS);
    assert_in_range((uintmax_t)worker_cache_room(&stage->config), free / 4 * CACHE_MIB,
                    free * CACHE_MIB);
}

/* --- At the same time ---------------------------------------------------------------------- */

static int trim_for_ever(void *baton)
{
    stage_t *stage = baton;
    apr_pool_t *p = NULL;

    (void)alarm(60);
    while (apr_pool_create(&p, NULL) == APR_SUCCESS) {
        if (worker_cache_trim(NULL, &stage->config, 0, WORKER_CACHE_LEAVE_IT, NULL, p)
            == APR_ENOENT) {
            return 1;
        }
        apr_pool_destroy(p);
    }
    return 1;
}

static int64_t size_of(const stage_t *stage, const char *name)
{
    struct stat info;

    return fstatat(stage->ws->dir, name, &info, 0) == 0 ? (int64_t)info.st_size : -1;
}

/* What was found once stays, whole, until it is dropped; a miss is filled, and is no error. */
static void lookups_during_a_trim_see_all_or_nothing(void **state)
{
    stage_t *stage = make_stage(state, 1);
    int64_t whole = size_of(stage, "built/lib.so");
    pid_t children[2];
    int misses = 0;
    int i;

    children[0] = workspace_start(trim_for_ever, stage);
    children[1] = workspace_start(trim_for_ever, stage);
    for (i = 0; i < 400; i++) {
        apr_status_t rv = find(stage);

        assert_true(rv == APR_SUCCESS || rv == APR_NOTFOUND);
        misses += rv == APR_NOTFOUND;
        if (rv == APR_NOTFOUND && insert(stage) != APR_SUCCESS) {
            fail_msg("%s", stage->ws->err.text);
        }
        assert_int_equal(size_of(stage, CACHED "/executable"), whole);
        (void)usleep(200);
        assert_int_equal(size_of(stage, CACHED "/executable"), whole);
        worker_cache_hold_drop(stage->errand.hold, SAMPLE_ID);
        (void)usleep((useconds_t)(i % 10) * 100);
    }
    assert_true(misses > 10);
    for (i = 0; i < 2; i++) {
        (void)kill(children[i], SIGKILL);
        assert_int_equal(workspace_wait(children[i]), WORKSPACE_KILLED + SIGKILL);
    }
}

/* Whoever is killed has nothing to leave: no name was ever there. */
static void a_temporary_file_never_has_a_name(void **state)
{
    stage_t *stage = make_stage(state, 0);
    int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char buffer[512];
    int fd = -1;

    assert_true(events >= 0);
    assert_true(inotify_add_watch(events, stage->config.cache_dir, IN_CREATE) >= 0);
    fd = open(stage->config.cache_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        print_message("skipped: this file system has no O_TMPFILE\n");
        skip();
    }
    (void)close(fd);
    assert_int_equal(worker_cache_temporary(&fd, &stage->config, &stage->ws->err, stage->ws->pool),
                     APR_SUCCESS);
    assert_int_equal(write(fd, "x", 1), 1);
    (void)close(fd);
    assert_int_equal(read(events, buffer, sizeof(buffer)), -1);
    (void)close(events);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_found_is_held_and_young),
        TEST(what_is_inserted_is_held),
        TEST(who_stands_alone_holds_it_while_it_is_inserted_only),
        TEST(what_was_removed_is_a_miss_and_comes_again),
        TEST(what_comes_makes_room_for_itself),
        TEST(without_a_limit_all_stays),
        TEST(below_the_limit_all_stays),
        TEST(what_is_larger_than_the_cache_is_there_for_its_task),
        TEST(what_would_leave_too_little_space_does_not_come),
        TEST(what_is_there_is_found_without_any_space),
        TEST(with_enough_space_it_comes),
        TEST(a_temporary_file_never_has_a_name),
        TEST(lookups_during_a_trim_see_all_or_nothing),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
