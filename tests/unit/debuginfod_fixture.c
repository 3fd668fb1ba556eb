/* SPDX-License-Identifier: Apache-2.0 */
/* See debuginfod_fixture.h. */
#include "tests/unit/debuginfod_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_strings.h>

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
    debuginfod_stage_t *stage = baton;

    stage->log = apr_psprintf(stage->ws->pool, "%s%c %s\n", stage->log, level, text);
}

/* As a task begins. */
void debuginfod_begin(debuginfod_stage_t *stage)
{
    stage->log = "";
    stage->errand = (worker_errand_t){ .tell = note_line, .baton = stage };
    stage->search = (worker_search_t){ .errand = &stage->errand };
}

int debuginfod_setup(void **state)
{
    debuginfod_stage_t *stage;
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
    debuginfod_begin(stage);
    *state = stage;
    return 0;
}

int debuginfod_teardown(void **state)
{
    debuginfod_stage_t *stage = *state;
    void *ws = stage->ws;

    (void)alarm(0);
    http_server_stop(&stage->server);
    http_server_stop(&stage->other);
    return workspace_teardown(&ws);
}

void debuginfod_serve(debuginfod_stage_t *stage, const char *from, const char *to)
{
    workspace_shell(stage->ws, apr_psprintf(stage->ws->pool, "cp %s %s", from, to));
}

apr_status_t debuginfod_find(worker_found_t **pfound, debuginfod_stage_t *stage,
                             worker_file_kind_t kind)
{
    worker_want_t want = { .kind = kind, .build_id = SAMPLE_ID, .search = &stage->search };

    return worker_source_debuginfod.find(pfound, &stage->config, &want, &stage->ws->err,
                                         stage->ws->pool);
}

void debuginfod_expect_found(debuginfod_stage_t *stage, worker_file_kind_t kind,
                             const char *original)
{
    worker_found_t *found = NULL;
    const char *name = worker_file_kind_name(kind);

    if (debuginfod_find(&found, stage, kind) != APR_SUCCESS) {
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

void debuginfod_expect_none(debuginfod_stage_t *stage, worker_file_kind_t kind, const char *words)
{
    worker_found_t *found = NULL;

    assert_int_not_equal(debuginfod_find(&found, stage, kind), APR_SUCCESS);
    assert_null(found);
    if (strstr(stage->ws->err.text, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, stage->ws->err.text);
        fail();
    }
    assert_false(workspace_exists(stage->ws, CACHED));
}

void debuginfod_expect_told(const debuginfod_stage_t *stage, const char *words)
{
    if (strstr(stage->log, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, stage->log);
        fail();
    }
}
