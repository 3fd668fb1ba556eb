/* SPDX-License-Identifier: Apache-2.0 */
/* What no server had is remembered for a while, and for no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/misses.h"

#define MISS    "cache/missing/" SAMPLE_ID ".debuginfo"
#define NOW     1000000
#define KEEP_S  600
#define SERVERS "http://a http://b"

static const worker_want_t want = { .kind = WORKER_FILE_DEBUGINFO, .build_id = SAMPLE_ID };

static retrace_config_t make_config(workspace_t *ws)
{
    retrace_config_t config = { .cache_dir = workspace_path(ws, "cache"),
                                .debuginfod_urls = SERVERS,
                                .debuginfod_miss_s = KEEP_S };

    workspace_make_dir(ws, "cache");
    return config;
}

static void set_time(workspace_t *ws, time_t when)
{
    const struct timespec times[] = { { .tv_sec = when }, { .tv_sec = when } };

    assert_int_equal(utimensat(ws->dir, MISS, times, 0), 0);
}

/* Remembered at NOW. */
static retrace_config_t make_miss(workspace_t *ws)
{
    retrace_config_t config = make_config(ws);

    worker_miss_remember(&config, &want, ws->pool);
    set_time(ws, NOW);
    return config;
}

static void a_miss_is_known_until_its_time_is_over(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_miss(ws);

    assert_true(worker_miss_is_known(&config, &want, NOW, ws->pool));
    assert_true(worker_miss_is_known(&config, &want, NOW + KEEP_S - 1, ws->pool));
    assert_false(worker_miss_is_known(&config, &want, NOW + KEEP_S, ws->pool));
}

static void a_miss_from_the_future_is_not_known(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_miss(ws);

    assert_false(worker_miss_is_known(&config, &want, NOW - 1, ws->pool));
}

static void other_build_ids_and_kinds_are_not_known(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_miss(ws);
    const worker_want_t kind = { .kind = WORKER_FILE_EXECUTABLE, .build_id = SAMPLE_ID };
    const worker_want_t build_id = { .kind = WORKER_FILE_DEBUGINFO, .build_id = OTHER_ID };

    assert_false(worker_miss_is_known(&config, &kind, NOW, ws->pool));
    assert_false(worker_miss_is_known(&config, &build_id, NOW, ws->pool));
}

/* The new one may have it. */
static void with_other_servers_nothing_is_known(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_miss(ws);

    config.debuginfod_urls = SERVERS " http://c";
    assert_false(worker_miss_is_known(&config, &want, NOW, ws->pool));
}

static void the_time_of_0_remembers_nothing(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    config.debuginfod_miss_s = 0;
    worker_miss_remember(&config, &want, ws->pool);
    assert_int_equal(workspace_count(ws, "cache"), 0);
    assert_false(worker_miss_is_known(&config, &want, NOW, ws->pool));
}

static void what_is_forgotten_is_not_known(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_miss(ws);

    worker_miss_forget(&config, &want, ws->pool);
    assert_false(worker_miss_is_known(&config, &want, NOW, ws->pool));
    assert_int_equal(workspace_count(ws, "cache/missing"), 0);
}

static void only_what_is_over_is_pruned(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_miss(ws);

    worker_misses_prune(&config, NOW + KEEP_S - 1);
    assert_true(workspace_exists(ws, MISS));
    worker_misses_prune(&config, NOW + KEEP_S);
    assert_false(workspace_exists(ws, MISS));
}

static void misses_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = make_config(ws);
    const worker_want_t other = { .kind = WORKER_FILE_EXECUTABLE, .build_id = SAMPLE_ID };

    workspace_make_dir(ws, "cache/missing");
    workspace_shell(
        ws,
        apr_psprintf(ws->pool, "cd cache/missing && seq %d | xargs touch", WORKER_MISSES_MAX - 1));
    worker_miss_remember(&config, &want, ws->pool);
    worker_miss_remember(&config, &other, ws->pool);
    assert_int_equal(workspace_count(ws, "cache/missing"), WORKER_MISSES_MAX);
    set_time(ws, NOW);
    assert_true(worker_miss_is_known(&config, &want, NOW, ws->pool));
    assert_false(worker_miss_is_known(&config, &other, NOW, ws->pool));
    workspace_shell(ws, "find cache/missing -name '*[0-9]' -exec touch -d @1 {} +");
    worker_misses_prune(&config, NOW + KEEP_S - 1);
    assert_int_equal(workspace_count(ws, "cache/missing"), 1);
    worker_miss_remember(&config, &other, ws->pool);
    assert_int_equal(workspace_count(ws, "cache/missing"), 2);
}

static void without_a_cache_nothing_happens(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    config.cache_dir = workspace_path(ws, "none");
    worker_miss_remember(&config, &want, ws->pool);
    worker_miss_forget(&config, &want, ws->pool);
    worker_misses_prune(&config, NOW);
    assert_false(worker_miss_is_known(&config, &want, NOW, ws->pool));
    assert_false(workspace_exists(ws, "none"));
}

static void no_descriptor_is_left_open(void **state)
{
    workspace_t *ws = *state;
    int before = workspace_descriptors();
    const retrace_config_t config = make_miss(ws);

    (void)worker_miss_is_known(&config, &want, NOW, ws->pool);
    worker_misses_prune(&config, NOW);
    worker_miss_forget(&config, &want, ws->pool);
    assert_int_equal(workspace_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_miss_is_known_until_its_time_is_over),
        TEST(a_miss_from_the_future_is_not_known),
        TEST(other_build_ids_and_kinds_are_not_known),
        TEST(with_other_servers_nothing_is_known),
        TEST(the_time_of_0_remembers_nothing),
        TEST(what_is_forgotten_is_not_known),
        TEST(only_what_is_over_is_pruned),
        TEST(misses_have_a_limit),
        TEST(without_a_cache_nothing_happens),
        TEST(no_descriptor_is_left_open),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
