/* SPDX-License-Identifier: Apache-2.0 */
/* A package that is not here: where it may come from, what is believed, where it gets to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"
#include "tests/unit/http_server.h"
#include "tests/unit/rpm_builder.h"
#include "worker/resolve/mirror.h"

#define RELEASE "fedora-36-x86_64"
#define PLACE   "repos/" RELEASE
#define FILE_AT "Packages/t/tiny+1.rpm"

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    http_server_t server;
    worker_repo_t *repo;
    worker_mirror_t *mirror;
    worker_remote_file_t remote;
    worker_candidate_t candidate;
    apr_array_header_t *told; /* of const char * */
} stage_t;

static bool answer(const http_server_t *server, int fd, const char *path)
{
    if (strstr(path, "/hang/") != NULL) {
        http_wait_hangup(fd);
        return false;
    }
    if (strstr(path, "/36/x86_64/Packages/t/tiny%2B1.rpm") == NULL) {
        return http_answer(fd, "404 Not Found", "", "");
    }
    return http_answer_file(server, fd, strstr(path, "/wrong/") != NULL ? "wrong.rpm" : "tiny.rpm");
}

static void take_line(void *baton, char level, const char *text)
{
    stage_t *stage = baton;

    APR_ARRAY_PUSH(stage->told, const char *) =
        apr_psprintf(stage->ws->pool, "%c %s\n", level, text);
}

/* The package is made, and the repository is open. */
static int setup(void **state)
{
    stage_t *stage;
    workspace_t *ws;
    struct stat info;

    if (workspace_setup(state) != 0) {
        return 1;
    }
    ws = *state;
    stage = apr_pcalloc(ws->pool, sizeof(*stage));
    stage->ws = ws;
    *state = stage;
    http_server_start(&stage->server, ws, "requests", answer);
    rpm_builder_make(ws, "w3.zstdio");
    workspace_shell(ws,
                    "mkdir -p cache spool repos.d " PLACE "/repodata; "
                    "sed 's/x/y/' tiny.rpm >wrong.rpm; "
                    "sha256sum <tiny.rpm | cut -c -64 | tr -d '\\n' >sum");
    stage->config = (retrace_config_t){ .repo_dir = workspace_path(ws, "repos"),
                                        .cache_dir = workspace_path(ws, "cache"),
                                        .save_dir = workspace_path(ws, "spool"),
                                        .repo_config_dir = workspace_path(ws, "repos.d"),
                                        .debuginfod_timeout_s = 20,
                                        .debuginfod_max_mb = 10,
                                        .max_task_runtime_s = 60,
                                        .min_storage_left_mb = 1 };
    stage->told = apr_array_make(ws->pool, 4, sizeof(const char *));
    assert_int_equal(fstatat(ws->dir, "tiny.rpm", &info, 0), 0);
    stage->remote = (worker_remote_file_t){ info.st_size, "sha256", workspace_read(ws, "sum") };
    stage->candidate = (worker_candidate_t){ .file = FILE_AT, .remote = &stage->remote };
    return worker_repo_open(&stage->repo, &stage->config, RELEASE, false, &ws->err, ws->pool);
}

static int teardown(void **state)
{
    stage_t *stage = *state;
    void *ws = stage->ws;

    http_server_stop(&stage->server);
    return workspace_teardown(&ws);
}

static apr_status_t open_mirror(stage_t *stage, const char *text)
{
    workspace_t *ws = stage->ws;

    workspace_write(ws, "repos.d/" RELEASE ".repo", text);
    stage->mirror = NULL;
    return worker_mirror_open(&stage->mirror, &stage->config, RELEASE, take_line, stage, &ws->err,
                              ws->pool);
}

/* @param urls  each with "%s" for the server */
static apr_status_t get(stage_t *stage, const char *urls)
{
    workspace_t *ws = stage->ws;
    const char *text = apr_pstrcat(ws->pool, "[a]\nbaseurl=", urls, "\n", NULL);
    const char *at;

    while ((at = strstr(text, "%s")) != NULL) {
        text = apr_pstrcat(ws->pool, apr_pstrmemdup(ws->pool, text, (size_t)(at - text)),
                           stage->server.url, at + 2, NULL);
    }
    assert_int_equal(open_mirror(stage, text), APR_SUCCESS);
    return worker_mirror_get(stage->mirror, stage->repo, &stage->candidate, &ws->err, ws->pool);
}

static bool is_indexed(stage_t *stage)
{
    apr_array_header_t *found = apr_array_make(stage->ws->pool, 1, sizeof(worker_candidate_t));

    assert_int_equal(worker_index_find(found, stage->repo->index, WORKER_FILE_EXECUTABLE, "abcdef",
                                       NULL, stage->ws->pool),
                     APR_SUCCESS);
    return found->nelts == 1
        && strcmp(APR_ARRAY_IDX(found, 0, worker_candidate_t).file, stage->candidate.file) == 0;
}

static void expect_refused(stage_t *stage, const char *urls, const char *words)
{
    assert_int_not_equal(get(stage, urls), APR_SUCCESS);
    assert_non_null(strstr(stage->ws->err.text, words));
    assert_false(is_indexed(stage));
    assert_false(workspace_exists(stage->ws, PLACE "/" FILE_AT));
    workspace_shell(stage->ws, "! ls " PLACE "/.fetch-* 2>/dev/null");
}

static void a_file_without_a_usable_server_is_refused(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;

    assert_int_equal(worker_mirror_open(&stage->mirror, &stage->config, RELEASE, take_line, stage,
                                        &ws->err, ws->pool),
                     APR_ENOENT);
    assert_int_equal(open_mirror(stage, ""), APR_EINVAL);
    assert_int_equal(open_mirror(stage, "[a]\nmirrorlist=https://x/\n"), APR_EINVAL);
    assert_int_equal(open_mirror(stage, "[a]\nbaseurl=https://x/\nenabled=0\n"), APR_EINVAL);
    assert_int_equal(open_mirror(stage, "[a]\nbaseurl=https://x/$other\n"), APR_EINVAL);
    assert_int_equal(open_mirror(stage, "[a]\nbaseurl=https://me:secret@x/\n"), APR_EINVAL);
    assert_null(stage->mirror);
    assert_int_equal(open_mirror(stage, "[a]\nbaseurl=https://x/\n"), APR_SUCCESS);
}

static void a_package_gets_its_place_and_is_indexed(void **state)
{
    stage_t *stage = *state;

    assert_int_equal(get(stage, "%s/$releasever/$basearch"), APR_SUCCESS);
    assert_true(is_indexed(stage));
    workspace_shell(stage->ws, "cmp tiny.rpm " PLACE "/" FILE_AT);
    assert_non_null(strstr(APR_ARRAY_IDX(stage->told, 0, const char *), "I Fetched in "));
    workspace_shell(stage->ws, "! ls " PLACE "/.fetch-* 2>/dev/null");
}

static void what_is_there_is_not_fetched(void **state)
{
    stage_t *stage = *state;

    assert_int_equal(get(stage, "%s/$releasever/$basearch"), APR_SUCCESS);
    assert_int_equal(get(stage, "%s/$releasever/$basearch"), APR_SUCCESS);
    assert_int_equal(http_server_count(&stage->server, "GET "), 1);
}

static void the_next_server_is_asked(void **state)
{
    stage_t *stage = *state;

    assert_int_equal(get(stage, "%s/none %s/wrong/36/x86_64 file:///nonexistent %s/36/x86_64"),
                     APR_SUCCESS);
    assert_true(is_indexed(stage));
    assert_int_equal(stage->told->nelts, 4);
    assert_non_null(
        strstr(APR_ARRAY_IDX(stage->told, 1, const char *), "its checksum is not the one"));
}

static void a_directory_of_this_machine_will_do(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;

    workspace_shell(ws, "mkdir -p other/Packages/t && cp tiny.rpm other/" FILE_AT);
    assert_int_equal(get(stage, apr_pstrcat(ws->pool, "file://", ws->path, "/other/", NULL)),
                     APR_SUCCESS);
    assert_true(is_indexed(stage));
    assert_int_equal(http_server_count(&stage->server, "GET "), 0);
}

static void a_proxy_is_asked_if_the_file_says_so(void **state)
{
    stage_t *stage = *state;

    assert_int_equal(get(stage, "http://mirror.invalid/36/x86_64\nproxy=%s"), APR_SUCCESS);
    assert_true(is_indexed(stage));
    assert_int_equal(http_server_count(&stage->server, "GET http://mirror.invalid/36/"), 1);
}

static void another_file_is_refused(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;
    const char *here = apr_pstrcat(ws->pool, "file://", ws->path, "/other/", NULL);

    expect_refused(stage, "%s/wrong/36/x86_64", "its checksum is not the one");
    expect_refused(stage, "%s/none", "the server does not have it");
    workspace_shell(ws, "mkdir -p other/Packages/t && cat tiny.rpm tiny.rpm >other/" FILE_AT);
    expect_refused(stage, here, "longer than it should be");
    workspace_shell(ws, "head -c 50 tiny.rpm >other/" FILE_AT);
    expect_refused(stage, here, "it has another size than repodata say");
    workspace_shell(ws, "rm other/" FILE_AT " && mkfifo other/" FILE_AT);
    expect_refused(stage, here, "it is not a regular file");
}

static void what_is_no_package_is_refused_even_with_its_checksum(void **state)
{
    stage_t *stage = *state;

    workspace_shell(stage->ws, "sha256sum <wrong.rpm | cut -c -64 | tr -d '\\n' >sum");
    stage->remote.checksum = workspace_read(stage->ws, "sum");
    expect_refused(stage, "%s/wrong/36/x86_64", "it is damaged");
}

static void limits_of_size_and_space_hold(void **state)
{
    stage_t *stage = *state;
    worker_remote_file_t large = stage->remote;

    large.size = 10 * RETRACE_MIB + 1;
    stage->candidate.remote = &large;
    expect_refused(stage, "%s/36/x86_64", "it has more than 10 MB");
    large.size = 10 * RETRACE_MIB;
    expect_refused(stage, "%s/36/x86_64", "it has another size");
    stage->candidate.remote = &stage->remote;
    stage->config.min_storage_left_mb = INT64_C(1) << 30;
    expect_refused(stage, "%s/36/x86_64", "MinStorageLeft");
}

static void a_path_stays_in_the_repository(void **state)
{
    stage_t *stage = *state;

    stage->candidate.file = "../x.rpm";
    expect_refused(stage, "%s/36/x86_64", "leads out of the repository");
    stage->candidate.file = FILE_AT;
    workspace_shell(stage->ws,
                    "mkdir elsewhere " PLACE "/Packages && ln -s ../../../elsewhere " PLACE
                    "/Packages/t");
    assert_int_not_equal(get(stage, "%s/36/x86_64"), APR_SUCCESS);
    assert_int_equal(workspace_count(stage->ws, "elsewhere"), 0);
}

/* Twice its time, then no more. */
static void a_silent_server_is_given_up(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;
    int64_t start_ms = retrace_clock_ms();
    int i;

    stage->config.debuginfod_timeout_s = 1;
    expect_refused(stage, "%s/hang", "it cannot be fetched: ");
    for (i = 0; i < 3; i++) {
        assert_int_not_equal(
            worker_mirror_get(stage->mirror, stage->repo, &stage->candidate, &ws->err, ws->pool),
            APR_SUCCESS);
    }
    assert_string_equal(ws->err.text, "no server of its release answers");
    assert_true(retrace_clock_ms() - start_ms < 10000);
    assert_int_equal(stage->told->nelts, WORKER_MIRROR_MAX_SILENT);
    assert_non_null(strstr(APR_ARRAY_IDX(stage->told, 1, const char *), "not asked again"));
}

static void who_fetches_for_too_long_is_not_waited_for(void **state)
{
    stage_t *stage = *state;
    workspace_t *ws = stage->ws;
    int locks[16];
    int i;

    stage->config.debuginfod_timeout_s = 1;
    for (i = 0; i < 16; i++) {
        assert_int_equal(retrace_fs_lock(&locks[i], stage->repo->locks,
                                         apr_psprintf(ws->pool, RELEASE "-fetch-%d.lock", i), false,
                                         &ws->err),
                         APR_SUCCESS);
    }
    expect_refused(stage, "%s/36/x86_64", "another task has been fetching for too long");
    for (i = 0; i < 16; i++) {
        (void)close(locks[i]);
    }
    assert_int_equal(get(stage, "%s/36/x86_64"), APR_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_without_a_usable_server_is_refused),
        TEST(a_package_gets_its_place_and_is_indexed),
        TEST(what_is_there_is_not_fetched),
        TEST(the_next_server_is_asked),
        TEST(a_directory_of_this_machine_will_do),
        TEST(a_proxy_is_asked_if_the_file_says_so),
        TEST(another_file_is_refused),
        TEST(what_is_no_package_is_refused_even_with_its_checksum),
        TEST(limits_of_size_and_space_hold),
        TEST(a_path_stays_in_the_repository),
        TEST(a_silent_server_is_given_up),
        TEST(who_fetches_for_too_long_is_not_waited_for),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
