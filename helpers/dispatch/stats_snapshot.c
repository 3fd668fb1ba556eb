/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_snapshot.h. */
#include "helpers/dispatch/stats_snapshot.h"

#include <apr_strings.h>
#include <string.h>

#define DAY_S 86400

#define AVERAGE "min(9999999, max(1, (seconds + samples / 2) / samples))"

/* The first day of STATS_DAYS stands for a "%s". */
static const char *const statements[STATS_VIEWS] = {
    [STATS_COUNTERS] = "SELECT name, value FROM counters",
    [STATS_TIMINGS] = "SELECT name, count, sum_ms FROM timings",
    [STATS_BUCKETS] = "SELECT name, le_ms, count FROM buckets ORDER BY name, le_ms",
    [STATS_ENDED_DAYS] = "SELECT day, success, failure FROM days WHERE day >= %s",
    [STATS_DENIED_DAYS] = "SELECT day, sum(count) FROM refusals WHERE day >= %s GROUP BY day",
    [STATS_ARCHITECTURES] =
        "SELECT name, count FROM tallies WHERE kind = 'arch' ORDER BY count DESC LIMIT 50",
    [STATS_RELEASES] = "SELECT name, count, success FROM tallies WHERE kind = 'release' "
                       "ORDER BY count DESC LIMIT 50",
    [STATS_PACKAGES] = "SELECT name, count, success FROM tallies WHERE kind = 'package' "
                       "ORDER BY count DESC LIMIT 37",
    [STATS_MISSING] = "SELECT kind, build_id, path, count(*) FROM missing "
                      "GROUP BY build_id, kind, path ORDER BY count(*) DESC LIMIT 20",
    [STATS_REFUSALS] = "SELECT status, reason, count FROM refusal_totals "
                       "ORDER BY count DESC LIMIT 50",
    [STATS_REFUSED] = "SELECT status, sum(count) FROM refusal_totals GROUP BY status",
    [STATS_ANY_PACKAGE] = "SELECT release, " AVERAGE " FROM estimates WHERE package = '' "
                          "AND release <> '-' AND samples > 0 ORDER BY release <> '', tasks DESC "
                          "LIMIT 1000",
    [STATS_EACH_PACKAGE] =
        "SELECT package, release, " AVERAGE " FROM estimates WHERE package NOT IN ('', '-') "
        "AND release NOT IN ('', '-') AND samples > 0 ORDER BY tasks DESC LIMIT 10000",
};

const char *stats_snapshot_day(const stats_snapshot_t *snapshot, int i, apr_pool_t *p)
{
    return stats_db_day(snapshot->now_s - (int64_t)(STATS_DAYS - 1 - i) * DAY_S, p);
}

apr_status_t stats_snapshot_read(stats_snapshot_t *snapshot, stats_db_t *db, int64_t now_s,
                                 retrace_error_t *err, apr_pool_t *scratch)
{
    const char *first_day;
    apr_status_t rv = APR_SUCCESS;
    int i;

    snapshot->now_s = now_s;
    first_day = stats_snapshot_day(snapshot, 0, scratch);
    for (i = 0; rv == APR_SUCCESS && i < STATS_VIEWS; i++) {
        int n_values = strstr(statements[i], "%s") != NULL;

        rv = stats_db_select(&snapshot->views[i], db, statements[i], &first_day, n_values, err);
    }
    return rv;
}

int stats_snapshot_rows(const stats_snapshot_t *snapshot, stats_view_t view)
{
    return snapshot->views[view]->nelts;
}

const char *const *stats_snapshot_row(const stats_snapshot_t *snapshot, stats_view_t view, int i)
{
    return APR_ARRAY_IDX(snapshot->views[view], i, const char *const *);
}

int64_t stats_snapshot_number(const stats_snapshot_t *snapshot, stats_view_t view, const char *name,
                              int column)
{
    int i;

    for (i = 0; i < stats_snapshot_rows(snapshot, view); i++) {
        const char *const *row = stats_snapshot_row(snapshot, view, i);

        if (strcmp(row[0], name) == 0) {
            return apr_atoi64(row[column]);
        }
    }
    return 0;
}
