/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of itself in GET /settings. Pure. */
#ifndef RETRACE_TASK_SETTINGS_H
#define RETRACE_TASK_SETTINGS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define TASK_SETTINGS_MAX (64 * 1024) /* bytes of the reply */

/** Kinds of upload that we can make, the best one first. */
typedef enum task_format_t {
    TASK_FORMAT_ZSTD, /* application/zstd: a tar archive */
    TASK_FORMAT_XZ,   /* application/x-xz-compressed-tar */
    TASK_FORMAT_GZIP, /* application/x-gzip: a tar archive */
    TASK_FORMAT_CORE, /* application/x-coredump: a core and nothing else */
    TASK_FORMATS      /* how many */
} task_format_t;

/** Words of the key `features`, which servers before ours have not. */
typedef enum task_feature_t {
    TASK_FEATURE_LONG_POLL, /* long-poll: GET /<id>?wait=N */
    TASK_FEATURE_SYNC,      /* sync: X-Task-Sync: 1 */
    TASK_FEATURE_JSON,      /* json: Accept: application/json */
    TASK_FEATURE_CANCEL,    /* cancel: POST /<id>/cancel */
    TASK_FEATURE_DELETE,    /* delete: POST /<id>/delete */
    TASK_FEATURES           /* how many */
} task_feature_t;

#define TASK_HAS(set, bit) (((set) & (UINT32_C(1) << (bit))) != 0)

/** Numbers are -1 when the server does not tell them. */
typedef struct task_settings_t {
    int64_t running_tasks;
    int64_t max_running_tasks;
    int64_t max_packed_mb;
    int64_t max_unpacked_mb;
    uint32_t formats; /* bit 1 << task_format_t; only XZ when the server lists none */
    uint32_t features;
    bool has_features; /* the key was there */
    bool is_full;      /* it takes no more tasks; false when it does not tell */
} task_settings_t;

/** The content type of a format. */
const char *task_format_type(task_format_t format);

/**
 * Read the reply: lines `key value...`, of which keys are compared without case; or JSON, which has
 * the real sizes where the lines stop below 2 GB, for the sake of old clients. What is unknown is
 * passed over.
 * @param settings  written only on success
 * @param type      the header Content-Type; NULL: missing
 * @param scratch   dies on return
 * @return TASK_STATUS(TASK_EXIT_PROTOCOL) when not one of the numbers above is in it
 */
apr_status_t task_settings_parse(task_settings_t *settings, const char *type, const char *text,
                                 apr_size_t length, retrace_error_t *err, apr_pool_t *scratch);

#endif
