/* SPDX-License-Identifier: Apache-2.0 */
/* From build-ids to files: which sources are asked in which order, what is left out, and that the
 * cache has each file once, whole, whoever fills it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/resolve.h"

#define DWZ_ID "3333333333333333"
#define CACHED "cache/11/11111111111111111111111111111111111111"

/* --- Fake sources -------------------------------------------------------------------------- */

static worker_elf_file_t stripped = { .build_id = SAMPLE_ID, .debuglink = "lib.debug" };
static worker_elf_file_t with_debug_info = { .build_id = SAMPLE_ID, .has_debug_info = true };
static worker_elf_file_t debuginfo = { .build_id = SAMPLE_ID, .has_debug_info = true };
static worker_elf_file_t needs_dwz = { .build_id = SAMPLE_ID,
                                       .has_debug_info = true,
                                       .altlink = "../.dwz/common",
                                       .altlink_build_id = DWZ_ID };
static worker_elf_file_t dwz = { .build_id = DWZ_ID, .has_debug_info = true };

/* What the fake sources have, and what they were asked; reset by each test's setup. */
static const worker_found_t *offers[3];
static worker_want_t asked[16];
static int asked_count;

static apr_status_t find_offer(worker_found_t **pfound, const retrace_config_t *config,
                               const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    (void)config;
    asked[asked_count++] = *want;
    if (offers[want->kind] == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "the fake has no %s",
                            worker_file_kind_name(want->kind));
    }
    *pfound = apr_pmemdup(p, offers[want->kind], sizeof(**pfound));
    return APR_SUCCESS;
}

static apr_status_t find_nothing(worker_found_t **pfound, const retrace_config_t *config,
                                 const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    (void)pfound;
    (void)config;
    (void)p;
    asked[asked_count++] = *want;
    return retrace_fail(err, APR_EGENERAL, "the empty one is broken");
}

static const worker_source_t source_fake = { "fake", find_offer };
static const worker_source_t source_empty = { "empty", find_nothing };

static const worker_found_t found_stripped = { "/host/lib.so", &stripped, "fake", "/host/lib.so" };
static const worker_found_t found_full = { "/host/lib.so", &with_debug_info, "fake",
                                           "/host/lib.so" };
static const worker_found_t found_debuginfo = { "/host/lib/lib.debug", &debuginfo, "fake",
                                                "/host/lib/lib.debug" };
static const worker_found_t found_needs_dwz = { "/host/lib/lib.debug", &needs_dwz, "fake",
                                                "/host/lib/lib.debug" };
static const worker_found_t found_dwz = { "/host/.dwz/common", &dwz, "fake", "/host/.dwz/common" };

/* --- The stage ----------------------------------------------------------------------------- */

typedef struct stage_t {
    workspace_t *ws;
    worker_core_t core;
    retrace_config_t config;
    const char *missing; /* "kind build-id reason" lines */
} stage_t;

static stage_t *make_stage(void **state)
{
    workspace_t *ws = *state;
    stage_t *stage = apr_pcalloc(ws->pool, sizeof(*stage));
    worker_module_t *module;

    memset(offers, 0, sizeof(offers));
    asked_count = 0;
    stage->ws = ws;
    stage->missing = "";
    stage->config.cache_dir = workspace_path(ws, "cache");
    stage->core.modules = apr_array_make(ws->pool, 4, sizeof(worker_module_t));
    module = apr_array_push(stage->core.modules);
    memset(module, 0, sizeof(*module));
    module->path = "/usr/lib/lib.so";
    module->build_id = SAMPLE_ID;
    module->is_elf = true;
    return stage;
}

static void note_missing(void *baton, const worker_module_t *module, worker_file_kind_t kind,
                         const char *build_id, const char *reason)
{
    stage_t *stage = baton;

    assert_string_equal(module->path, "/usr/lib/lib.so");
    stage->missing = apr_pstrcat(stage->ws->pool, stage->missing, worker_file_kind_name(kind), " ",
                                 build_id, " ", reason, "\n", NULL);
}

static const apr_array_header_t *resolve_with(stage_t *stage, const worker_source_t *const *sources,
                                              bool fills_cache)
{
    worker_chain_t chain = { sources, fills_cache };
    const worker_errand_t errand = { .missing = note_missing, .baton = stage };

    return worker_resolve(&stage->core, &stage->config, &chain, &errand, stage->ws->pool);
}

static const worker_resolved_t *resolve_fake(stage_t *stage)
{
    static const worker_source_t *const sources[] = { &source_fake, NULL };
    const apr_array_header_t *all = resolve_with(stage, sources, false);

    assert_int_equal(all->nelts, 1);
    return &APR_ARRAY_IDX(all, 0, worker_resolved_t);
}

/* --- What is asked ------------------------------------------------------------------------- */

static void an_executable_with_debug_information_needs_nothing_else(void **state)
{
    stage_t *stage = make_stage(state);
    const worker_resolved_t *resolved;

    offers[WORKER_FILE_EXECUTABLE] = &found_full;
    resolved = resolve_fake(stage);
    assert_string_equal(resolved->executable->path, "/host/lib.so");
    assert_null(resolved->debuginfo);
    assert_int_equal(asked_count, 1);
    assert_string_equal(stage->missing, "");
}

static void a_stripped_one_is_completed_by_its_debug_information(void **state)
{
    stage_t *stage = make_stage(state);
    const worker_resolved_t *resolved;

    offers[WORKER_FILE_EXECUTABLE] = &found_stripped;
    offers[WORKER_FILE_DEBUGINFO] = &found_debuginfo;
    resolved = resolve_fake(stage);
    assert_string_equal(resolved->debuginfo->path, "/host/lib/lib.debug");
    assert_null(resolved->dwz);
    assert_int_equal(asked_count, 2);
    assert_string_equal(asked[0].build_id, SAMPLE_ID);
    assert_string_equal(asked[0].path, "/usr/lib/lib.so");
    assert_string_equal(asked[1].debuglink, "lib.debug");
}

static void debug_information_is_looked_for_without_the_executable_too(void **state)
{
    stage_t *stage = make_stage(state);
    const worker_resolved_t *resolved;

    offers[WORKER_FILE_DEBUGINFO] = &found_debuginfo;
    resolved = resolve_fake(stage);
    assert_null(resolved->executable);
    assert_non_null(resolved->debuginfo);
    assert_null(asked[1].debuglink);
    assert_string_equal(stage->missing,
                        "executable " SAMPLE_ID " the fake has no executable; asked: fake\n");
}

static void everything_that_is_missing_is_told_with_its_reason(void **state)
{
    stage_t *stage = make_stage(state);

    (void)resolve_fake(stage);
    assert_string_equal(stage->missing,
                        "executable " SAMPLE_ID " the fake has no executable; asked: fake\n"
                        "debuginfo " SAMPLE_ID " the fake has no debuginfo; asked: fake\n");
}

static void a_dwz_file_is_found_for_the_debug_information(void **state)
{
    stage_t *stage = make_stage(state);
    const worker_resolved_t *resolved;

    offers[WORKER_FILE_EXECUTABLE] = &found_stripped;
    offers[WORKER_FILE_DEBUGINFO] = &found_needs_dwz;
    offers[WORKER_FILE_DWZ] = &found_dwz;
    resolved = resolve_fake(stage);
    assert_string_equal(resolved->dwz->path, "/host/.dwz/common");
    assert_null(resolved->missing_dwz);
    assert_string_equal(asked[2].build_id, DWZ_ID);
    assert_string_equal(asked[2].altlink, "../.dwz/common");
    assert_string_equal(asked[2].beside, "/host/lib/lib.debug");
}

/* gdb would drop all symbols of the module, and unwind wrongly. */
static void debug_information_without_its_dwz_file_is_left_out(void **state)
{
    stage_t *stage = make_stage(state);
    const worker_resolved_t *resolved;

    offers[WORKER_FILE_EXECUTABLE] = &found_stripped;
    offers[WORKER_FILE_DEBUGINFO] = &found_needs_dwz;
    resolved = resolve_fake(stage);
    assert_non_null(resolved->executable);
    assert_null(resolved->debuginfo);
    assert_null(resolved->dwz);
    assert_string_equal(resolved->missing_dwz, DWZ_ID);
    assert_string_equal(stage->missing, "dwz " DWZ_ID " the fake has no dwz; asked: fake\n");
}

static void what_cannot_be_asked_for_is_not_in_the_result(void **state)
{
    stage_t *stage = make_stage(state);
    static const worker_source_t *const sources[] = { &source_fake, NULL };

    APR_ARRAY_IDX(stage->core.modules, 0, worker_module_t).build_id = NULL;
    assert_int_equal(resolve_with(stage, sources, false)->nelts, 0);
    APR_ARRAY_IDX(stage->core.modules, 0, worker_module_t).build_id = SAMPLE_ID;
    APR_ARRAY_IDX(stage->core.modules, 0, worker_module_t).is_elf = false;
    assert_int_equal(resolve_with(stage, sources, false)->nelts, 0);
    assert_int_equal(asked_count, 0);
}

/* --- The chain ----------------------------------------------------------------------------- */

static void later_sources_are_asked_when_earlier_ones_have_nothing(void **state)
{
    static const worker_source_t *const sources[] = { &source_empty, &source_fake, NULL };
    stage_t *stage = make_stage(state);

    offers[WORKER_FILE_EXECUTABLE] = &found_full;
    assert_int_equal(resolve_with(stage, sources, false)->nelts, 1);
    assert_int_equal(asked_count, 2);
    assert_string_equal(stage->missing, "");
}

static void the_first_source_that_has_it_ends_the_search(void **state)
{
    static const worker_source_t *const sources[] = { &source_fake, &source_empty, NULL };
    stage_t *stage = make_stage(state);

    offers[WORKER_FILE_EXECUTABLE] = &found_full;
    (void)resolve_with(stage, sources, false);
    assert_int_equal(asked_count, 1);
}

static void the_reason_is_what_the_last_source_said(void **state)
{
    static const worker_source_t *const sources[] = { &source_fake, &source_empty, NULL };
    stage_t *stage = make_stage(state);

    (void)resolve_with(stage, sources, false);
    assert_non_null(strstr(
        stage->missing, "executable " SAMPLE_ID " the empty one is broken; asked: fake, empty\n"));
}

static apr_status_t find_on_servers(worker_found_t **pfound, const retrace_config_t *config,
                                    const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    want->search->servers = want->kind == WORKER_FILE_EXECUTABLE ? "a, b" : "";
    return find_nothing(pfound, config, want, err, p);
}

static void a_source_may_name_servers_that_it_asked_or_none(void **state)
{
    static const worker_source_t servers = { "servers", find_on_servers };
    static const worker_source_t *const sources[] = { &source_fake, &servers, NULL };
    stage_t *stage = make_stage(state);
    const apr_array_header_t *all = resolve_with(stage, sources, false);

    assert_non_null(strstr(stage->missing, "; asked: fake, a, b\ndebuginfo "));
    assert_string_equal(APR_ARRAY_IDX(all, 0, worker_resolved_t).asked, "fake");
}

static void without_sources_the_reason_says_so(void **state)
{
    static const worker_source_t *const sources[] = { NULL };
    stage_t *stage = make_stage(state);

    (void)resolve_with(stage, sources, false);
    assert_non_null(strstr(stage->missing, "no source is configured\n"));
}

/* --- The cache ----------------------------------------------------------------------------- */

static worker_want_t want_of(worker_file_kind_t kind, const char *build_id)
{
    worker_want_t want = { .kind = kind, .build_id = build_id };

    return want;
}

static apr_status_t insert(stage_t *stage, worker_file_kind_t kind, const char *build_id,
                           const char *name)
{
    worker_found_t *found = NULL;
    worker_want_t want = want_of(kind, build_id);

    return worker_cache_insert(&found, &stage->config, &want, workspace_path(stage->ws, name),
                               &stage->ws->err, stage->ws->pool);
}

static stage_t *make_cache_stage(void **state)
{
    stage_t *stage = make_stage(state);

    workspace_build_samples(stage->ws);
    workspace_make_dir(stage->ws, "cache");
    return stage;
}

static void a_file_is_cached_by_build_id_and_found_again(void **state)
{
    stage_t *stage = make_cache_stage(state);
    worker_want_t want = want_of(WORKER_FILE_EXECUTABLE, SAMPLE_ID);
    worker_found_t *found = NULL;

    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so"), APR_SUCCESS);
    assert_int_equal(worker_source_cache.find(&found, &stage->config, &want, NULL, stage->ws->pool),
                     APR_SUCCESS);
    assert_string_equal(found->path, workspace_path(stage->ws, CACHED "/executable"));
    assert_string_equal(found->source, "cache");
    workspace_shell(stage->ws, "cmp built/lib.so " CACHED "/executable");
    assert_int_equal(workspace_mode(stage->ws, CACHED "/executable") & 0222, 0);
}

static void a_cached_file_is_not_written_again(void **state)
{
    stage_t *stage = make_cache_stage(state);

    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so"), APR_SUCCESS);
    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/full.so"),
                     APR_SUCCESS);
    workspace_shell(stage->ws, "cmp built/lib.so " CACHED "/executable");
}

static void each_kind_has_its_own_place(void **state)
{
    stage_t *stage = make_cache_stage(state);

    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so"), APR_SUCCESS);
    assert_int_equal(insert(stage, WORKER_FILE_DEBUGINFO, SAMPLE_ID, "built/lib.debug"),
                     APR_SUCCESS);
    workspace_shell(stage->ws, "cmp built/lib.debug " CACHED "/debuginfo");
}

static void expect_not_cached(stage_t *stage, worker_file_kind_t kind, const char *name,
                              apr_status_t status)
{
    assert_int_equal(insert(stage, kind, SAMPLE_ID, name), status);
    assert_false(workspace_exists(stage->ws, CACHED "/executable"));
    assert_false(workspace_exists(stage->ws, CACHED "/debuginfo"));
    assert_false(workspace_exists(stage->ws, CACHED "/executable.new"));
    assert_false(workspace_exists(stage->ws, CACHED "/debuginfo.new"));
}

static void another_file_than_the_wanted_one_is_not_cached(void **state)
{
    stage_t *stage = make_cache_stage(state);

    workspace_write(stage->ws, "text", "no ELF file");
    expect_not_cached(stage, WORKER_FILE_EXECUTABLE, "built/other.so", APR_NOTFOUND);
    expect_not_cached(stage, WORKER_FILE_EXECUTABLE, "built/lib.debug", APR_NOTFOUND);
    expect_not_cached(stage, WORKER_FILE_DEBUGINFO, "built/lib.so", APR_NOTFOUND);
    expect_not_cached(stage, WORKER_FILE_EXECUTABLE, "text", APR_NOTFOUND);
    expect_not_cached(stage, WORKER_FILE_EXECUTABLE, "none", APR_ENOENT);
}

static void what_a_killed_one_left_is_overwritten(void **state)
{
    stage_t *stage = make_cache_stage(state);

    workspace_write(stage->ws, CACHED "/executable.new", "half a libr");
    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so"), APR_SUCCESS);
    workspace_shell(stage->ws, "cmp built/lib.so " CACHED "/executable");
    assert_false(workspace_exists(stage->ws, CACHED "/executable.new"));
}

static void a_damaged_cached_file_is_replaced(void **state)
{
    stage_t *stage = make_cache_stage(state);

    workspace_write(stage->ws, CACHED "/executable", "damaged");
    assert_int_equal(insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so"), APR_SUCCESS);
    workspace_shell(stage->ws, "cmp built/lib.so " CACHED "/executable");
}

static int insert_child(void *baton)
{
    stage_t *stage = baton;

    (void)alarm(30);
    return insert(stage, WORKER_FILE_EXECUTABLE, SAMPLE_ID, "built/lib.so") == APR_SUCCESS ? 0 : 1;
}

static void many_who_insert_at_once_all_get_the_same_file(void **state)
{
    stage_t *stage = make_cache_stage(state);
    pid_t children[8];
    int i;

    for (i = 0; i < 8; i++) {
        children[i] = workspace_start(insert_child, stage);
    }
    for (i = 0; i < 8; i++) {
        assert_int_equal(workspace_wait(children[i]), 0);
    }
    workspace_shell(stage->ws, "cmp built/lib.so " CACHED "/executable");
    assert_int_equal(workspace_count(stage->ws, CACHED), 2); /* the file and its lock */
}

/* The offers are real files here. */
static void offer_samples(stage_t *stage)
{
    static worker_found_t library;
    static worker_found_t debug;

    library = found_stripped;
    library.path = workspace_path(stage->ws, "built/lib.so");
    debug = found_needs_dwz;
    debug.path = workspace_path(stage->ws, "built/lib.debug");
    offers[WORKER_FILE_EXECUTABLE] = &library;
    offers[WORKER_FILE_DEBUGINFO] = &debug;
}

static void what_is_found_goes_into_the_cache_and_keeps_its_sources_name(void **state)
{
    static const worker_source_t *const sources[] = { &worker_source_cache, &source_fake, NULL };
    stage_t *stage = make_cache_stage(state);
    const worker_resolved_t *resolved;

    offer_samples(stage);
    resolved = &APR_ARRAY_IDX(resolve_with(stage, sources, true), 0, worker_resolved_t);
    assert_string_equal(resolved->executable->path,
                        workspace_path(stage->ws, CACHED "/executable"));
    assert_string_equal(resolved->executable->source, "fake");
}

static void a_chain_that_does_not_fill_the_cache_leaves_it_alone(void **state)
{
    static const worker_source_t *const sources[] = { &source_fake, NULL };
    stage_t *stage = make_cache_stage(state);

    offer_samples(stage);
    (void)resolve_with(stage, sources, false);
    assert_int_equal(workspace_count(stage->ws, "cache"), 0);
}

static void without_a_cache_directory_files_are_used_where_they_are(void **state)
{
    static const worker_source_t *const sources[] = { &source_fake, NULL };
    stage_t *stage = make_cache_stage(state);
    const worker_resolved_t *resolved;

    offer_samples(stage);
    stage->config.cache_dir = "/nonexistent/cache";
    resolved = &APR_ARRAY_IDX(resolve_with(stage, sources, true), 0, worker_resolved_t);
    assert_string_equal(resolved->executable->path, workspace_path(stage->ws, "built/lib.so"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_executable_with_debug_information_needs_nothing_else),
        TEST(a_stripped_one_is_completed_by_its_debug_information),
        TEST(debug_information_is_looked_for_without_the_executable_too),
        TEST(everything_that_is_missing_is_told_with_its_reason),
        TEST(a_dwz_file_is_found_for_the_debug_information),
        TEST(debug_information_without_its_dwz_file_is_left_out),
        TEST(what_cannot_be_asked_for_is_not_in_the_result),
        TEST(later_sources_are_asked_when_earlier_ones_have_nothing),
        TEST(the_first_source_that_has_it_ends_the_search),
        TEST(the_reason_is_what_the_last_source_said),
        TEST(a_source_may_name_servers_that_it_asked_or_none),
        TEST(without_sources_the_reason_says_so),
        TEST(a_file_is_cached_by_build_id_and_found_again),
        TEST(a_cached_file_is_not_written_again),
        TEST(each_kind_has_its_own_place),
        TEST(another_file_than_the_wanted_one_is_not_cached),
        TEST(what_a_killed_one_left_is_overwritten),
        TEST(a_damaged_cached_file_is_replaced),
        TEST(many_who_insert_at_once_all_get_the_same_file),
        TEST(what_is_found_goes_into_the_cache_and_keeps_its_sources_name),
        TEST(a_chain_that_does_not_fill_the_cache_leaves_it_alone),
        TEST(without_a_cache_directory_files_are_used_where_they_are),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
