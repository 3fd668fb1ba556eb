/* SPDX-License-Identifier: Apache-2.0 */
/* What the packages of a repository have of a core, in the order in which to try them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/metadata_builder.h"
#include "worker/resolve/core_packages.h"
#include "worker/resolve/preference.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/repo_matches.h"

#define RELEASE  "fedora-36-x86_64"
#define PLACE    "repos/" RELEASE
#define ID(c)    c c c c c c c c c c c c c c c c c c c c
#define LINK(c)  "/usr/lib/.build-id/" c "/" c c c c c c c c c c c c c c c c c c c
#define DEBUG(c) "/usr/lib/debug/.build-id/" c "/" c c c c c c c c c c c c c c c c c c c ".debug"
#define DWZ      "/usr/lib/debug/.dwz/old-1"

/* Two versions of a library with the same code, of which only the older one fits the program. */
static const metadata_package_t packages[] = {
    { "lib", "1", "lib-1.rpm", "2", NULL, { LINK("aa"), LINK("bb"), NULL } },
    { "lib", "2", "lib-2.rpm", "1", NULL, { LINK("aa"), NULL } },
    { "other", "1", "other-1.rpm", "3", NULL, { LINK("cc"), NULL } },
    { "other", "2", "other-2.rpm", "4", NULL, { LINK("cc"), NULL } },
    { "lib-debuginfo", "1", "debug.rpm", "5", ID("aa"), { DEBUG("aa"), DWZ, NULL } },
};

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_repo_t *repo;
    worker_core_t core;
} stage_t;

static int setup(void **state)
{
    static const char *const ids[] = { ID("aa"), ID("bb"), ID("cc"), ID("dd"), NULL };
    stage_t *stage;
    workspace_t *ws;
    int i;

    if (workspace_setup(state) != 0) {
        return 1;
    }
    ws = *state;
    stage = apr_pcalloc(ws->pool, sizeof(*stage));
    stage->ws = ws;
    *state = stage;
    workspace_make_dir(ws, "cache");
    workspace_make_dir(ws, "spool");
    metadata_write_packages(ws, PLACE, packages, 5);
    stage->config = (retrace_config_t){ .repo_dir = workspace_path(ws, "repos"),
                                        .cache_dir = workspace_path(ws, "cache"),
                                        .save_dir = workspace_path(ws, "spool") };
    stage->core.modules = apr_array_make(ws->pool, 4, sizeof(worker_module_t));
    for (i = 0; i < 5; i++) {
        APR_ARRAY_PUSH(stage->core.modules, worker_module_t) = (worker_module_t){
            .path = apr_psprintf(ws->pool, "/m%d", i), .build_id = ids[i], .is_elf = true
        };
    }
    return worker_repo_open(&stage->repo, &stage->config, RELEASE, false, &ws->err, ws->pool);
}

static int teardown(void **state)
{
    void *ws = ((stage_t *)*state)->ws;

    return workspace_teardown(&ws);
}

static const char *candidates(stage_t *stage, const worker_matches_t *matches,
                              worker_file_kind_t kind, const char *build_id, const char *altlink)
{
    const apr_array_header_t *found = worker_matches_candidates(matches, stage->repo->index, kind,
                                                                build_id, altlink, stage->ws->pool);
    const char *text = "";
    int i;

    for (i = 0; i < found->nelts; i++) {
        text = apr_pstrcat(stage->ws->pool, text, i > 0 ? " " : "",
                           APR_ARRAY_IDX(found, i, worker_candidate_t).file, NULL);
    }
    return text;
}

/* @param name  of a package that the upload names; NULL for none */
static const worker_matches_t *make(stage_t *stage, const char *name, bool *pis_known)
{
    apr_array_header_t *names = apr_array_make(stage->ws->pool, 1, sizeof(const char *));
    apr_array_header_t *preferences;
    const worker_matches_t *matches;

    if (name != NULL) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    preferences = worker_preferences(names, stage->ws->pool);
    matches = worker_matches_make(stage->repo->index, &stage->core, preferences, stage->ws->pool);
    if (pis_known != NULL) {
        *pis_known = APR_ARRAY_IDX(preferences, 0, worker_preference_t).is_known;
    }
    return matches;
}

static void the_package_with_most_of_the_core_comes_first(void **state)
{
    stage_t *stage = *state;
    const worker_matches_t *matches = make(stage, NULL, NULL);

    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("aa"), NULL),
                        "lib-1.rpm lib-2.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("bb"), NULL),
                        "lib-1.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("cc"), NULL),
                        "other-2.rpm other-1.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_DEBUGINFO, ID("aa"), NULL),
                        "debug.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("dd"), NULL), "");
}

static void a_dwz_file_is_found_by_name_and_as_debug_information(void **state)
{
    stage_t *stage = *state;
    const worker_matches_t *matches = make(stage, NULL, NULL);

    assert_string_equal(candidates(stage, matches, WORKER_FILE_DWZ, ID("ee"), "../../.dwz/old-1"),
                        "debug.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_DWZ, ID("aa"), NULL), "debug.rpm");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_DWZ, ID("ee"), "../other"), "");
    assert_string_equal(candidates(stage, matches, WORKER_FILE_DWZ, ID("ee"), NULL), "");
}

static void the_upload_chooses_among_equals(void **state)
{
    stage_t *stage = *state;
    bool is_known = false;
    const worker_matches_t *matches = make(stage, "other-1-1.fc36.x86_64", &is_known);

    assert_true(is_known);
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("cc"), NULL),
                        "other-1.rpm other-2.rpm");
    matches = make(stage, "lib-2-1.fc36.x86_64", &is_known);
    assert_true(is_known);
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("aa"), NULL),
                        "lib-1.rpm lib-2.rpm");
    matches = make(stage, "other-1-1.fc36.i686", &is_known);
    assert_false(is_known);
    assert_string_equal(candidates(stage, matches, WORKER_FILE_EXECUTABLE, ID("cc"), NULL),
                        "other-2.rpm other-1.rpm");
}

/* --- All of a core -------------------------------------------------------------------------- */

static void packages_of_a_core_are_told(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;
    apr_array_header_t *names = apr_array_make(ws->pool, 1, sizeof(const char *));
    apr_array_header_t *files = NULL;
    const worker_core_file_t *file;

    APR_ARRAY_PUSH(names, const char *) = RELEASE;
    assert_int_equal(
        worker_core_packages(&files, &stage->core, names, &stage->config, &ws->err, ws->pool),
        APR_SUCCESS);
    assert_int_equal(files->nelts, 4);
    file = &APR_ARRAY_IDX(files, 0, worker_core_file_t);
    assert_string_equal(file->executable->nevra, "lib-1-1.fc36.x86_64");
    assert_string_equal(file->executable->repository, RELEASE);
    assert_string_equal(file->executable->file, "lib-1.rpm");
    assert_null(file->executable->path);
    assert_false(file->executable->is_here);
    assert_string_equal(file->debuginfo->nevra, "lib-debuginfo-4:1-1.fc36.x86_64");
    file = &APR_ARRAY_IDX(files, 3, worker_core_file_t);
    assert_null(file->executable);
    assert_null(file->debuginfo);
    assert_string_equal(
        apr_array_pstrcat(ws->pool, worker_core_package_names(files, ws->pool), ' '),
        "lib-1-1.fc36.x86_64 lib-debuginfo-4:1-1.fc36.x86_64 "
        "other-3:2-1.fc36.x86_64");
    APR_ARRAY_PUSH(names, const char *) = "fedora-37-x86_64";
    assert_int_equal(
        worker_core_packages(&files, &stage->core, names, &stage->config, &ws->err, ws->pool),
        APR_ENOENT);
}

static void a_name_leaves_out_an_epoch_of_zero(void **state)
{
    const stage_t *stage = *state;
    worker_candidate_t candidate = {
        .name = "a", .epoch = "", .version = "1", .release = "2", .arch = "noarch"
    };

    assert_string_equal(worker_core_package_nevra(&candidate, stage->ws->pool), "a-1-2.noarch");
    candidate.epoch = "0";
    assert_string_equal(worker_core_package_nevra(&candidate, stage->ws->pool), "a-1-2.noarch");
    candidate.epoch = "3";
    assert_string_equal(worker_core_package_nevra(&candidate, stage->ws->pool), "a-3:1-2.noarch");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_package_with_most_of_the_core_comes_first),
        TEST(a_dwz_file_is_found_by_name_and_as_debug_information),
        TEST(the_upload_chooses_among_equals),
        TEST(packages_of_a_core_are_told),
        TEST(a_name_leaves_out_an_epoch_of_zero),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
