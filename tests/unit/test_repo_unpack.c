/* SPDX-License-Identifier: Apache-2.0 */
/* Files out of a package of a repository: in passes, each file asked for once, and nothing of a package
 * that changes under the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/fs.h"
#include "tests/unit/rpm_builder.h"
#include "worker/resolve/extract.h"
#include "worker/resolve/preference.h"
#include "worker/resolve/repo_unpack.h"

#define RELEASE "fedora-36-x86_64"
#define PACKAGE "repos/" RELEASE "/tiny.rpm"
#define MANY    300 /* more than one pass takes */

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_repo_t *repo;
    worker_core_t core;
    worker_errand_t errand;
    worker_search_t search;
    worker_matches_t *matches;
    apr_hash_t *asked;
    const char *told;
    int passes;
    const char *meddling; /* shell command between verification and unpacking; NULL: none */
} stage_t;

static stage_t *now; /* what the wrapped function is about */

/* The linker puts these two around worker_extract. */
apr_status_t __real_worker_extract(apr_array_header_t *items, int fd,
                                   const worker_extract_limits_t *limits, retrace_error_t *err);
apr_status_t __wrap_worker_extract(apr_array_header_t *items, int fd,
                                   const worker_extract_limits_t *limits, retrace_error_t *err);

apr_status_t __wrap_worker_extract(apr_array_header_t *items, int fd,
                                   const worker_extract_limits_t *limits, retrace_error_t *err)
{
    now->passes++;
    if (now->meddling != NULL) {
        workspace_shell(now->ws, now->meddling);
    }
    return __real_worker_extract(items, fd, limits, err);
}

static void tell(void *baton, char level, const char *text)
{
    stage_t *stage = baton;

    stage->told = apr_psprintf(stage->ws->pool, "%s%c %s\n", stage->told, level, text);
}

static void open_stage(stage_t *stage)
{
    workspace_t *ws = stage->ws;

    assert_int_equal(
        worker_repo_open(&stage->repo, &stage->config, RELEASE, false, &ws->err, ws->pool),
        APR_SUCCESS);
    stage->core.modules = apr_array_make(ws->pool, 4, sizeof(worker_module_t));
    APR_ARRAY_PUSH(stage->core.modules, worker_module_t) =
        (worker_module_t){ .path = "/m", .build_id = "abcdef", .is_elf = true };
    stage->errand = (worker_errand_t){ .tell = tell, .baton = stage };
    stage->search = (worker_search_t){ .core = &stage->core,
                                       .errand = &stage->errand,
                                       .fetched = apr_hash_make(ws->pool) };
    stage->matches = worker_matches_make(stage->repo->index, &stage->core,
                                         worker_preferences(NULL, ws->pool), ws->pool);
    assert_int_equal(stage->matches->all->nelts, 1);
}

static int setup(void **state)
{
    stage_t *stage;
    workspace_t *ws;

    if (workspace_setup(state) != 0) {
        return 1;
    }
    ws = *state;
    stage = apr_pcalloc(ws->pool, sizeof(*stage));
    stage->ws = ws;
    stage->told = "";
    stage->asked = apr_hash_make(ws->pool);
    now = stage;
    *state = stage;
    workspace_shell(ws, "mkdir -p cache spool repos/" RELEASE "/repodata");
    stage->config = (retrace_config_t){ .repo_dir = workspace_path(ws, "repos"),
                                        .cache_dir = workspace_path(ws, "cache"),
                                        .save_dir = workspace_path(ws, "spool") };
    return 0;
}

static int teardown(void **state)
{
    void *ws = ((stage_t *)*state)->ws;

    return workspace_teardown(&ws);
}

static void put_package(stage_t *stage)
{
    rpm_builder_make(stage->ws, "w3.zstdio");
    workspace_shell(stage->ws, "cp --remove-destination tiny.rpm " PACKAGE);
    open_stage(stage);
}

static apr_status_t take(stage_t *stage)
{
    const worker_repo_unpack_t from = { stage->repo, stage->matches, stage->asked };
    const worker_match_t *match = &APR_ARRAY_IDX(stage->matches->all, 0, worker_match_t);
    const worker_want_t want = { .kind = WORKER_FILE_EXECUTABLE,
                                 .build_id = match->build_id,
                                 .search = &stage->search };

    return worker_repo_unpack(&from, &match->candidate, &want, &stage->config, &stage->ws->err,
                              stage->ws->pool);
}

static void what_is_another_file_is_told_once_and_not_unpacked_again(void **state)
{
    stage_t *stage = *state;

    put_package(stage);
    assert_int_equal(take(stage), APR_SUCCESS);
    assert_int_equal(stage->passes, 1);
    assert_non_null(strstr(stage->told, "is not the executable with build-id abcdef"));
    assert_int_equal(take(stage), APR_SUCCESS);
    assert_int_equal(stage->passes, 1);
}

static void a_package_that_changes_while_it_is_unpacked_is_refused(void **state)
{
    static const char *const ways[] = {
        "printf x | dd of=" PACKAGE " bs=1 seek=5000 conv=notrunc 2>log",
        "touch -r " PACKAGE " old; printf x | dd of=" PACKAGE
        " bs=1 seek=5000 conv=notrunc 2>log; touch -r old " PACKAGE,
        "printf x >>" PACKAGE,
    };
    stage_t *stage = *state;
    size_t i;

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        put_package(stage);
        stage->meddling = ways[i];
        apr_hash_clear(stage->asked);
        assert_int_not_equal(take(stage), APR_SUCCESS);
        assert_non_null(strstr(stage->ws->err.text, "it was changed while it was unpacked"));
        assert_null(strstr(stage->told, "is not the executable"));
        stage->meddling = NULL;
    }
}

/* Each of them is an open file. */
static void many_files_come_in_several_passes(void **state)
{
    stage_t *stage = *state;
    worker_match_t match;
    struct rlimit before;
    struct rlimit few = { 290, 290 };
    int i;

    put_package(stage);
    match = APR_ARRAY_IDX(stage->matches->all, 0, worker_match_t);
    for (i = 1; i < MANY; i++) {
        match.build_id = apr_psprintf(stage->ws->pool, "abcdef%06d", i);
        APR_ARRAY_PUSH(stage->matches->all, worker_match_t) = match;
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    i = take(stage);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(i, APR_SUCCESS);
    assert_int_equal(stage->passes, 2);
}

static void expect_size(stage_t *stage, const char *size, apr_status_t status)
{
    worker_index_entry_t entry;
    int fd = -1;

    workspace_shell(stage->ws,
                    apr_pstrcat(stage->ws->pool, "truncate -s ", size, " " PACKAGE, NULL));
    assert_int_equal(
        worker_repo_open_package(&fd, &entry, stage->repo, "tiny.rpm", &stage->ws->err), status);
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void a_package_beyond_the_limit_is_refused(void **state)
{
    stage_t *stage = *state;

    put_package(stage);
    expect_size(stage, "2147483648", APR_SUCCESS);
    expect_size(stage, "2147483649", APR_ENOSPC);
    assert_non_null(strstr(stage->ws->err.text, "larger than 2048 MB"));
}

static apr_status_t ask(stage_t *stage)
{
    const worker_want_t want = { .kind = WORKER_FILE_EXECUTABLE,
                                 .build_id = "abcdef",
                                 .search = &stage->search };
    worker_found_t *found = NULL;

    return worker_source_repo.find(&found, &stage->config, &want, &stage->ws->err, stage->ws->pool);
}

static void a_package_that_was_replaced_is_indexed_again(void **state)
{
    stage_t *stage = *state;

    put_package(stage);
    (void)worker_source_repo.find(&(worker_found_t *){ NULL }, &stage->config,
                                  &(worker_want_t){ .kind = WORKER_FILE_DEBUGINFO,
                                                    .build_id = "123456",
                                                    .search = &stage->search },
                                  &stage->ws->err, stage->ws->pool);
    workspace_shell(stage->ws, "touch -d '2001-01-01' " PACKAGE);
    assert_int_not_equal(ask(stage), APR_SUCCESS);
    assert_null(strstr(stage->told, "has changed since"));
    assert_int_equal(stage->passes, 1);
}

/* The first pages are whole: it can be opened. */
static void a_damaged_index_is_told_and_made_anew(void **state)
{
    stage_t *stage = *state;

    put_package(stage);
    workspace_shell(stage->ws,
                    "db=cache/index/" RELEASE
                    ".db; head -c $(($(stat -c %s $db) - 8192)) /dev/zero |"
                    " tr '\\0' '\\377' | dd of=$db bs=4096 seek=2 conv=notrunc 2>log");
    assert_int_not_equal(ask(stage), APR_SUCCESS);
    assert_int_equal(stage->passes, 1);
    workspace_shell(stage->ws,
                    "test \"$(sqlite3 cache/index/" RELEASE ".db 'PRAGMA integrity_check')\" = ok");
}

static void what_damages_a_table_of_files_alone_is_mended_by_the_question(void **state)
{
    stage_t *stage = *state;

    put_package(stage);
    workspace_shell(
        stage->ws,
        "db=cache/index/" RELEASE ".db; at=$(sqlite3 $db \"SELECT rootpage FROM "
        "sqlite_master WHERE name = 'file' AND type = 'table'\"); head -c 4096 /dev/zero | "
        "tr '\\0' '\\377' | dd of=$db bs=4096 seek=$((at - 1)) conv=notrunc 2>log");
    assert_int_not_equal(ask(stage), APR_SUCCESS);
    assert_non_null(strstr(stage->told, "W The index of " RELEASE " cannot be read"));
    assert_int_equal(stage->passes, 1);
}

/* With a unit of time that a test can wait for: who opens the repository waits for minutes. */
static void who_holds_the_lock_for_long_stops_nobody(void **state)
{
    stage_t *stage = *state;
    int locks;
    int fd = -1;
    int i;

    put_package(stage);
    stage->repo->wait_ms = 100;
    locks = stage->repo->locks;
    assert_int_equal(retrace_fs_lock(&fd, locks, RELEASE ".lock", false, &stage->ws->err),
                     APR_SUCCESS);
    assert_int_equal(worker_repo_mend(stage->repo, &stage->ws->err, stage->ws->pool), APR_EBUSY);
    (void)close(fd);
    for (i = 0; i < 16; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "unpack-%d.lock", i);
        assert_int_equal(retrace_fs_lock(&fd, locks, name, false, &stage->ws->err), APR_SUCCESS);
    }
    assert_int_equal(take(stage), APR_EBUSY);
    assert_int_equal(stage->passes, 0);
}

/* What cannot be brought up to date is used as it is. */
static void an_index_that_cannot_be_written_is_used_as_it_is(void **state)
{
    stage_t *stage = *state;
    const struct rlimit none = { 0, 0 };
    int status = 0;
    pid_t child;

    put_package(stage);
    workspace_shell(stage->ws, "touch -d '2001-01-01' repos/" RELEASE);
    child = fork();
    if (child == 0) {
        worker_repo_t *repo = NULL;
        apr_status_t rv;

        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &none);
        rv = worker_repo_open(&repo, &stage->config, RELEASE, false, &stage->ws->err,
                              stage->ws->pool);
        _exit(rv != APR_SUCCESS ? 1 : repo->stale.status == APR_SUCCESS ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_another_file_is_told_once_and_not_unpacked_again),
        TEST(a_package_that_changes_while_it_is_unpacked_is_refused),
        TEST(many_files_come_in_several_passes),
        TEST(a_package_beyond_the_limit_is_refused),
        TEST(who_holds_the_lock_for_long_stops_nobody),
        TEST(an_index_that_cannot_be_written_is_used_as_it_is),
        TEST(a_package_that_was_replaced_is_indexed_again),
        TEST(a_damaged_index_is_told_and_made_anew),
        TEST(what_damages_a_table_of_files_alone_is_mended_by_the_question),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
