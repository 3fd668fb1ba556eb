/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_inbox.h. */
#include "helpers/dispatch/stats_inbox.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/dispatch/stats_counts.h"
#include "lib/fs.h"

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* --- Reading ------------------------------------------------------------------------------- */

typedef struct inbox_t {
    int directory;
    int64_t now_s;
    int counts; /* lines that were read */
    apr_array_header_t *deliveries;
    apr_pool_t *pool;
} inbox_t;

static void read_delivery(inbox_t *inbox, const char *name, time_t when)
{
    stats_delivery_t *delivery = &APR_ARRAY_PUSH(inbox->deliveries, stats_delivery_t);
    const char *text = "";
    apr_size_t length = 0;

    delivery->name = apr_pstrdup(inbox->pool, name);
    delivery->day = stats_db_day(when, inbox->pool);
    delivery->counts = NULL;
    if (retrace_fs_read(&text, &length, inbox->directory, name, STATS_DELIVERY_MAX, NULL,
                        inbox->pool)
        == APR_SUCCESS) {
        (void)stats_counts_parse(&delivery->counts, text, length, inbox->pool);
    }
    inbox->counts += delivery->counts != NULL ? delivery->counts->nelts : 0;
}

static bool visit(void *baton, const char *name)
{
    inbox_t *inbox = baton;
    struct stat info;

    if (fstatat(inbox->directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return true;
    }
    if (!retrace_fs_is_unfinished(name)) {
        read_delivery(inbox, name, info.st_mtime);
    }
    else if (info.st_mtime < inbox->now_s - STATS_UNFINISHED_S) {
        (void)unlinkat(inbox->directory, name, 0);
    }
    return inbox->deliveries->nelts < STATS_MAX_DELIVERIES && inbox->counts < STATS_MAX_COUNTS;
}

apr_status_t stats_inbox_read(apr_array_header_t **pdeliveries, int root, int64_t now_s,
                              retrace_error_t *err, apr_pool_t *p)
{
    inbox_t inbox = { -1, now_s, 0, apr_array_make(p, 16, sizeof(stats_delivery_t)), p };
    apr_status_t rv = retrace_fs_open_dir(&inbox.directory, root, RETRACE_DIR_COUNTS, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_each(inbox.directory, visit, &inbox, err);
        (void)close(inbox.directory);
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        rv = APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        *pdeliveries = inbox.deliveries;
    }
    return rv;
}

/* --- Inserting ----------------------------------------------------------------------------- */

static apr_status_t insert_name(int *pinserted, stats_db_t *db, const char *name,
                                retrace_error_t *err)
{
    return stats_db_change(
        pinserted, db, "INSERT INTO deliveries (name) VALUES (%s) ON CONFLICT (name) DO NOTHING",
        &name, 1, err);
}

/* The number of rows per day has a limit, whatever words httpd sends. */
static apr_status_t add_refusals(stats_db_t *db, const char *day, const stats_count_t *count,
                                 retrace_error_t *err, apr_pool_t *p)
{
    const char *status = stats_db_number(count->status, p);
    const char *const values[] = {
        day,
        status,
        day,
        status,
        count->reason,
        day,
        stats_db_number(STATS_MAX_REASONS, p),
        count->reason,
        stats_db_number(count->count, p),
    };

    return stats_db_change(
        NULL, db,
        "INSERT INTO refusals (day, status, reason, count) SELECT %s, %s, CASE WHEN EXISTS "
        "(SELECT 1 FROM refusals WHERE day = %s AND status = %s AND reason = %s) OR "
        "(SELECT count(*) FROM refusals WHERE day = %s) < CAST(%s AS INTEGER) "
        "THEN %s ELSE 'other' END, %s WHERE true "
        "ON CONFLICT (day, status, reason) DO UPDATE SET count = count + excluded.count",
        values, N(values), err);
}

static apr_status_t add_to_counter(stats_db_t *db, const stats_count_t *count, retrace_error_t *err,
                                   apr_pool_t *p)
{
    const char *const values[] = { stats_db_number(count->count, p), count->name };

    return stats_db_change(NULL, db, "UPDATE counters SET value = value + %s WHERE name = %s",
                           values, N(values), err);
}

static apr_status_t insert_counts(stats_db_t *db, const stats_delivery_t *delivery,
                                  retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < delivery->counts->nelts; i++) {
        const stats_count_t *count = &APR_ARRAY_IDX(delivery->counts, i, stats_count_t);

        rv = count->reason != NULL ? add_refusals(db, delivery->day, count, err, p)
                                   : add_to_counter(db, count, err, p);
    }
    return rv;
}

apr_status_t stats_inbox_insert(stats_db_t *db, const apr_array_header_t *deliveries,
                                retrace_error_t *err, apr_pool_t *scratch)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < deliveries->nelts; i++) {
        const stats_delivery_t *delivery = &APR_ARRAY_IDX(deliveries, i, stats_delivery_t);
        int inserted = 0;

        if (delivery->counts != NULL) {
            rv = insert_name(&inserted, db, delivery->name, err);
        }
        if (rv == APR_SUCCESS && inserted > 0) {
            rv = insert_counts(db, delivery, err, scratch);
        }
    }
    return rv;
}

int stats_inbox_remove(int root, const apr_array_header_t *deliveries)
{
    int malformed = 0;
    int directory = -1;
    int i;

    if (deliveries->nelts == 0
        || retrace_fs_open_dir(&directory, root, RETRACE_DIR_COUNTS, NULL) != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < deliveries->nelts; i++) {
        const stats_delivery_t *delivery = &APR_ARRAY_IDX(deliveries, i, stats_delivery_t);

        (void)retrace_fs_remove(directory, delivery->name, NULL);
        malformed += delivery->counts == NULL;
    }
    (void)close(directory);
    return malformed;
}
