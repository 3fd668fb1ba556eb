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
#include "tests/unit/http_server.h"
#include "worker/resolve/source.h"

#define CACHED     "cache/11/11111111111111111111111111111111111111"
#define MISS       "cache/missing/" SAMPLE_ID ".executable"
#define EXECUTABLE "GET /buildid/" SAMPLE_ID "/executable\n"
#define DEBUGINFO  "GET /buildid/" SAMPLE_ID "/debuginfo\n"
#define LIFETIME_S 60

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_errand_t errand;
    worker_search_t search;
    http_server_t server; /* has what is in served/ */
    http_server_t other;  /* likewise, in served-2/ */
    const char *log;      /* "<level> <text>" lines */
} stage_t;

/* --- The servers --------------------------------------------------------------------------- */

/* served/executable and served/debuginfo. */
static bool serve_first(const http_server_t *server, int fd, const char *path)
{
    return http_serve_directory(server, "served", fd, path);
}

static bool serve_second(const http_server_t *server, int fd, const char *path)
{
    return http_serve_directory(server, "served-2", fd, path);
}

/* --- The stage ----------------------------------------------------------------------------- */

static void note_line(void *baton, char level, const char *text)
{
    stage_t *stage = baton;

    stage->log = apr_psprintf(stage->ws->pool, "%s%c %s\n", stage->log, level, text);
}

/* As a task begins. */
static void begin(stage_t *stage)
{
    stage->log = "";
    stage->errand = (worker_errand_t){ .tell = note_line, .baton = stage };
    stage->search = (worker_search_t){ .errand = &stage->errand };
}

static int setup(void **state)
{
    stage_t *stage;
    int rc = workspace_setup(state);

    if (rc != 0) {
        return rc;
    }
    (void)alarm(LIFETIME_S);
    stage = apr_pcalloc(((workspace_t *)*state)->pool, sizeof(*stage));
    stage->ws = *state;
    workspace_build_samples(stage->ws);
    workspace_make_dir(stage->ws, "cache");
    workspace_make_dir(stage->ws, "served");
    workspace_make_dir(stage->ws, "served-2");
    http_server_start(&stage->server, stage->ws, "requests", serve_first);
    http_server_start(&stage->other, stage->ws, "requests-2", serve_second);
    stage->config = (retrace_config_t){
        .cache_dir = workspace_path(stage->ws, "cache"),
        .debuginfod_urls =
            apr_pstrcat(stage->ws->pool, stage->server.url, "/ \t", stage->other.url, NULL),
        .debuginfod_timeout_s = 20,
        .debuginfod_max_mb = 1,
        .debuginfod_miss_s = 600,
        .max_task_runtime_s = 3600,
    };
    begin(stage);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_t *stage = *state;
    void *ws = stage->ws;

    (void)alarm(0);
    http_server_stop(&stage->server);
    http_server_stop(&stage->other);
    return workspace_teardown(&ws);
}

static void serve(stage_t *stage, const char *from, const char *to)
{
    workspace_shell(stage->ws, apr_psprintf(stage->ws->pool, "cp %s %s", from, to));
}

static apr_status_t find(worker_found_t **pfound, stage_t *stage, worker_file_kind_t kind)
{
    worker_want_t want = { .kind = kind, .build_id = SAMPLE_ID, .search = &stage->search };

    return worker_source_debuginfod.find(pfound, &stage->config, &want, &stage->ws->err,
                                         stage->ws->pool);
}

static void expect_found(stage_t *stage, worker_file_kind_t kind, const char *original)
{
    worker_found_t *found = NULL;
    const char *name = worker_file_kind_name(kind);

    if (find(&found, stage, kind) != APR_SUCCESS) {
        print_message("%s\n%s", stage->ws->err.text, stage->log);
        fail();
    }
    assert_string_equal(found->source, "debuginfod");
    assert_string_equal(found->path,
                        apr_pstrcat(stage->ws->pool, stage->config.cache_dir,
                                    CACHED + strlen("cache"), "/", name, NULL));
    workspace_shell(stage->ws,
                    apr_psprintf(stage->ws->pool, "cmp %s " CACHED "/%s", original, name));
}

static void expect_none(stage_t *stage, worker_file_kind_t kind, const char *words)
{
    worker_found_t *found = NULL;

    assert_int_not_equal(find(&found, stage, kind), APR_SUCCESS);
    assert_null(found);
    if (strstr(stage->ws->err.text, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, stage->ws->err.text);
        fail();
    }
    assert_false(workspace_exists(stage->ws, CACHED));
}

static void expect_told(const stage_t *stage, const char *words)
{
    if (strstr(stage->log, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, stage->log);
        fail();
    }
}

/* --- What is asked ------------------------------------------------------------------------- */

static void an_executable_is_fetched_into_the_cache(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/lib.so", "served/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 1);
    assert_int_equal(http_server_count(&stage->other, "GET"), 0);
    assert_string_equal(stage->search.servers,
                        apr_pstrcat(stage->ws->pool, stage->server.url, "/", NULL));
    expect_told(stage, "I Fetched in ");
}

static void debug_information_and_dwz_files_are_asked_for_as_debuginfo(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/lib.debug", "served/debuginfo");
    expect_found(stage, WORKER_FILE_DEBUGINFO, "built/lib.debug");
    expect_found(stage, WORKER_FILE_DWZ, "built/lib.debug");
    assert_int_equal(http_server_count(&stage->server, DEBUGINFO), 2);
    assert_int_equal(http_server_count(&stage->server, "GET"), 2);
}

static void the_second_server_is_asked_when_the_first_has_none(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/lib.so", "served-2/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 1);
    assert_int_equal(http_server_count(&stage->other, EXECUTABLE), 1);
    assert_null(strchr(stage->log, 'W'));
}

static void one_connection_serves_all_files_of_a_task(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/lib.so", "served/executable");
    serve(stage, "built/lib.debug", "served/debuginfo");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    expect_found(stage, WORKER_FILE_DEBUGINFO, "built/lib.debug");
    assert_int_equal(http_server_count(&stage->server, "connection"), 1);
}

static void without_servers_nothing_is_asked_and_said(void **state)
{
    stage_t *stage = *state;
    worker_found_t *found = NULL;

    stage->config.debuginfod_urls = "";
    (void)retrace_fail(&stage->ws->err, APR_NOTFOUND, "what the source before has said");
    assert_int_equal(find(&found, stage, WORKER_FILE_EXECUTABLE), APR_NOTFOUND);
    assert_string_equal(stage->ws->err.text, "what the source before has said");
    assert_string_equal(stage->search.servers, "");
    assert_int_equal(workspace_count(stage->ws, "cache"), 0);
}

static void what_is_in_the_cache_by_now_is_not_asked_for(void **state)
{
    stage_t *stage = *state;
    worker_found_t *found = NULL;

    serve(stage, "built/lib.so", "served/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_int_equal(find(&found, stage, WORKER_FILE_EXECUTABLE), APR_SUCCESS);
    assert_string_equal(found->source, "cache");
    assert_int_equal(http_server_count(&stage->server, "GET"), 1);
}

/* --- What is refused ----------------------------------------------------------------------- */

static void expect_refused(stage_t *stage, worker_file_kind_t kind, const char *words)
{
    expect_none(stage, kind, stage->other.url);
    expect_told(stage, "W Not used: ");
    expect_told(stage, words);
    assert_int_equal(http_server_count(&stage->other, "GET"), 1);
}

static void another_build_is_refused_and_the_next_server_asked(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/other.so", "served/executable");
    serve(stage, "built/lib.so", "served-2/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    expect_told(stage, "W Not used: ");
    expect_told(stage, "(what the server sends has build-id " OTHER_ID ")");
}

static void what_is_no_elf_file_is_refused(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "<html>\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "is not a sound ELF file");
}

static void a_cut_elf_file_is_refused(void **state)
{
    stage_t *stage = *state;

    workspace_shell(stage->ws, "head -c 2000 built/lib.so >served/executable");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "is not a sound ELF file");
}

static void another_kind_is_refused(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/lib.so", "served/debuginfo");
    expect_refused(stage, WORKER_FILE_DEBUGINFO, "holds no debuginfo");
}

static void an_error_of_the_server_is_told(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "the server answers with 500");
    assert_false(workspace_exists(stage->ws, MISS));
}

static void a_redirect_to_a_file_is_refused(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable",
                    "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "redirects to file:///etc/passwd");
}

static void a_file_at_the_limit_is_taken(void **state)
{
    stage_t *stage = *state;

    workspace_shell(stage->ws, "truncate -s 1048576 built/lib.so");
    serve(stage, "built/lib.so", "served/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    stage_t *stage = *state;

    workspace_shell(stage->ws, "truncate -s 1048577 built/lib.so");
    serve(stage, "built/lib.so", "served/executable");
    expect_refused(stage, WORKER_FILE_EXECUTABLE, "more than 1048576 bytes");
}

static void nothing_but_locks_and_misses_is_left(void **state)
{
    stage_t *stage = *state;

    serve(stage, "built/other.so", "served/executable");
    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    expect_none(stage, WORKER_FILE_DEBUGINFO, "");
    workspace_shell(stage->ws, "test \"$(ls -A cache)\" = 'fetching\nmissing'");
}

/* --- Misses -------------------------------------------------------------------------------- */

static void a_miss_is_remembered_by_the_next_task(void **state)
{
    stage_t *stage = *state;

    expect_none(stage, WORKER_FILE_EXECUTABLE, "the server does not have it");
    assert_true(workspace_exists(stage->ws, MISS));
    begin(stage);
    expect_none(stage, WORKER_FILE_EXECUTABLE, "no debuginfod server had it less than 600 s ago");
    assert_int_equal(http_server_count(&stage->server, "GET"), 1);
    assert_int_equal(http_server_count(&stage->other, "GET"), 1);
    assert_string_equal(
        stage->search.servers,
        apr_pstrcat(stage->ws->pool, stage->server.url, "/, ", stage->other.url, NULL));
}

static void a_miss_that_is_over_is_asked_for_again_and_forgotten(void **state)
{
    stage_t *stage = *state;

    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    serve(stage, "built/lib.so", "served/executable");
    workspace_shell(stage->ws, "touch -d '-600 seconds' " MISS);
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    assert_false(workspace_exists(stage->ws, MISS));
}

static void what_a_server_could_not_tell_is_no_miss(void **state)
{
    stage_t *stage = *state;

    http_server_stop(&stage->server);
    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    assert_false(workspace_exists(stage->ws, MISS));
    http_server_start(&stage->server, stage->ws, "requests", serve_first);
}

/* --- Servers that do not answer ------------------------------------------------------------ */

static void a_server_that_does_not_answer_is_asked_twice_and_no_more(void **state)
{
    stage_t *stage = *state;
    int i;

    workspace_write(stage->ws, "served/executable", "");
    for (i = 0; i < 4; i++) {
        expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    }
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 2);
    assert_int_equal(http_server_count(&stage->other, EXECUTABLE), 4);
    assert_string_equal(stage->search.servers, stage->other.url);
    expect_told(stage, "W No answer: ");
    expect_told(stage, "; this server is not asked again");
}

static void the_next_task_asks_it_again(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "");
    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    begin(stage);
    expect_none(stage, WORKER_FILE_EXECUTABLE, "");
    assert_int_equal(http_server_count(&stage->server, EXECUTABLE), 3);
}

static void when_none_answers_that_is_said(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "served/executable", "");
    workspace_write(stage->ws, "served-2/executable", "");
    expect_none(stage, WORKER_FILE_EXECUTABLE, stage->other.url);
    expect_none(stage, WORKER_FILE_EXECUTABLE, stage->other.url);
    expect_none(stage, WORKER_FILE_EXECUTABLE, "no debuginfod server answers");
    assert_string_equal(stage->search.servers, "");
}

static void the_rest_of_a_tasks_time_is_for_gdb(void **state)
{
    stage_t *stage = *state;

    stage->config.max_task_runtime_s = 0;
    serve(stage, "built/lib.so", "served/executable");
    expect_none(stage, WORKER_FILE_EXECUTABLE, "the time for downloads is over");
    assert_int_equal(http_server_count(&stage->server, "connection"), 0);
    assert_false(workspace_exists(stage->ws, MISS));
}

/* --- Several tasks ------------------------------------------------------------------------- */

static int find_in_child(void *baton)
{
    worker_found_t *found = NULL;

    (void)alarm(LIFETIME_S);
    return find(&found, baton, WORKER_FILE_EXECUTABLE) == APR_SUCCESS ? 0 : 1;
}

static void many_who_want_it_at_once_fetch_it_once(void **state)
{
    stage_t *stage = *state;
    pid_t children[8];
    int i;

    serve(stage, "built/lib.so", "served/executable");
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
    stage_t *stage = *state;
    int lock = -1;

    workspace_make_dir(stage->ws, "cache/fetching");
    assert_int_equal(retrace_fs_lock(&lock, stage->ws->dir, "cache/fetching/11.lock", false, NULL),
                     APR_SUCCESS);
    stage->config.debuginfod_timeout_s = 1;
    serve(stage, "built/lib.so", "served/executable");
    expect_found(stage, WORKER_FILE_EXECUTABLE, "built/lib.so");
    (void)close(lock);
}

static void for_what_is_known_nobody_waits(void **state)
{
    stage_t *stage = *state;
    int lock = -1;

    expect_none(stage, WORKER_FILE_EXECUTABLE, "does not have it");
    assert_int_equal(retrace_fs_lock(&lock, stage->ws->dir, "cache/fetching/11.lock", false, NULL),
                     APR_SUCCESS);
    stage->config.debuginfod_timeout_s = 3600; /* the alarm would ring */
    expect_none(stage, WORKER_FILE_EXECUTABLE, "less than 600 s ago");
    (void)close(lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
