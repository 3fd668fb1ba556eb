/* SPDX-License-Identifier: Apache-2.0 */
/* debuginfod servers: what is asked and kept, and how soon those of no use are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/fs.h"
#include "tests/unit/debuginfod_fixture.h"

/* --- What is asked ------------------------------------------------------------------------- */

static void an_executable_is_fetched_into_the_cache(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 1);
    assert_int_equal(http_server_count(&stage->other, "GET"), 0);
    assert_string_equal(stage->search.servers,
                        apr_pstrcat(stage->ws->pool, stage->server.url, "/", NULL));
    debuginfod_expect_told(stage, "I Fetched in ");
}

static void debug_information_and_dwz_files_are_asked_for_as_debuginfo(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/lib.debug", "served/debuginfo");
    debuginfod_expect_found(stage, WORKER_FILE_DEBUGINFO, "built/lib.debug");
    debuginfod_expect_found(stage, WORKER_FILE_DWZ, "built/lib.debug");
    assert_int_equal(http_server_count(&stage->server, DEBUGINFO), 2);
    assert_int_equal(http_server_count(&stage->server, "GET"), 2);
}

static void the_second_server_is_asked_when_the_first_has_none(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/lib.so", "served-2/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 1);
    assert_int_equal(http_server_count(&stage->other, EXECUTABLE), 1);
    assert_null(strchr(stage->log, 'W'));
}

static void one_connection_serves_all_files_of_a_task(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_serve(stage, "built/lib.debug", "served/debuginfo");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    debuginfod_expect_found(stage, WORKER_FILE_DEBUGINFO, "built/lib.debug");
    assert_int_equal(http_server_count(&stage->server, "connection"), 1);
}

static void without_servers_nothing_is_asked_and_said(void **state)
{
    debuginfod_stage_t *stage = *state;
    worker_found_t *found = NULL;

    stage->config.debuginfod_urls = "";
    (void)retrace_fail(&stage->ws->err, APR_NOTFOUND, "what the source before has said");
    assert_int_equal(debuginfod_find(&found, stage, WORKER_FILE_EXECUTABLE), APR_NOTFOUND);
    assert_string_equal(stage->ws->err.text, "what the source before has said");
    assert_string_equal(stage->search.servers, "");
    assert_int_equal(workspace_count(stage->ws, "cache"), 0);
}

static void what_is_in_the_cache_by_now_is_not_asked_for(void **state)
{
    debuginfod_stage_t *stage = *state;
    worker_found_t *found = NULL;

    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(debuginfod_find(&found, stage, WORKER_FILE_EXECUTABLE), APR_SUCCESS);
    assert_string_equal(found->source, "cache");
    assert_int_equal(http_server_count(&stage->server, "GET"), 1);
}

/* --- What is refused ----------------------------------------------------------------------- */

static void expect_refused(debuginfod_stage_t *stage, worker_file_kind_t kind, const char *words)
{
    debuginfod_expect_none(stage, kind, stage->other.url);
    debuginfod_expect_told(stage, "W Not used: ");
    debuginfod_expect_told(stage, words);
    assert_int_equal(http_server_count(&stage->other, "GET"), 1);
}

static void another_build_is_refused_and_the_next_server_asked(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/other.so", "served/executable");
    debuginfod_serve(stage, "built/lib.so", "served-2/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    debuginfod_expect_told(stage, "W Not used: ");
    debuginfod_expect_told(stage, "(what the server sends has build-id " OTHER_ID ")");
}

static void what_is_no_elf_file_is_refused(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "<html>\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "is not a sound ELF file");
}

static void a_cut_elf_file_is_refused(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_shell(stage->ws, "head -c 2000 built/lib.so >served/executable");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "is not a sound ELF file");
}

static void another_kind_is_refused(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/lib.so", "served/debuginfo");
    expect_refused(stage, WORKER_FILE_DEBUGINFO, "holds no debuginfo");
}

static void an_error_of_the_server_is_told(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "the server answers with 500");
    assert_false(workspace_exists(stage->ws, MISS));
}

static void a_redirect_to_a_file_is_refused(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable",
                    "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "redirects to file:///etc/passwd");
}

static void a_file_at_the_limit_is_taken(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_shell(stage->ws, "truncate -s 1048576 built/lib.so");
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_shell(stage->ws, "truncate -s 1048577 built/lib.so");
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "more than 1048576 bytes");
}

static void nothing_but_locks_and_misses_is_left(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_serve(stage, "built/other.so", "served/executable");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    debuginfod_expect_none(stage, WORKER_FILE_DEBUGINFO, "");
    workspace_shell(stage->ws, "test \"$(ls -A cache)\" = 'fetching\nmissing'");
}

/* --- Misses -------------------------------------------------------------------------------- */

static void a_miss_is_remembered_by_the_next_task(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "the server does not have it");
    assert_true(workspace_exists(stage->ws, MISS));
    debuginfod_begin(stage);
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE,
                           "no debuginfod server had it less than 600 s ago");
    assert_int_equal(http_server_count(&stage->server, "GET"), 1);
    assert_int_equal(http_server_count(&stage->other, "GET"), 1);
    assert_string_equal(
        stage->search.servers,
        apr_pstrcat(stage->ws->pool, stage->server.url, "/, ", stage->other.url, NULL));
}

static void a_miss_that_is_over_is_asked_for_again_and_forgotten(void **state)
{
    debuginfod_stage_t *stage = *state;

    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    workspace_shell(stage->ws, "touch -d '-600 seconds' " MISS);
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_false(workspace_exists(stage->ws, MISS));
}

static void what_a_server_could_not_tell_is_no_miss(void **state)
{
    debuginfod_stage_t *stage = *state;

    http_server_stop(&stage->server);
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    assert_false(workspace_exists(stage->ws, MISS));
}

/* --- Servers that do not answer ------------------------------------------------------------ */

static void a_server_that_does_not_answer_is_asked_twice_and_no_more(void **state)
{
    debuginfod_stage_t *stage = *state;
    int i;

    workspace_write(stage->ws, "served/executable", "");
    for (i = 0; i < 4; i++) {
        debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    }
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 2);
    assert_int_equal(http_server_count(&stage->other, EXECUTABLE), 4);
    assert_string_equal(stage->search.servers, stage->other.url);
    debuginfod_expect_told(stage, "W No answer: ");
    debuginfod_expect_told(stage, "; this server is not asked again");
}

static void the_next_task_asks_it_again(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    debuginfod_begin(stage);
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 3);
}

static void when_none_answers_that_is_said(void **state)
{
    debuginfod_stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "");
    workspace_write(stage->ws, "served-2/executable", "");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, stage->other.url);
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, stage->other.url);
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "no debuginfod server answers");
    assert_string_equal(stage->search.servers, "");
}

static void the_rest_of_a_tasks_time_is_for_gdb(void **state)
{
    debuginfod_stage_t *stage = *state;

    stage->config.max_task_runtime_s = 0;
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "the time for downloads is over");
    assert_int_equal(http_server_count(&stage->server, "connection"), 0);
    assert_false(workspace_exists(stage->ws, MISS));
}

/* --- Several tasks ------------------------------------------------------------------------- */

static int find_in_child(void *baton)
{
    worker_found_t *found = NULL;

    (void)alarm(LIFETIME_S);
    return debuginfod_find(&found, baton, WORKER_FILE_EXECUTABLE) == APR_SUCCESS ? 0 : 1;
}

static void many_who_want_it_at_once_fetch_it_once(void **state)
{
    debuginfod_stage_t *stage = *state;
    pid_t children[8];
    int i;

    debuginfod_serve(stage, "built/lib.so", "served/executable");
    for (i = 0; i < 8; i++) {
        children[i] = workspace_start(find_in_child, stage);
    }
    for (i = 0; i < 8; i++) {
        assert_int_equal(workspace_wait(children[i]), 0);
    }
    assert_int_equal(http_server_count(&stage->server, "GET"), 1);
}

static void who_has_waited_long_enough_fetches_it_himself(void **state)
{
    debuginfod_stage_t *stage = *state;
    int lock = -1;

    workspace_make_dir(stage->ws, "cache/fetching");
    assert_int_equal(retrace_fs_lock(&lock, stage->ws->dir, "cache/fetching/11.lock", false, NULL),
                     APR_SUCCESS);
    stage->config.debuginfod_timeout_s = 1;
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    (void)close(lock);
}

static void for_what_is_known_nobody_waits(void **state)
{
    debuginfod_stage_t *stage = *state;
    int lock = -1;

    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "does not have it");
    assert_int_equal(retrace_fs_lock(&lock, stage->ws->dir, "cache/fetching/11.lock", false, NULL),
                     APR_SUCCESS);
    stage->config.debuginfod_timeout_s = 3600; /* the alarm would ring */
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "less than 600 s ago");
    (void)close(lock);
}

static void without_space_nothing_is_fetched(void **state)
{
    debuginfod_stage_t *stage = *state;

    stage->config.min_storage_left_mb = 16777216;
    debuginfod_serve(stage, "built/lib.so", "served/executable");
    debuginfod_expect_none(stage, WORKER_FILE_EXECUTABLE, "less than MinStorageLeft (16777216 MB)");
    assert_int_equal(http_server_count(&stage->server, "GET"), 0);
    debuginfod_expect_told(stage, "W Not used: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, debuginfod_setup, debuginfod_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_executable_is_fetched_into_the_cache),
        TEST(debug_information_and_dwz_files_are_asked_for_as_debuginfo),
        TEST(the_second_server_is_asked_when_the_first_has_none),
        TEST(one_connection_serves_all_files_of_a_task),
        TEST(without_servers_nothing_is_asked_and_said),
        TEST(what_is_in_the_cache_by_now_is_not_asked_for),
        TEST(another_build_is_refused_and_the_next_server_asked),
        TEST(what_is_no_elf_file_is_refused),
        TEST(a_cut_elf_file_is_refused),
        TEST(another_kind_is_refused),
        TEST(an_error_of_the_server_is_told),
        TEST(a_redirect_to_a_file_is_refused),
        TEST(a_file_at_the_limit_is_taken),
        TEST(a_file_beyond_the_limit_is_refused),
        TEST(nothing_but_locks_and_misses_is_left),
        TEST(a_miss_is_remembered_by_the_next_task),
        TEST(a_miss_that_is_over_is_asked_for_again_and_forgotten),
        TEST(what_a_server_could_not_tell_is_no_miss),
        TEST(a_server_that_does_not_answer_is_asked_twice_and_no_more),
        TEST(the_next_task_asks_it_again),
        TEST(when_none_answers_that_is_said),
        TEST(the_rest_of_a_tasks_time_is_for_gdb),
        TEST(many_who_want_it_at_once_fetch_it_once),
        TEST(who_has_waited_long_enough_fetches_it_himself),
        TEST(for_what_is_known_nobody_waits),
        TEST(without_space_nothing_is_fetched),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
