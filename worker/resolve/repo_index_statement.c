/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_index_private.h. */
#include "worker/resolve/repo_index_private.h"

#include <apr_strings.h>

apr_status_t worker_index_fail(worker_index_t *index, retrace_error_t *err)
{
    int code = sqlite3_errcode(index->handle) & 0xff;
    bool is_damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;

    (void)retrace_fail(&index->trouble, is_damaged ? WORKER_INDEX_DAMAGED : APR_EGENERAL, "%s: %s",
                       index->path, sqlite3_errmsg(index->handle));
    return retrace_fail(err, index->trouble.status, "%s", index->trouble.text);
}

apr_status_t worker_index_run(worker_index_t *index, const char *statements, retrace_error_t *err)
{
    return sqlite3_exec(index->handle, statements, NULL, NULL, NULL) == SQLITE_OK
        ? APR_SUCCESS
        : worker_index_fail(index, err);
}

worker_index_value_t worker_index_text_value(const char *text)
{
    return (worker_index_value_t){ .text = text, .is_null = text == NULL };
}

worker_index_value_t worker_index_number_value(int64_t number)
{
    return (worker_index_value_t){ .number = number };
}

worker_index_value_t worker_index_blob_value(const void *bytes, size_t length)
{
    return (worker_index_value_t){ .blob = bytes, .number = (int64_t)length };
}

static int bind_value(sqlite3_stmt *statement, int at, const worker_index_value_t *value)
{
    if (value->is_null) {
        return sqlite3_bind_null(statement, at);
    }
    if (value->blob != NULL) {
        return sqlite3_bind_blob(statement, at, value->blob, (int)value->number, SQLITE_STATIC);
    }
    return value->text != NULL ? sqlite3_bind_text(statement, at, value->text, -1, SQLITE_STATIC)
                               : sqlite3_bind_int64(statement, at, value->number);
}

apr_status_t worker_index_bind(worker_index_t *index, sqlite3_stmt *statement,
                               const worker_index_value_t *values, int count, retrace_error_t *err)
{
    int rc = SQLITE_OK;
    int i;

    for (i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = bind_value(statement, i + 1, &values[i]);
    }
    return rc == SQLITE_OK ? APR_SUCCESS : worker_index_fail(index, err);
}

apr_status_t worker_index_prepare(sqlite3_stmt **pstatement, worker_index_t *index,
                                  const char *text, const worker_index_value_t *values, int count,
                                  retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv = sqlite3_prepare_v2(index->handle, text, -1, &statement, NULL) == SQLITE_OK
        ? worker_index_bind(index, statement, values, count, err)
        : worker_index_fail(index, err);

    if (rv != APR_SUCCESS) {
        (void)sqlite3_finalize(statement);
        return rv;
    }
    *pstatement = statement;
    return APR_SUCCESS;
}

apr_status_t worker_index_finish(worker_index_t *index, sqlite3_stmt *statement, int rc,
                                 retrace_error_t *err)
{
    apr_status_t rv = rc == SQLITE_DONE ? APR_SUCCESS : worker_index_fail(index, err);

    (void)sqlite3_finalize(statement);
    return rv;
}

apr_status_t worker_index_change(worker_index_t *index, const char *text,
                                 const worker_index_value_t *values, int count,
                                 retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv = worker_index_prepare(&statement, index, text, values, count, err);

    return rv == APR_SUCCESS ? worker_index_finish(index, statement, sqlite3_step(statement), err)
                             : rv;
}

const char *worker_index_text(sqlite3_stmt *statement, int at, apr_pool_t *p)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);

    return text != NULL ? apr_pstrdup(p, text) : "";
}
