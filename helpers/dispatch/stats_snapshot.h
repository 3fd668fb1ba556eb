/* SPDX-License-Identifier: Apache-2.0 */
/* What others may know: read from the database at one moment, then laid out as the files of
 * `statistics/`, which are all that anybody but the dispatcher opens. Each view has a limited number
 * of rows, and none needs a scan of the tasks. */
#ifndef RETRACE_STATS_SNAPSHOT_H
#define RETRACE_STATS_SNAPSHOT_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#include "helpers/dispatch/stats_db.h"

#define STATS_DAYS     30           /* of stats.json */
#define STATS_TEXT_MAX 200          /* bytes of a text in stats.json */
#define STATS_JSON_MAX (256 * 1024) /* bytes of stats.json: what the limits of rows allow */

typedef enum stats_view_t {
    STATS_COUNTERS,      /* name, value */
    STATS_TIMINGS,       /* name, count, sum_ms */
    STATS_BUCKETS,       /* name, le_ms, count of all up to it; ascending */
    STATS_ENDED_DAYS,    /* day, success, failure */
    STATS_DENIED_DAYS,   /* day, count */
    STATS_ARCHITECTURES, /* name, count */
    STATS_RELEASES,      /* name, count, success */
    STATS_PACKAGES,      /* name, count, success */
    STATS_MISSING,       /* kind, build-id, path, count */
    STATS_REFUSALS,      /* status, reason, count */
    STATS_REFUSED,       /* status, count */
    STATS_ANY_PACKAGE,   /* release or "", seconds */
    STATS_EACH_PACKAGE,  /* package, release, seconds */
    STATS_VIEWS
} stats_view_t;

typedef struct stats_snapshot_t {
    int64_t now_s;                          /* since 1970 */
    apr_array_header_t *views[STATS_VIEWS]; /* of const char *const *: see stats_db_select */
} stats_snapshot_t;

/** Read all views, within a transaction; in the database's pool. */
apr_status_t stats_snapshot_read(stats_snapshot_t *snapshot, stats_db_t *db, int64_t now_s,
                                 retrace_error_t *err, apr_pool_t *scratch);

/** One row of a view, one text a column. */
const char *const *stats_snapshot_row(const stats_snapshot_t *snapshot, stats_view_t view, int i);
int stats_snapshot_rows(const stats_snapshot_t *snapshot, stats_view_t view);

/** A number of the row whose first column is `name`; 0 when there is none. */
int64_t stats_snapshot_number(const stats_snapshot_t *snapshot, stats_view_t view, const char *name,
                              int column);

/** A day of STATS_DAYS as YYYY-MM-DD, UTC, the oldest first; in p. */
const char *stats_snapshot_day(const stats_snapshot_t *snapshot, int i, apr_pool_t *p);

/* --- Laying out: pure, in p ------------------------------------------------------------------ */

/** lib/estimate.h; at most RETRACE_ESTIMATES_MAX bytes: general lines, then the most frequent. */
const char *stats_estimates_format(const stats_snapshot_t *snapshot, apr_pool_t *p);

/** Metric families of OpenMetrics text, without `# EOF`: httpd adds its own, and the end. */
const char *stats_metrics_format(const stats_snapshot_t *snapshot, apr_pool_t *p);

/** stats.json; retrace-dispatch(8) describes it. */
const char *stats_json_format(const stats_snapshot_t *snapshot, apr_pool_t *p);

#endif
