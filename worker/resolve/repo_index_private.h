/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the index share: its database, and how statements are run. */
#ifndef RETRACE_WORKER_REPO_INDEX_PRIVATE_H
#define RETRACE_WORKER_REPO_INDEX_PRIVATE_H

#include <sqlite3.h>

#include "worker/resolve/repo_index.h"

struct worker_index_t {
    sqlite3 *handle;
    const char *path;
    const char *journal;
    retrace_error_t trouble; /* the last thing that failed */
};

/** What is put into a statement; nothing of it is copied. */
typedef struct worker_index_value_t {
    const char *text; /* NULL: the number counts, unless it is null */
    const void *blob; /* not NULL: bytes, `number` of them */
    int64_t number;
    bool is_null;
} worker_index_value_t;

worker_index_value_t worker_index_text_value(const char *text);
worker_index_value_t worker_index_number_value(int64_t number);
worker_index_value_t worker_index_blob_value(const void *bytes, size_t length);

apr_status_t worker_index_fail(worker_index_t *index, retrace_error_t *err);

/** Run statements without values and rows. */
apr_status_t worker_index_run(worker_index_t *index, const char *statements, retrace_error_t *err);

/** A statement with its values; worker_index_finish ends it. */
apr_status_t worker_index_prepare(sqlite3_stmt **pstatement, worker_index_t *index,
                                  const char *text, const worker_index_value_t *values, int count,
                                  retrace_error_t *err);
apr_status_t worker_index_bind(worker_index_t *index, sqlite3_stmt *statement,
                               const worker_index_value_t *values, int count, retrace_error_t *err);
/** @param rc  what the last step said; only SQLITE_DONE is good */
apr_status_t worker_index_finish(worker_index_t *index, sqlite3_stmt *statement, int rc,
                                 retrace_error_t *err);

/** Run one statement that gives no rows. */
apr_status_t worker_index_change(worker_index_t *index, const char *text,
                                 const worker_index_value_t *values, int count,
                                 retrace_error_t *err);

/** A column, in p; "" for null. */
const char *worker_index_text(sqlite3_stmt *statement, int at, apr_pool_t *p);

#endif
