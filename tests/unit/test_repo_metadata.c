/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a repository in its index: what is named and not here, what changes, what is damaged. */
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
#include "tests/unit/rpm_builder.h"
#include "worker/resolve/repo.h"

#define RELEASE "fedora-36-x86_64"
#define PLACE   "repos/" RELEASE
#define FIRST   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECOND  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define THIRD   "cccccccccccccccccccccccccccccccccccccccc"
#define LINK(c)                                                                                    \
    "/usr/lib/.build-id/" c c                                                                      \
    "/" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

static const metadata_package_t packages[] = {
    { "one", "1", "Packages/o/one.rpm", "1", NULL, { LINK("a"), NULL } },
    { "two", "1", "other/two.rpm", "2", NULL, { LINK("b"), NULL } },
    { "three", "1", "Packages/t/three.rpm", "3", NULL, { LINK("c"), LINK("a"), NULL } },
};

static worker_repo_t *open_repo(workspace_t *ws)
{
    retrace_config_t config = { .repo_dir = workspace_path(ws, "repos"),
                                .cache_dir = workspace_path(ws, "cache"),
                                .save_dir = workspace_path(ws, "spool") };
    worker_repo_t *repo = NULL;

    workspace_shell(ws, "mkdir -p cache spool " PLACE "/repodata");
    assert_int_equal(worker_repo_open(&repo, &config, RELEASE, false, &ws->err, ws->pool),
                     APR_SUCCESS);
    return repo;
}

/* The locations of remote packages that have it. */
static const char *find(workspace_t *ws, const worker_repo_t *repo, const char *build_id)
{
    apr_array_header_t *found = apr_array_make(ws->pool, 2, sizeof(worker_candidate_t));
    const char *text = "";
    int i;

    assert_int_equal(worker_index_find_remote(found, repo->index, WORKER_FILE_EXECUTABLE, build_id,
                                              &ws->err, ws->pool),
                     APR_SUCCESS);
    for (i = 0; i < found->nelts; i++) {
        const worker_candidate_t *candidate = &APR_ARRAY_IDX(found, i, worker_candidate_t);

        assert_non_null(candidate->remote);
        assert_null(candidate->path);
        text = apr_pstrcat(ws->pool, text, candidate->file, " ", NULL);
    }
    return text;
}

static const char *complaint(workspace_t *ws, const worker_repo_t *repo)
{
    const char *metadata = NULL;
    const char *text = NULL;

    assert_int_equal(worker_index_metadata(&metadata, &text, repo->index, &ws->err, ws->pool),
                     APR_SUCCESS);
    return text;
}

static void what_is_named_is_found_by_its_build_id(void **state)
{
    workspace_t *ws = *state;
    const worker_repo_t *repo;
    apr_array_header_t *found = apr_array_make(ws->pool, 2, sizeof(worker_candidate_t));
    const worker_candidate_t *one;

    metadata_write_packages(ws, PLACE, packages, 2);
    repo = open_repo(ws);
    assert_string_equal(complaint(ws, repo), "");
    assert_string_equal(find(ws, repo, FIRST), "Packages/o/one.rpm ");
    assert_string_equal(find(ws, repo, SECOND), "other/two.rpm ");
    assert_string_equal(find(ws, repo, THIRD), "");
    assert_string_equal(find(ws, repo, "no build-id"), "");
    assert_int_equal(worker_index_find_remote(found, repo->index, WORKER_FILE_EXECUTABLE, SECOND,
                                              &ws->err, ws->pool),
                     APR_SUCCESS);
    one = &APR_ARRAY_IDX(found, 0, worker_candidate_t);
    assert_string_equal(one->name, "two");
    assert_string_equal(one->epoch, "1");
    assert_string_equal(one->release, "1.fc36");
    assert_string_equal(one->source, "two-1.src.rpm");
    assert_int_equal(one->remote->size, 101);
    assert_string_equal(one->remote->type, "sha256");
}

/* The index of a package that is there comes from its header. */
static void what_is_here_is_not_remote(void **state)
{
    workspace_t *ws = *state;
    const worker_repo_t *repo;

    metadata_write_packages(ws, PLACE, packages, 2);
    workspace_write(ws, PLACE "/Packages/o/one.rpm", "damaged");
    workspace_write(ws, PLACE "/other/two.rpm", "damaged, in a directory that only repodata name");
    repo = open_repo(ws);
    assert_string_equal(find(ws, repo, FIRST), "");
    assert_string_equal(find(ws, repo, SECOND), "");
    workspace_shell(ws, "rm " PLACE "/Packages/o/one.rpm");
    assert_string_equal(find(ws, open_repo(ws), FIRST), "Packages/o/one.rpm ");
}

static void a_change_adds_and_removes(void **state)
{
    workspace_t *ws = *state;
    const metadata_package_t other[] = { packages[2], packages[0] };
    metadata_package_t moved = packages[0];

    metadata_write_packages(ws, PLACE, packages, 2);
    (void)open_repo(ws);
    metadata_write_packages(ws, PLACE, other, 2);
    assert_string_equal(find(ws, open_repo(ws), SECOND), "");
    assert_string_equal(find(ws, open_repo(ws), THIRD), "Packages/t/three.rpm ");
    assert_string_equal(find(ws, open_repo(ws), FIRST), "Packages/o/one.rpm Packages/t/three.rpm ");
    moved.location = "Packages/elsewhere.rpm";
    metadata_write_packages(ws, PLACE, &moved, 1);
    assert_string_equal(find(ws, open_repo(ws), FIRST), "Packages/elsewhere.rpm ");
    metadata_write_packages(ws, PLACE, packages, 0);
    assert_string_equal(find(ws, open_repo(ws), FIRST), "");
}

/* Nothing is read as long as the checksums in repomd.xml are the same: here it could not be. */
static void the_same_metadata_are_not_read_again(void **state)
{
    workspace_t *ws = *state;
    const worker_repo_t *repo;

    metadata_write_packages(ws, PLACE, packages, 2);
    (void)open_repo(ws);
    workspace_shell(ws, "rm " PLACE "/repodata/*.packed && touch " PLACE "/repodata/repomd.xml");
    repo = open_repo(ws);
    assert_string_equal(complaint(ws, repo), "");
    assert_string_equal(find(ws, repo, FIRST), "Packages/o/one.rpm ");
}

static void damaged_metadata_are_told_and_leave_what_was_known(void **state)
{
    workspace_t *ws = *state;
    const worker_repo_t *repo;

    metadata_write_packages(ws, PLACE, packages, 2);
    (void)open_repo(ws);
    metadata_write_packages(ws, PLACE, packages, 3);
    workspace_shell(ws, "printf x >>" PLACE "/repodata/filelists.packed");
    repo = open_repo(ws);
    assert_string_equal(complaint(ws, repo),
                        "repodata/filelists.packed is damaged: its checksum is not the one "
                        "that is told");
    assert_string_equal(find(ws, repo, FIRST), "Packages/o/one.rpm ");
    assert_string_equal(complaint(ws, open_repo(ws)), complaint(ws, repo));
    workspace_write(ws, PLACE "/repodata/repomd.xml", "<repomd>");
    assert_non_null(strstr(complaint(ws, open_repo(ws)), "repodata/repomd.xml is damaged: line 1"));
    metadata_write_packages(ws, PLACE, packages, 2);
    repo = open_repo(ws);
    assert_string_equal(complaint(ws, repo), "");
    assert_string_equal(find(ws, repo, SECOND), "other/two.rpm ");
}

static void packages_that_lie_elsewhere_are_told(void **state)
{
    workspace_t *ws = *state;
    metadata_package_t two[] = { packages[0], packages[1] };
    const char *text;

    two[1].location = "../two.rpm";
    metadata_write_packages(ws, PLACE, two, 2);
    text = complaint(ws, open_repo(ws));
    assert_non_null(strstr(text, "1 packages of repodata are left out"));
    workspace_shell(ws, "touch " PLACE "/repodata");
    assert_string_equal(complaint(ws, open_repo(ws)), text);
}

/* The repository is used as it was when there are no metadata. */
static void without_repomd_the_packages_here_are_used(void **state)
{
    workspace_t *ws = *state;
    apr_array_header_t *found = apr_array_make(ws->pool, 2, sizeof(worker_candidate_t));
    const worker_repo_t *repo;

    rpm_builder_make(ws, "w3.zstdio");
    workspace_make_dir(ws, PLACE "/Packages");
    workspace_shell(ws, "mv tiny.rpm " PLACE "/Packages");
    repo = open_repo(ws);
    assert_string_equal(complaint(ws, repo), "");
    assert_int_equal(
        worker_index_find(found, repo->index, WORKER_FILE_EXECUTABLE, "abcdef", &ws->err, ws->pool),
        APR_SUCCESS);
    assert_int_equal(found->nelts, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_named_is_found_by_its_build_id),
        TEST(what_is_here_is_not_remote),
        TEST(a_change_adds_and_removes),
        TEST(the_same_metadata_are_not_read_again),
        TEST(damaged_metadata_are_told_and_leave_what_was_known),
        TEST(packages_that_lie_elsewhere_are_told),
        TEST(without_repomd_the_packages_here_are_used),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
