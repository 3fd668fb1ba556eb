/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_index.h: packages that the metadata of a repository name. Rows go in in the order of their
 * keys, by one prepared statement for each table: a third of a million build-ids take half a second. */
#include <apr_strings.h>
#include <string.h>

#include "worker/path.h"
#include "worker/resolve/repo_index_private.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

apr_status_t worker_index_metadata(const char **pmetadata, const char **pcomplaint,
                                   worker_index_t *index, retrace_error_t *err, apr_pool_t *p)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv = worker_index_prepare(&statement, index,
                                           "SELECT metadata, complaint FROM meta", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *pmetadata = worker_index_text(statement, 0, p);
        *pcomplaint = worker_index_text(statement, 1, p);
    }
    else {
        rv = worker_index_fail(index, err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

apr_status_t worker_index_complain(worker_index_t *index, const char *complaint,
                                   retrace_error_t *err)
{
    const worker_index_value_t values[] = { worker_index_text_value(complaint) };

    return worker_index_change(index, "UPDATE meta SET complaint = ?1", values, 1, err);
}

apr_status_t worker_index_forget_metadata(worker_index_t *index, retrace_error_t *err)
{
    return worker_index_run(index, "UPDATE meta SET metadata = ''", err);
}

apr_status_t worker_index_known(apr_hash_t **pknown, worker_index_t *index, retrace_error_t *err,
                                apr_pool_t *p)
{
    apr_hash_t *known = apr_hash_make(p);
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(&statement, index,
                                           "SELECT checksum, location FROM remote", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        apr_hash_set(known, worker_index_text(statement, 0, p), APR_HASH_KEY_STRING,
                     worker_index_text(statement, 1, p));
    }
    rv = worker_index_finish(index, statement, rc, err);
    if (rv == APR_SUCCESS) {
        *pknown = known;
    }
    return rv;
}

/* --- Changes ------------------------------------------------------------------------------- */

/* Runs a prepared statement once more. */
static apr_status_t step(worker_index_t *index, sqlite3_stmt *statement,
                         const worker_index_value_t *values, int count, retrace_error_t *err)
{
    apr_status_t rv = worker_index_bind(index, statement, values, count, err);

    if (rv == APR_SUCCESS && sqlite3_step(statement) != SQLITE_DONE) {
        rv = worker_index_fail(index, err);
    }
    (void)sqlite3_reset(statement);
    return rv;
}

static apr_status_t remove_gone(worker_index_t *index, const worker_repodata_t *data,
                                retrace_error_t *err)
{
    static const char gone[] =
        "DELETE FROM remote_file WHERE package IN (SELECT id FROM remote JOIN gone USING "
        "(checksum));"
        "DELETE FROM remote WHERE checksum IN (SELECT checksum FROM gone);"
        "DROP TABLE gone;";
    apr_hash_index_t *at;
    sqlite3_stmt *statement = NULL;
    apr_status_t rv =
        worker_index_run(index, "CREATE TEMP TABLE gone (checksum TEXT PRIMARY KEY)", err);

    if (rv == APR_SUCCESS) {
        rv = worker_index_prepare(&statement, index, "INSERT INTO gone VALUES (?1)", NULL, 0, err);
    }
    for (at = apr_hash_first(NULL, (apr_hash_t *)(void *)(uintptr_t)data->known);
         at != NULL && rv == APR_SUCCESS; at = apr_hash_next(at)) {
        const char *checksum = apr_hash_this_key(at);
        const worker_index_value_t values[] = { worker_index_text_value(checksum) };

        if (apr_hash_get(data->kept, checksum, APR_HASH_KEY_STRING) == NULL) {
            rv = step(index, statement, values, 1, err);
        }
    }
    (void)sqlite3_finalize(statement);
    return rv == APR_SUCCESS ? worker_index_run(index, gone, err) : rv;
}

static apr_status_t put_packages(worker_index_t *index, const worker_repodata_t *data,
                                 int64_t first_id, retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    int i;
    apr_status_t rv = worker_index_prepare(
        &statement, index,
        "INSERT INTO remote VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", NULL, 0, err);

    for (i = 0; i < data->packages->nelts && rv == APR_SUCCESS; i++) {
        const worker_remote_t *remote = &APR_ARRAY_IDX(data->packages, i, worker_remote_t);
        const worker_index_value_t values[] = {
            worker_index_number_value(first_id + i),
            worker_index_text_value(remote->location),
            worker_index_number_value(remote->size),
            worker_index_text_value(remote->checksum.type),
            worker_index_text_value(remote->checksum.digits),
            worker_index_text_value(remote->name),
            worker_index_text_value(remote->epoch),
            worker_index_text_value(remote->version),
            worker_index_text_value(remote->release),
            worker_index_text_value(remote->arch),
            worker_index_text_value(remote->source),
        };

        rv = step(index, statement, values, COUNT_OF(values), err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

static apr_status_t put_keys(worker_index_t *index, const worker_repodata_t *data, int64_t first_id,
                             retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    int i;
    apr_status_t rv = worker_index_prepare(
        &statement, index, "INSERT OR IGNORE INTO remote_file VALUES (?1, ?2, ?3)", NULL, 0, err);

    for (i = 0; i < data->keys->nelts && rv == APR_SUCCESS; i++) {
        const worker_remote_key_t *key = &APR_ARRAY_IDX(data->keys, i, worker_remote_key_t);
        const worker_index_value_t values[] = {
            worker_index_blob_value(key->key, key->length), worker_index_number_value(key->kind),
            worker_index_number_value(first_id + key->package)
        };

        rv = step(index, statement, values, COUNT_OF(values), err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

/* One row for each directory, made while all locations are in the hands. */
static apr_status_t put_directories(worker_index_t *index, const worker_repodata_t *data,
                                    retrace_error_t *err, apr_pool_t *p)
{
    apr_hash_t *directories = apr_hash_make(p);
    apr_hash_index_t *at;
    sqlite3_stmt *statement = NULL;
    int i;
    apr_status_t rv = worker_index_prepare(
        &statement, index, "INSERT OR IGNORE INTO directory VALUES (?1)", NULL, 0, err);

    for (i = 0; i < data->packages->nelts; i++) {
        const char *location = APR_ARRAY_IDX(data->packages, i, worker_remote_t).location;
        const char *slash = strrchr(location, '/');

        if (slash != NULL && apr_hash_get(directories, location, slash - location) == NULL) {
            apr_hash_set(directories, location, slash - location, location);
        }
    }
    for (at = apr_hash_first(p, directories); at != NULL && rv == APR_SUCCESS;
         at = apr_hash_next(at)) {
        const worker_index_value_t values[] = { worker_index_text_value(
            apr_pstrmemdup(p, apr_hash_this_key(at), (apr_size_t)apr_hash_this_key_len(at))) };

        rv = step(index, statement, values, 1, err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

static apr_status_t next_id(int64_t *pid, worker_index_t *index, retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv = worker_index_prepare(
        &statement, index, "SELECT ifnull(max(id), 0) + 1 FROM remote", NULL, 0, err);

    if (rv == APR_SUCCESS && sqlite3_step(statement) != SQLITE_ROW) {
        rv = worker_index_fail(index, err);
    }
    if (rv == APR_SUCCESS) {
        *pid = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

apr_status_t worker_index_put_remote(worker_index_t *index, const worker_repodata_t *data,
                                     const char *metadata, retrace_error_t *err, apr_pool_t *p)
{
    const worker_index_value_t values[] = { worker_index_text_value(metadata) };
    int64_t first_id = 0;
    apr_status_t rv = remove_gone(index, data, err);

    if (rv == APR_SUCCESS) {
        rv = next_id(&first_id, index, err);
    }
    if (rv == APR_SUCCESS) {
        rv = put_packages(index, data, first_id, err);
    }
    if (rv == APR_SUCCESS) {
        rv = put_keys(index, data, first_id, err);
    }
    if (rv == APR_SUCCESS) {
        rv = put_directories(index, data, err, p);
    }
    return rv == APR_SUCCESS ? worker_index_change(
               index, "UPDATE meta SET metadata = ?1, complaint = ''", values, 1, err)
                             : rv;
}

/* --- Questions ----------------------------------------------------------------------------- */

apr_status_t worker_index_directories(apr_array_header_t **pdirectories, worker_index_t *index,
                                      retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *directories = apr_array_make(p, 32, sizeof(const char *));
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv =
        worker_index_prepare(&statement, index, "SELECT path FROM directory", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        APR_ARRAY_PUSH(directories, const char *) = worker_index_text(statement, 0, p);
    }
    rv = worker_index_finish(index, statement, rc, err);
    if (rv == APR_SUCCESS) {
        *pdirectories = directories;
    }
    return rv;
}

static void take_candidate(apr_array_header_t *candidates, sqlite3_stmt *statement, apr_pool_t *p)
{
    worker_candidate_t *candidate = apr_array_push(candidates);
    worker_remote_file_t *remote = apr_palloc(p, sizeof(*remote));

    remote->size = sqlite3_column_int64(statement, 1);
    remote->type = worker_index_text(statement, 2, p);
    remote->checksum = worker_index_text(statement, 3, p);
    *candidate = (worker_candidate_t){ .file = worker_index_text(statement, 0, p),
                                       .size = remote->size,
                                       .name = worker_index_text(statement, 4, p),
                                       .epoch = worker_index_text(statement, 5, p),
                                       .version = worker_index_text(statement, 6, p),
                                       .release = worker_index_text(statement, 7, p),
                                       .arch = worker_index_text(statement, 8, p),
                                       .source = worker_index_text(statement, 9, p),
                                       .remote = remote };
}

static apr_status_t find(apr_array_header_t *candidates, worker_index_t *index,
                         worker_file_kind_t kind, const void *key, size_t length,
                         retrace_error_t *err, apr_pool_t *p)
{
    const worker_index_value_t values[] = { worker_index_blob_value(key, length),
                                            worker_index_number_value((int64_t)kind) };
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(
        &statement, index,
        "SELECT location, remote.size, type, checksum, remote.name, remote.epoch, remote.version, "
        "remote.release, remote.arch, remote.source FROM remote_file JOIN remote ON package = id "
        "WHERE key = ?1 AND kind = ?2 AND NOT EXISTS (SELECT 1 FROM package WHERE file = location)",
        values, 2, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        take_candidate(candidates, statement, p);
    }
    return worker_index_finish(index, statement, rc, err);
}

/* A dwz file is known by its name, or as debug information: what its link leads to is not known. */
apr_status_t worker_index_find_remote(apr_array_header_t *candidates, worker_index_t *index,
                                      worker_file_kind_t kind, const char *key,
                                      retrace_error_t *err, apr_pool_t *p)
{
    unsigned char bytes[WORKER_BUILD_ID_DIGITS / 2];
    size_t length = worker_build_id_bytes(bytes, key);

    if (length > 0) {
        return find(candidates, index,
                    kind == WORKER_FILE_EXECUTABLE ? kind : WORKER_FILE_DEBUGINFO, bytes, length,
                    err, p);
    }
    return kind == WORKER_FILE_DWZ && key[0] != '\0'
        ? find(candidates, index, kind, key, strlen(key), err, p)
        : APR_SUCCESS;
}

/* --- By name ------------------------------------------------------------------------------- */

static apr_status_t put_names(worker_index_t *index, const apr_array_header_t *names,
                              retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    int i;
    apr_status_t rv = worker_index_prepare(&statement, index,
                                           "INSERT OR IGNORE INTO asked VALUES (?1)", NULL, 0, err);

    for (i = 0; i < names->nelts && rv == APR_SUCCESS; i++) {
        const worker_index_value_t values[] = { worker_index_text_value(
            APR_ARRAY_IDX(names, i, const char *)) };

        rv = step(index, statement, values, 1, err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

/* Names have no index: it would cost each build more than one pass over the packages takes here. */
static apr_status_t take_named(apr_array_header_t *candidates, worker_index_t *index,
                               retrace_error_t *err, apr_pool_t *p)
{
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(
        &statement, index,
        "SELECT name, epoch, version, release, arch FROM package WHERE name IN (SELECT name FROM "
        "asked) UNION ALL SELECT name, epoch, version, release, arch FROM remote WHERE name IN "
        "(SELECT name FROM asked)",
        NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        APR_ARRAY_PUSH(candidates, worker_candidate_t) =
            (worker_candidate_t){ .name = worker_index_text(statement, 0, p),
                                  .epoch = worker_index_text(statement, 1, p),
                                  .version = worker_index_text(statement, 2, p),
                                  .release = worker_index_text(statement, 3, p),
                                  .arch = worker_index_text(statement, 4, p) };
    }
    return worker_index_finish(index, statement, rc, err);
}

apr_status_t worker_index_find_named(apr_array_header_t *candidates, worker_index_t *index,
                                     const apr_array_header_t *names, retrace_error_t *err,
                                     apr_pool_t *p)
{
    apr_status_t rv =
        worker_index_run(index,
                         "CREATE TEMP TABLE IF NOT EXISTS asked (name TEXT PRIMARY KEY);"
                         "DELETE FROM asked",
                         err);

    if (rv == APR_SUCCESS) {
        rv = put_names(index, names, err);
    }
    return rv == APR_SUCCESS ? take_named(candidates, index, err, p) : rv;
}
