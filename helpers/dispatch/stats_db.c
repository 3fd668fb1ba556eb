/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_db.h. The driver tells most failures as a mere "error"; which one it was is known from
 * SQLite's sentence only. */
#include "helpers/dispatch/stats_db.h"

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"

#define CORRUPT_INFIX ".corrupt-"

struct stats_db_t {
    const apr_dbd_driver_t *driver;
    apr_dbd_t *handle;
    apr_hash_t *prepared; /* statement's text → apr_dbd_prepared_t */
    const char *name;     /* for sentences */
    apr_pool_t *pool;
};

/* --- Failing ------------------------------------------------------------------------------- */

static bool is_corruption(const char *sentence)
{
    static const char *const sentences[] = { "database disk image is malformed",
                                             "file is not a database" };
    size_t i;

    for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (strcmp(sentence, sentences[i]) == 0) {
            return true;
        }
    }
    return false;
}

static apr_status_t check(const stats_db_t *db, int rc, retrace_error_t *err)
{
    const char *sentence;

    if (rc == 0) {
        return APR_SUCCESS;
    }
    sentence = apr_dbd_error(db->driver, db->handle, rc);
    return retrace_fail(err, is_corruption(sentence) ? STATS_CORRUPT : APR_EGENERAL, "%s: %s",
                        db->name, sentence);
}

/* --- Opening ------------------------------------------------------------------------------- */

static apr_status_t close_database(void *data)
{
    stats_db_t *db = data;

    return apr_dbd_close(db->driver, db->handle);
}

/* SQLite would follow a link, and would give the file a mode by umask. Before it opens the file: to
 * close any descriptor of it later would drop SQLite's locks. */
static apr_status_t make_file(const retrace_spool_t *spool, const char *name, retrace_error_t *err)
{
    struct stat info;
    apr_status_t rv = APR_SUCCESS;
    int fd =
        openat(spool->root, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", name);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        rv = retrace_fail(err, APR_EINVAL, "%s is not a regular file", name);
    }
    (void)close(fd);
    return rv;
}

apr_status_t stats_db_open(stats_db_t **pdb, const retrace_spool_t *spool, const char *name,
                           retrace_error_t *err, apr_pool_t *p)
{
    stats_db_t *db = apr_pcalloc(p, sizeof(*db));
    const char *why = NULL;
    apr_status_t rv = apr_dbd_init(p);

    if (rv == APR_SUCCESS) {
        rv = apr_dbd_get_driver(p, "sqlite3", &db->driver);
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, APR_ENOTIMPL, "APR-util's driver for SQLite is not installed");
    }
    rv = make_file(spool, name, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_dbd_open_ex(db->driver, p, apr_pstrcat(p, spool->path, "/", name, NULL), &db->handle,
                         &why);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, APR_EGENERAL, "%s: %s", name, why != NULL ? why : "cannot open");
    }
    db->name = apr_pstrdup(p, name);
    db->prepared = apr_hash_make(p);
    db->pool = p;
    apr_pool_cleanup_register(p, db, close_database, apr_pool_cleanup_null);
    *pdb = db;
    return APR_SUCCESS;
}

/* --- Statements ---------------------------------------------------------------------------- */

apr_status_t stats_db_run(stats_db_t *db, const char *statement, retrace_error_t *err)
{
    int rows = 0;

    return check(db, apr_dbd_query(db->driver, db->handle, &rows, statement), err);
}

/* Exclusive from the start, not when the first page is written: only here does it wait. */
apr_status_t stats_db_begin(stats_db_t *db, retrace_error_t *err)
{
    return stats_db_run(db, "BEGIN EXCLUSIVE", err);
}

apr_status_t stats_db_commit(stats_db_t *db, retrace_error_t *err)
{
    return stats_db_run(db, "COMMIT", err);
}

void stats_db_rollback(stats_db_t *db)
{
    (void)stats_db_run(db, "ROLLBACK", NULL);
}

static apr_status_t prepare(apr_dbd_prepared_t **pprepared, stats_db_t *db, const char *statement,
                            retrace_error_t *err)
{
    apr_dbd_prepared_t *prepared = apr_hash_get(db->prepared, statement, APR_HASH_KEY_STRING);
    apr_status_t rv = APR_SUCCESS;

    if (prepared == NULL) {
        rv = check(
            db, apr_dbd_prepare(db->driver, db->pool, db->handle, statement, NULL, &prepared), err);
    }
    if (rv == APR_SUCCESS) {
        apr_hash_set(db->prepared, statement, APR_HASH_KEY_STRING, prepared);
        *pprepared = prepared;
    }
    return rv;
}

/* The driver takes its values as plain pointers, and does not change them. */
static const char **copy_values(const char *const *values, int n_values, apr_pool_t *p)
{
    return n_values == 0 ? NULL
                         : apr_pmemdup(p, values, (apr_size_t)n_values * sizeof(const char *));
}

apr_status_t stats_db_change(int *pchanged, stats_db_t *db, const char *statement,
                             const char *const *values, int n_values, retrace_error_t *err)
{
    apr_dbd_prepared_t *prepared = NULL;
    int rows = 0;
    apr_status_t rv = prepare(&prepared, db, statement, err);

    if (rv == APR_SUCCESS) {
        rv = check(db,
                   apr_dbd_pquery(db->driver, db->pool, db->handle, &rows, prepared, n_values,
                                  copy_values(values, n_values, db->pool)),
                   err);
    }
    if (rv == APR_SUCCESS && pchanged != NULL) {
        *pchanged = rows;
    }
    return rv;
}

static const char *const *read_row(const stats_db_t *db, apr_dbd_row_t *row, int columns)
{
    const char **texts = apr_palloc(db->pool, (apr_size_t)columns * sizeof(*texts));
    int i;

    for (i = 0; i < columns; i++) {
        texts[i] = apr_dbd_get_entry(db->driver, row, i);
        texts[i] = texts[i] != NULL ? texts[i] : "";
    }
    return texts;
}

apr_status_t stats_db_select(apr_array_header_t **prows, stats_db_t *db, const char *statement,
                             const char *const *values, int n_values, retrace_error_t *err)
{
    apr_array_header_t *rows = apr_array_make(db->pool, 32, sizeof(const char *const *));
    apr_dbd_prepared_t *prepared = NULL;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    apr_status_t rv = prepare(&prepared, db, statement, err);

    if (rv == APR_SUCCESS) {
        rv = check(db,
                   apr_dbd_pselect(db->driver, db->pool, db->handle, &results, prepared, 0,
                                   n_values, copy_values(values, n_values, db->pool)),
                   err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    while (apr_dbd_get_row(db->driver, db->pool, results, &row, -1) == 0) {
        APR_ARRAY_PUSH(rows, const char *const *) =
            read_row(db, row, apr_dbd_num_cols(db->driver, results));
        row = NULL;
    }
    *prows = rows;
    return APR_SUCCESS;
}

const char *stats_db_number(int64_t number, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)number);
}

const char *stats_db_day(int64_t when_s, apr_pool_t *p)
{
    time_t when = (time_t)when_s;
    char text[32] = "1970-01-01";
    struct tm parts;

    if (gmtime_r(&when, &parts) != NULL) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d", &parts);
    }
    return apr_pstrdup(p, text);
}

/* --- Setting aside ------------------------------------------------------------------------- */

typedef struct old_files_t {
    int root;
    const char *prefix;
} old_files_t;

static bool remove_if_old(void *baton, const char *name)
{
    const old_files_t *old = baton;

    if (strncmp(name, old->prefix, strlen(old->prefix)) == 0) {
        (void)unlinkat(old->root, name, 0);
    }
    return true;
}

apr_status_t stats_db_set_aside(const retrace_spool_t *spool, const char *name, int64_t now,
                                retrace_error_t *err, apr_pool_t *scratch)
{
    const char *prefix = apr_pstrcat(scratch, name, CORRUPT_INFIX, NULL);
    const char *aside = apr_psprintf(scratch, "%s%" APR_INT64_T_FMT, prefix, (apr_int64_t)now);
    old_files_t old = { spool->root, prefix };
    apr_status_t rv = retrace_fs_each(spool->root, remove_if_old, &old, err);

    /* A journal that it leaves is not played into the next one: SQLite removes it, as that one is
     * empty. */
    if (rv == APR_SUCCESS && renameat(spool->root, name, spool->root, aside) != 0) {
        rv = retrace_fail(err, errno, "rename %s", name);
    }
    return rv;
}
