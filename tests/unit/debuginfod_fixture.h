/* SPDX-License-Identifier: Apache-2.0 */
/* Two HTTP servers that stand for debuginfod, an empty cache, and questions to the source. */
#ifndef RETRACE_TESTS_DEBUGINFOD_FIXTURE_H
#define RETRACE_TESTS_DEBUGINFOD_FIXTURE_H

#include "tests/unit/http_server.h"
#include "worker/resolve/source.h"

#define CACHED     "cache/11/11111111111111111111111111111111111111"
#define MISS       "cache/missing/" SAMPLE_ID ".executable"
#define EXECUTABLE "GET /buildid/" SAMPLE_ID "/executable\n"
#define DEBUGINFO  "GET /buildid/" SAMPLE_ID "/debuginfo\n"
#define LIFETIME_S 60

typedef struct debuginfod_stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_errand_t errand;
    worker_search_t search;
    http_server_t server; /* has what is in served/ */
    http_server_t other;  /* likewise, in served-2/ */
    const char *log;      /* "<level> <text>" lines */
} debuginfod_stage_t;

/** For cmocka_unit_test_setup_teardown: *state is a debuginfod_stage_t. */
int debuginfod_setup(void **state);
int debuginfod_teardown(void **state);

/** As a task begins. */
void debuginfod_begin(debuginfod_stage_t *stage);

/** From now on a server has this file. @param to  in served/ or served-2/ */
void debuginfod_serve(debuginfod_stage_t *stage, const char *from, const char *to);

/** Ask for SAMPLE_ID. */
apr_status_t debuginfod_find(worker_found_t **pfound, debuginfod_stage_t *stage,
                             worker_file_kind_t kind);

/** Each fails the test otherwise. */
void debuginfod_expect_found(debuginfod_stage_t *stage, worker_file_kind_t kind,
                             const char *original);
void debuginfod_expect_none(debuginfod_stage_t *stage, worker_file_kind_t kind, const char *words);
void debuginfod_expect_told(const debuginfod_stage_t *stage, const char *words);

#endif
