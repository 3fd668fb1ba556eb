/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a release's packages: what goes in comes out, all or nothing, and what is no index
 * does not stay in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/repo_index.h"

static worker_index_t *open_index(workspace_t *ws)
{
    worker_index_t *index = NULL;

    assert_int_equal(
        worker_index_open(&index, workspace_path(ws, "release.db"), &ws->err, ws->pool),
        APR_SUCCESS);
    return index;
}

static void put(workspace_t *ws, worker_index_t *index, const char *file, const char *version,
                const char *build_id)
{
    worker_package_t package = {
        "tiny",    "1",      version,
        "2.fc36",  "x86_64", apr_array_make(ws->pool, 1, sizeof(worker_package_file_t)),
        "tiny-src"
    };
    const worker_index_entry_t entry = { file, 100, 200, NULL };

    APR_ARRAY_PUSH(package.files, worker_package_file_t) =
        (worker_package_file_t){ WORKER_FILE_EXECUTABLE, build_id, "/usr/bin/tiny" };
    assert_int_equal(worker_index_put(index, &entry, &package, &ws->err), APR_SUCCESS);
}

static apr_array_header_t *find(workspace_t *ws, worker_index_t *index, worker_file_kind_t kind,
                                const char *key)
{
    apr_array_header_t *found = apr_array_make(ws->pool, 2, sizeof(worker_candidate_t));

    assert_int_equal(worker_index_find(found, index, kind, key, &ws->err, ws->pool), APR_SUCCESS);
    return found;
}

static int count_of(workspace_t *ws, worker_index_t *index, const char *key)
{
    return find(ws, index, WORKER_FILE_EXECUTABLE, key)->nelts;
}

static void a_file_is_found_by_its_build_id_and_kind(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);
    const worker_candidate_t *found;

    put(ws, index, "Packages/t/tiny.rpm", "1.0", SAMPLE_ID);
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 1);
    found =
        &APR_ARRAY_IDX(find(ws, index, WORKER_FILE_EXECUTABLE, SAMPLE_ID), 0, worker_candidate_t);
    assert_string_equal(found->file, "Packages/t/tiny.rpm");
    assert_string_equal(found->path, "/usr/bin/tiny");
    assert_string_equal(found->epoch, "1");
    assert_string_equal(found->version, "1.0");
    assert_string_equal(found->release, "2.fc36");
    assert_string_equal(found->name, "tiny");
    assert_string_equal(found->arch, "x86_64");
    assert_string_equal(found->source, "tiny-src");
    assert_null(found->remote);
    assert_int_equal(found->size, 100);
    assert_int_equal(found->mtime_us, 200);
    assert_int_equal(find(ws, index, WORKER_FILE_DEBUGINFO, SAMPLE_ID)->nelts, 0);
    assert_int_equal(count_of(ws, index, OTHER_ID), 0);
    assert_int_equal(count_of(ws, index, "' OR 1 OR '"), 0);
}

static void several_packages_may_have_the_same_file(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);

    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    put(ws, index, "b.rpm", "1.1", SAMPLE_ID);
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 2);
}

static void a_package_that_changes_takes_the_place_of_the_old_one(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);

    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    put(ws, index, "a.rpm", "1.1", OTHER_ID);
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 0);
    assert_int_equal(count_of(ws, index, OTHER_ID), 1);
}

static void what_is_removed_takes_its_files_along(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);
    apr_hash_t *entries = NULL;

    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    put(ws, index, "b.rpm", "1.0", OTHER_ID);
    assert_int_equal(worker_index_remove(index, "a.rpm", &ws->err), APR_SUCCESS);
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 0);
    assert_int_equal(count_of(ws, index, OTHER_ID), 1);
    assert_int_equal(worker_index_clear(index, &ws->err), APR_SUCCESS);
    assert_int_equal(count_of(ws, index, OTHER_ID), 0);
    assert_int_equal(worker_index_list(&entries, index, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(apr_hash_count(entries), 0);
}

static void refused_packages_are_remembered_with_their_reason(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);
    const worker_index_entry_t refused = { "bad.rpm", 1, 2, "it is not signed" };
    const worker_index_entry_t worse = { "a-worse.rpm", 3, 4, "it is damaged" };
    apr_array_header_t *all = NULL;

    put(ws, index, "good.rpm", "1.0", SAMPLE_ID);
    assert_int_equal(worker_index_put(index, &refused, NULL, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_index_put(index, &worse, NULL, &ws->err), APR_SUCCESS);
    assert_int_equal(worker_index_refused(&all, index, 5, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(all->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(all, 0, worker_index_entry_t).file, "a-worse.rpm");
    assert_string_equal(APR_ARRAY_IDX(all, 1, worker_index_entry_t).refusal, "it is not signed");
    assert_int_equal(worker_index_refused(&all, index, 1, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(all->nelts, 1);
}

static void the_list_tells_what_is_known_of_each_file(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);
    apr_hash_t *entries = NULL;
    const worker_index_entry_t *entry;

    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    assert_int_equal(worker_index_list(&entries, index, &ws->err, ws->pool), APR_SUCCESS);
    entry = apr_hash_get(entries, "a.rpm", APR_HASH_KEY_STRING);
    assert_non_null(entry);
    assert_int_equal(entry->size, 100);
    assert_int_equal(entry->mtime_us, 200);
    assert_null(entry->refusal);
}

static const char *stamp_of(workspace_t *ws, worker_index_t *index)
{
    const char *stamp = NULL;

    assert_int_equal(worker_index_stamp(&stamp, index, &ws->err, ws->pool), APR_SUCCESS);
    return stamp;
}

static void a_commit_leaves_a_stamp_for_the_next_one(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);

    assert_string_equal(stamp_of(ws, index), "");
    assert_int_equal(worker_index_begin(index, &ws->err), APR_SUCCESS);
    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    assert_int_equal(worker_index_commit(index, "today", &ws->err), APR_SUCCESS);
    index = open_index(ws);
    assert_string_equal(stamp_of(ws, index), "today");
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 1);
}

static void what_is_rolled_back_was_never_there(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);

    assert_int_equal(worker_index_begin(index, &ws->err), APR_SUCCESS);
    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    worker_index_rollback(index);
    assert_int_equal(count_of(ws, index, SAMPLE_ID), 0);
}

static void what_is_no_index_is_made_anew(void **state)
{
    workspace_t *ws = *state;
    char junk[8192];

    memset(junk, 'x', sizeof(junk) - 1);
    junk[sizeof(junk) - 1] = '\0';
    workspace_write(ws, "release.db", junk);
    assert_string_equal(stamp_of(ws, open_index(ws)), "");
}

static void an_index_of_another_version_is_made_anew(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, "sqlite3 release.db 'CREATE TABLE old (x); PRAGMA user_version = 99'");
    put(ws, open_index(ws), "a.rpm", "1.0", SAMPLE_ID);
    workspace_shell(ws, "test -z \"$(sqlite3 release.db .tables | grep old)\"");
}

static void an_index_without_its_tables_is_made_anew(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, "sqlite3 release.db 'CREATE TABLE old (x); PRAGMA user_version = 1'");
    put(ws, open_index(ws), "a.rpm", "1.0", SAMPLE_ID);
}

static void a_good_index_outlives_a_lack_of_descriptors(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = open_index(ws);
    const struct rlimit none = { 0, 0 };
    pid_t child;
    int status = 0;

    put(ws, index, "a.rpm", "1.0", SAMPLE_ID);
    child = fork();
    if (child == 0) {
        worker_index_t *again = NULL;

        (void)setrlimit(RLIMIT_NOFILE, &none);
        _exit(worker_index_open(&again, workspace_path(ws, "release.db"), &ws->err, ws->pool)
              == APR_SUCCESS);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count_of(ws, open_index(ws), SAMPLE_ID), 1);
}

static void where_nothing_can_be_written_it_says_so(void **state)
{
    workspace_t *ws = *state;
    worker_index_t *index = NULL;

    assert_int_not_equal(worker_index_open(&index, "/nonexistent/x.db", &ws->err, ws->pool),
                         APR_SUCCESS);
    assert_null(index);
    assert_non_null(strstr(ws->err.text, "/nonexistent/x.db"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_found_by_its_build_id_and_kind),
        TEST(several_packages_may_have_the_same_file),
        TEST(a_package_that_changes_takes_the_place_of_the_old_one),
        TEST(what_is_removed_takes_its_files_along),
        TEST(refused_packages_are_remembered_with_their_reason),
        TEST(the_list_tells_what_is_known_of_each_file),
        TEST(a_commit_leaves_a_stamp_for_the_next_one),
        TEST(what_is_rolled_back_was_never_there),
        TEST(what_is_no_index_is_made_anew),
        TEST(an_index_of_another_version_is_made_anew),
        TEST(an_index_without_its_tables_is_made_anew),
        TEST(a_good_index_outlives_a_lack_of_descriptors),
        TEST(where_nothing_can_be_written_it_says_so),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
