/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_index.h. */
#include "worker/resolve/repo_index.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "worker/resolve/repo_index_private.h"

#define VERSION 2
#define BUSY_MS 60000 /* a commit of another worker takes a few of them */

/* `key` is a build-id, or the name of a dwz file: of those the header tells no build-id. `package` and
 * `file` are packages on disk, `remote` and `remote_file` what the metadata name, `directory` where
 * those would lie: repo_index_remote.c. */
static const char schema[] =
    "PRAGMA user_version = 2;"
    "CREATE TABLE meta (stamp TEXT NOT NULL, metadata TEXT NOT NULL, complaint TEXT NOT NULL);"
    "CREATE TABLE package (id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, size INTEGER NOT "
    "NULL,"
    " mtime_us INTEGER NOT NULL, refusal TEXT, name TEXT, epoch TEXT, version TEXT, release TEXT,"
    " arch TEXT, source TEXT);"
    "CREATE TABLE file (key TEXT NOT NULL, kind INTEGER NOT NULL, package INTEGER NOT NULL,"
    " path TEXT NOT NULL, PRIMARY KEY (key, kind, package, path)) WITHOUT ROWID;"
    "CREATE INDEX file_package ON file (package);"
    "CREATE TABLE remote (id INTEGER PRIMARY KEY, location TEXT NOT NULL, size INTEGER NOT NULL,"
    " type TEXT NOT NULL, checksum TEXT NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL,"
    " version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL, source TEXT NOT NULL);"
    "CREATE TABLE remote_file (key BLOB NOT NULL, kind INTEGER NOT NULL, package INTEGER NOT NULL,"
    " PRIMARY KEY (key, kind, package)) WITHOUT ROWID;"
    "CREATE TABLE directory (path TEXT PRIMARY KEY) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('', '', '');";

/* --- Opening ------------------------------------------------------------------------------- */

static apr_status_t close_index(void *data)
{
    worker_index_t *index = data;

    (void)sqlite3_close(index->handle);
    index->handle = NULL;
    return APR_SUCCESS;
}

static apr_status_t read_version(int *pversion, worker_index_t *index, retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv = worker_index_prepare(&statement, index, "PRAGMA user_version", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *pversion = sqlite3_column_int(statement, 0);
    }
    else {
        rv = worker_index_fail(index, err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

static apr_status_t make_schema(worker_index_t *index, retrace_error_t *err)
{
    apr_status_t rv = worker_index_begin(index, err);

    if (rv == APR_SUCCESS) {
        rv = worker_index_run(index, schema, err);
    }
    return rv == APR_SUCCESS ? worker_index_run(index, "COMMIT", err) : rv;
}

/* Tables that are not there are damage, too. */
static apr_status_t require_stamp(worker_index_t *index, retrace_error_t *err)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv =
        worker_index_prepare(&statement, index, "SELECT stamp FROM meta", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return sqlite3_errcode(index->handle) == SQLITE_ERROR
            ? retrace_fail(err, WORKER_INDEX_DAMAGED, "%s has no tables", index->path)
            : rv;
    }
    rv = sqlite3_step(statement) == SQLITE_ROW ? APR_SUCCESS : worker_index_fail(index, err);
    (void)sqlite3_finalize(statement);
    return rv;
}

static apr_status_t open_file(worker_index_t *index, retrace_error_t *err)
{
    int version = 0;
    apr_status_t rv;

    if (sqlite3_open_v2(index->path, &index->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        NULL)
        != SQLITE_OK) {
        return worker_index_fail(index, err);
    }
    (void)sqlite3_busy_timeout(index->handle, BUSY_MS);
    rv = read_version(&version, index, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (version == 0) {
        return make_schema(index, err);
    }
    return version == VERSION
        ? require_stamp(index, err)
        : retrace_fail(err, WORKER_INDEX_DAMAGED, "%s is no index of this version", index->path);
}

/* Only what is known to be no good is removed: memory or descriptors may have run out. */
apr_status_t worker_index_rebuild(worker_index_t *index, retrace_error_t *err)
{
    (void)close_index(index);
    (void)unlink(index->path);
    (void)unlink(index->journal);
    return open_file(index, err);
}

apr_status_t worker_index_open(worker_index_t **pindex, const char *path, retrace_error_t *err,
                               apr_pool_t *p)
{
    worker_index_t *index = apr_pcalloc(p, sizeof(*index));
    apr_status_t rv;

    index->path = apr_pstrdup(p, path);
    index->journal = apr_pstrcat(p, path, "-journal", NULL);
    apr_pool_cleanup_register(p, index, close_index, apr_pool_cleanup_null);
    rv = open_file(index, err);
    if (rv == WORKER_INDEX_DAMAGED) {
        rv = worker_index_rebuild(index, err);
    }
    if (rv == APR_SUCCESS) {
        *pindex = index;
    }
    return rv;
}

apr_status_t worker_index_stamp(const char **pstamp, worker_index_t *index, retrace_error_t *err,
                                apr_pool_t *p)
{
    sqlite3_stmt *statement = NULL;
    apr_status_t rv =
        worker_index_prepare(&statement, index, "SELECT stamp FROM meta", NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *pstamp = worker_index_text(statement, 0, p);
    }
    else {
        rv = worker_index_fail(index, err);
    }
    (void)sqlite3_finalize(statement);
    return rv;
}

retrace_error_t worker_index_trouble(worker_index_t *index)
{
    const retrace_error_t trouble = index->trouble;

    index->trouble.status = APR_SUCCESS;
    return trouble;
}

apr_status_t worker_index_open_as_it_is(worker_index_t **pindex, const char *path,
                                        retrace_error_t *err, apr_pool_t *p)
{
    worker_index_t *index = apr_pcalloc(p, sizeof(*index));
    int version = 0;
    apr_status_t rv;

    index->path = apr_pstrdup(p, path);
    index->journal = apr_pstrcat(p, path, "-journal", NULL);
    apr_pool_cleanup_register(p, index, close_index, apr_pool_cleanup_null);
    if (sqlite3_open_v2(path, &index->handle, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        return worker_index_fail(index, err);
    }
    (void)sqlite3_busy_timeout(index->handle, BUSY_MS);
    rv = read_version(&version, index, err);
    if (rv == APR_SUCCESS && version != VERSION) {
        rv = retrace_fail(err, WORKER_INDEX_DAMAGED, "%s is no index of this version", path);
    }
    if (rv == APR_SUCCESS) {
        *pindex = index;
    }
    return rv;
}

/* --- Changes ------------------------------------------------------------------------------- */

apr_status_t worker_index_begin(worker_index_t *index, retrace_error_t *err)
{
    return worker_index_run(index, "BEGIN IMMEDIATE", err);
}

apr_status_t worker_index_commit(worker_index_t *index, const char *stamp, retrace_error_t *err)
{
    const worker_index_value_t values[] = { worker_index_text_value(stamp) };
    apr_status_t rv = worker_index_change(index, "UPDATE meta SET stamp = ?1", values, 1, err);

    return rv == APR_SUCCESS ? worker_index_run(index, "COMMIT", err) : rv;
}

void worker_index_rollback(worker_index_t *index)
{
    (void)worker_index_run(index, "ROLLBACK", NULL);
}

apr_status_t worker_index_remove(worker_index_t *index, const char *file, retrace_error_t *err)
{
    const worker_index_value_t values[] = { worker_index_text_value(file) };
    apr_status_t rv = worker_index_change(
        index, "DELETE FROM file WHERE package = (SELECT id FROM package WHERE file = ?1)", values,
        1, err);

    return rv == APR_SUCCESS
        ? worker_index_change(index, "DELETE FROM package WHERE file = ?1", values, 1, err)
        : rv;
}

apr_status_t worker_index_clear(worker_index_t *index, retrace_error_t *err)
{
    return worker_index_run(index, "DELETE FROM file; DELETE FROM package", err);
}

static apr_status_t put_files(worker_index_t *index, const worker_package_t *package,
                              retrace_error_t *err)
{
    int64_t id = sqlite3_last_insert_rowid(index->handle);
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < package->files->nelts && rv == APR_SUCCESS; i++) {
        const worker_package_file_t *file =
            &APR_ARRAY_IDX(package->files, i, worker_package_file_t);
        const worker_index_value_t values[] = { worker_index_text_value(file->key),
                                                worker_index_number_value((int64_t)file->kind),
                                                worker_index_number_value(id),
                                                worker_index_text_value(file->path) };

        rv = worker_index_change(index, "INSERT OR IGNORE INTO file VALUES (?1, ?2, ?3, ?4)",
                                 values, 4, err);
    }
    return rv;
}

apr_status_t worker_index_put(worker_index_t *index, const worker_index_entry_t *entry,
                              const worker_package_t *package, retrace_error_t *err)
{
    const worker_index_value_t values[] = {
        worker_index_text_value(entry->file),
        worker_index_number_value(entry->size),
        worker_index_number_value(entry->mtime_us),
        worker_index_text_value(entry->refusal),
        worker_index_text_value(package != NULL ? package->name : NULL),
        worker_index_text_value(package != NULL ? package->epoch : NULL),
        worker_index_text_value(package != NULL ? package->version : NULL),
        worker_index_text_value(package != NULL ? package->release : NULL),
        worker_index_text_value(package != NULL ? package->arch : NULL),
        worker_index_text_value(package != NULL ? package->source : NULL),
    };
    apr_status_t rv = worker_index_remove(index, entry->file, err);

    if (rv == APR_SUCCESS) {
        rv = worker_index_change(
            index,
            "INSERT INTO package (file, size, mtime_us, refusal, name, epoch, version, "
            "release, arch, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            values, (int)(sizeof(values) / sizeof(values[0])), err);
    }
    return rv == APR_SUCCESS && package != NULL ? put_files(index, package, err) : rv;
}

/* --- Questions ----------------------------------------------------------------------------- */

#define ENTRY "SELECT file, size, mtime_us, refusal FROM package "

static apr_status_t select_entries(apr_array_header_t **pentries, worker_index_t *index,
                                   const char *text, const worker_index_value_t *values, int count,
                                   retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *entries = apr_array_make(p, 16, sizeof(worker_index_entry_t));
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(&statement, index, text, values, count, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        worker_index_entry_t *entry = apr_array_push(entries);

        entry->file = worker_index_text(statement, 0, p);
        entry->size = sqlite3_column_int64(statement, 1);
        entry->mtime_us = sqlite3_column_int64(statement, 2);
        entry->refusal = sqlite3_column_type(statement, 3) != SQLITE_NULL
            ? worker_index_text(statement, 3, p)
            : NULL;
    }
    rv = worker_index_finish(index, statement, rc, err);
    if (rv == APR_SUCCESS) {
        *pentries = entries;
    }
    return rv;
}

apr_status_t worker_index_list(apr_hash_t **pentries, worker_index_t *index, retrace_error_t *err,
                               apr_pool_t *p)
{
    apr_array_header_t *entries = NULL;
    apr_status_t rv = select_entries(&entries, index, ENTRY, NULL, 0, err, p);
    apr_hash_t *by_file = apr_hash_make(p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < entries->nelts; i++) {
        const worker_index_entry_t *entry = &APR_ARRAY_IDX(entries, i, worker_index_entry_t);

        apr_hash_set(by_file, entry->file, APR_HASH_KEY_STRING, entry);
    }
    if (rv == APR_SUCCESS) {
        *pentries = by_file;
    }
    return rv;
}

apr_status_t worker_index_refused(apr_array_header_t **prefused, worker_index_t *index, int max,
                                  retrace_error_t *err, apr_pool_t *p)
{
    const worker_index_value_t values[] = { worker_index_number_value(max) };

    return select_entries(prefused, index, ENTRY "WHERE refusal IS NOT NULL ORDER BY file LIMIT ?1",
                          values, 1, err, p);
}

apr_status_t worker_index_find(apr_array_header_t *candidates, worker_index_t *index,
                               worker_file_kind_t kind, const char *key, retrace_error_t *err,
                               apr_pool_t *p)
{
    const worker_index_value_t values[] = { worker_index_text_value(key),
                                            worker_index_number_value((int64_t)kind) };
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(
        &statement, index,
        "SELECT package.file, size, mtime_us, path, epoch, version, release, name, arch, "
        "source FROM file JOIN package ON package = id WHERE key = ?1 AND kind = ?2",
        values, 2, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        worker_candidate_t *candidate = apr_array_push(candidates);

        candidate->file = worker_index_text(statement, 0, p);
        candidate->size = sqlite3_column_int64(statement, 1);
        candidate->mtime_us = sqlite3_column_int64(statement, 2);
        candidate->path = worker_index_text(statement, 3, p);
        candidate->rank = 0;
        candidate->remote = NULL;
        candidate->epoch = worker_index_text(statement, 4, p);
        candidate->version = worker_index_text(statement, 5, p);
        candidate->release = worker_index_text(statement, 6, p);
        candidate->name = worker_index_text(statement, 7, p);
        candidate->arch = worker_index_text(statement, 8, p);
        candidate->source = worker_index_text(statement, 9, p);
    }
    return worker_index_finish(index, statement, rc, err);
}

bool worker_index_has_changed(const worker_index_t *index)
{
    return sqlite3_total_changes(index->handle) > 0;
}

#define USED "SELECT name, epoch, version, release, arch FROM package WHERE refusal IS NULL"
#define REMOTE                                                                                     \
    "SELECT name, epoch, version, release, arch FROM remote WHERE NOT EXISTS (SELECT 1 FROM "      \
    "package WHERE file = location)"

apr_status_t worker_index_packages(apr_array_header_t **ppackages, worker_index_t *index,
                                   bool with_remote, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *packages = apr_array_make(p, 64, sizeof(worker_package_t));
    sqlite3_stmt *statement = NULL;
    int rc;
    apr_status_t rv = worker_index_prepare(
        &statement, index, with_remote ? USED " UNION ALL " REMOTE : USED, NULL, 0, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        worker_package_t *package = apr_array_push(packages);

        package->name = worker_index_text(statement, 0, p);
        package->epoch = worker_index_text(statement, 1, p);
        package->version = worker_index_text(statement, 2, p);
        package->release = worker_index_text(statement, 3, p);
        package->arch = worker_index_text(statement, 4, p);
        package->files = NULL;
        package->source = NULL;
    }
    rv = worker_index_finish(index, statement, rc, err);
    if (rv == APR_SUCCESS) {
        *ppackages = packages;
    }
    return rv;
}
