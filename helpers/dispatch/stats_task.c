/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_task.h. The facts are written by the worker, from what a client sent: numbers are
 * brought into bounds here, so that no sum can overflow. */
#include "helpers/dispatch/stats_task.h"

#include <apr_strings.h>

#include "lib/fs.h"
#include "lib/spool.h"

#define TIME_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)
#define FILES_MAX   INT64_C(1000000)      /* of one task, in or not in the cache */
#define CORE_MAX    (INT64_C(1) << 50)    /* bytes */
#define DATE_MAX_S  INT64_C(253402300799) /* 9999-12-31 */

#define N(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* --- Reading ------------------------------------------------------------------------------- */

/* -1 when there is no such file or no such number in it. */
static int64_t read_time(int task, const char *name, apr_pool_t *p)
{
    const char *text = NULL;
    char *end = NULL;
    apr_int64_t number;

    if (retrace_fs_read(&text, NULL, task, name, RETRACE_SMALL_MAX, NULL, p) != APR_SUCCESS) {
        return -1;
    }
    number = apr_strtoi64(text, &end, 10);
    return end != text && number > 0 && number <= DATE_MAX_S ? number : -1;
}

static const retrace_facts_t *read_facts(int task, apr_pool_t *p)
{
    const char *text = "";

    (void)retrace_fs_read(&text, NULL, task, RETRACE_FILE_FACTS, RETRACE_FACTS_MAX, NULL, p);
    return retrace_facts_parse(text, p);
}

const stats_task_t *stats_task_read(int task, uint32_t id, apr_pool_t *p)
{
    stats_task_t *ended = apr_palloc(p, sizeof(*ended));

    ended->end_s = read_time(task, RETRACE_FILE_FINISHED, p);
    if (ended->end_s < 0) {
        return NULL;
    }
    ended->id = id;
    ended->start_s = read_time(task, RETRACE_FILE_STARTED, p);
    ended->is_success = retrace_fs_exists(task, RETRACE_FILE_BACKTRACE);
    ended->facts = read_facts(task, p);
    return ended;
}

/* --- Inserting ----------------------------------------------------------------------------- */

static int64_t within(int64_t value, int64_t max)
{
    return value < 0 ? 0 : value < max ? value : max;
}

/* What is below 0 is unknown: NULL. */
static const char *number_or_null(int64_t value, int64_t max, apr_pool_t *p)
{
    return value < 0 ? NULL : stats_db_number(within(value, max), p);
}

/* The clock may have been set back meanwhile. */
static const char *duration(const stats_task_t *task, apr_pool_t *p)
{
    if (task->start_s < 0) {
        return NULL;
    }
    return stats_db_number(within(task->end_s - task->start_s, TIME_MAX_MS / 1000), p);
}

static apr_status_t insert_task(int *pinserted, stats_db_t *db, const stats_task_t *task,
                                retrace_error_t *err, apr_pool_t *p)
{
    const retrace_facts_t *facts = task->facts;
    const int64_t *ms = facts->timing_ms;
    const char *const values[] = {
        stats_db_number(task->id, p),
        facts->package,
        facts->version,
        facts->release,
        facts->arch,
        number_or_null(task->start_s, DATE_MAX_S, p),
        stats_db_number(task->end_s, p),
        duration(task, p),
        stats_db_number(within(facts->core_bytes, CORE_MAX), p),
        task->is_success ? "success" : "failure",
        number_or_null(ms[RETRACE_TIMING_ANALYZE], TIME_MAX_MS, p),
        number_or_null(ms[RETRACE_TIMING_ENVIRONMENT], TIME_MAX_MS, p),
        number_or_null(ms[RETRACE_TIMING_DEBUGGER], TIME_MAX_MS, p),
        number_or_null(ms[RETRACE_TIMING_REPORT], TIME_MAX_MS, p),
        stats_db_number(within(facts->cache_hits, FILES_MAX), p),
        stats_db_number(within(facts->cache_misses, FILES_MAX), p),
        stats_db_number(facts->missing->nelts, p),
    };

    return stats_db_change(pinserted, db,
                           "INSERT INTO tasks (taskid, package, version, release, arch, starttime, "
                           "endtime, duration, coresize, status, analyze_ms, environment_ms, "
                           "debugger_ms, report_ms, cache_hits, cache_misses, missing) VALUES "
                           "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                           "ON CONFLICT (taskid, endtime) DO NOTHING",
                           values, N(values), err);
}

static apr_status_t insert_missing(stats_db_t *db, uint32_t id, const retrace_missing_t *missing,
                                   retrace_error_t *err, apr_pool_t *p)
{
    const char *const values[] = { stats_db_number(id, p), missing->kind, missing->build_id,
                                   missing->path };

    return stats_db_change(
        NULL, db, "INSERT INTO missing (taskid, kind, build_id, path) VALUES (%s, %s, %s, %s)",
        values, N(values), err);
}

apr_status_t stats_task_insert(stats_db_t *db, const stats_task_t *task, retrace_error_t *err,
                               apr_pool_t *scratch)
{
    const apr_array_header_t *missing = task->facts->missing;
    int inserted = 0;
    int i;
    apr_status_t rv = insert_task(&inserted, db, task, err, scratch);

    for (i = 0; rv == APR_SUCCESS && inserted > 0 && i < missing->nelts; i++) {
        rv = insert_missing(db, task->id, &APR_ARRAY_IDX(missing, i, retrace_missing_t), err,
                            scratch);
    }
    return rv;
}
