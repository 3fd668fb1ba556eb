/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_schema.h. A version that was released is never edited: a change is a new list, at the
 * end of `migrations`. */
#include "helpers/dispatch/stats_schema.h"

#include <apr_strings.h>

/* Milliseconds up to which a histogram's buckets reach, in the order that VALUES wants. */
#define BUCKETS                                                                                    \
    "(10), (50), (100), (250), (500), (1000), (2500), (5000), (10000), (30000), (60000), "         \
    "(120000), (300000), (600000), (1800000), (3600000)"
#define TIMINGS "('task'), ('analyze'), ('environment'), ('debugger'), ('report')"

/* A task's own times are whole seconds, in which most tasks take none: its stages know better. But they
 * know nothing of attempts before the last one, nor of a worker that was killed. */
#define NEW_TASK_MS                                                                                \
    "CASE WHEN NEW.analyze_ms IS NULL THEN NEW.duration * 1000 ELSE max(NEW.analyze_ms + "         \
    "coalesce(NEW.environment_ms, 0) + coalesce(NEW.debugger_ms, 0) + "                            \
    "coalesce(NEW.report_ms, 0), (NEW.duration - 1) * 1000) END "

/* A new task's value for the timing that is named in the row at hand. */
#define NEW_TIME                                                                                   \
    "CASE name WHEN 'task' THEN " NEW_TASK_MS "WHEN 'analyze' THEN NEW.analyze_ms "                \
    "WHEN 'environment' THEN NEW.environment_ms WHEN 'debugger' THEN NEW.debugger_ms "             \
    "WHEN 'report' THEN NEW.report_ms END"

static const char *const version_1[] = {
    /* --- How long packages take: name, columns and index as the manual has them --- */
    "CREATE TABLE package_time (id INTEGER PRIMARY KEY AUTOINCREMENT, package TEXT, release TEXT, "
    "time INTEGER)",
    "CREATE INDEX package_release ON package_time (package, release)",
    /* '' stands for any package or release; '-' for an unknown one */
    "CREATE TABLE estimates (package TEXT NOT NULL, release TEXT NOT NULL, "
    "tasks INTEGER NOT NULL, samples INTEGER NOT NULL, seconds INTEGER NOT NULL, "
    "PRIMARY KEY (package, release)) WITHOUT ROWID",
    "CREATE INDEX estimates_frequent ON estimates (tasks)",
    "CREATE TRIGGER package_time_added AFTER INSERT ON package_time BEGIN "
    "INSERT INTO estimates (package, release, tasks, samples, seconds) VALUES "
    "(NEW.package, NEW.release, 1, 1, NEW.time), ('', NEW.release, 1, 1, NEW.time), "
    "('', '', 1, 1, NEW.time) "
    "ON CONFLICT (package, release) DO UPDATE SET tasks = tasks + 1, samples = samples + 1, "
    "seconds = seconds + excluded.seconds; "
    "DELETE FROM package_time WHERE package = NEW.package AND release = NEW.release AND id <= "
    "(SELECT id FROM package_time WHERE package = NEW.package AND release = NEW.release "
    "ORDER BY id DESC LIMIT 1 OFFSET 100); "
    "END",
    "CREATE TRIGGER package_time_removed AFTER DELETE ON package_time BEGIN "
    "UPDATE estimates SET samples = samples - 1, seconds = seconds - OLD.time "
    "WHERE (package, release) IN "
    "(VALUES (OLD.package, OLD.release), ('', OLD.release), ('', '')); "
    "END",

    /* --- Tasks; an id may come again once its task was deleted, at another time --- */
    "CREATE TABLE tasks (id INTEGER PRIMARY KEY, taskid INTEGER NOT NULL, package TEXT NOT NULL, "
    "version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL, starttime INTEGER, "
    "endtime INTEGER NOT NULL, duration INTEGER, coresize INTEGER NOT NULL, "
    "status TEXT NOT NULL CHECK (status IN ('success', 'failure')), analyze_ms INTEGER, "
    "environment_ms INTEGER, debugger_ms INTEGER, report_ms INTEGER, "
    "cache_hits INTEGER NOT NULL, cache_misses INTEGER NOT NULL, missing INTEGER NOT NULL, "
    "UNIQUE (taskid, endtime))",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO counters VALUES ('success', 0), ('failure', 0), ('first_task', 0), "
    "('cache_hits', 0), ('cache_misses', 0), ('missing_files', 0), ('uploads', 0), "
    "('throttled', 0)",
    "CREATE TABLE days (day TEXT PRIMARY KEY, success INTEGER NOT NULL, "
    "failure INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tallies (kind TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, "
    "success INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID",
    "CREATE INDEX tallies_frequent ON tallies (kind, count)",
    "CREATE TABLE timings (name TEXT PRIMARY KEY, count INTEGER NOT NULL, "
    "sum_ms INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO timings SELECT column1, 0, 0 FROM (VALUES " TIMINGS ")",
    "CREATE TABLE buckets (name TEXT NOT NULL, le_ms INTEGER NOT NULL, count INTEGER NOT NULL, "
    "PRIMARY KEY (name, le_ms)) WITHOUT ROWID",
    "INSERT INTO buckets SELECT t.column1, b.column1, 0 FROM (VALUES " TIMINGS ") AS t, "
    "(VALUES " BUCKETS ") AS b",
    "CREATE TRIGGER task_added AFTER INSERT ON tasks BEGIN "
    "UPDATE counters SET value = value + CASE name WHEN 'cache_hits' THEN NEW.cache_hits "
    "WHEN 'cache_misses' THEN NEW.cache_misses WHEN 'missing_files' THEN NEW.missing ELSE 1 END "
    "WHERE name IN (NEW.status, 'cache_hits', 'cache_misses', 'missing_files'); "
    "UPDATE counters SET value = coalesce(NEW.starttime, NEW.endtime) WHERE name = 'first_task' "
    "AND (value = 0 OR value > coalesce(NEW.starttime, NEW.endtime)); "
    "INSERT INTO days VALUES (date(NEW.endtime, 'unixepoch'), NEW.status = 'success', "
    "NEW.status = 'failure') ON CONFLICT (day) DO UPDATE SET success = success + "
    "excluded.success, failure = failure + excluded.failure; "
    "INSERT INTO tallies VALUES ('arch', NEW.arch, 1, NEW.status = 'success'), "
    "('release', NEW.release, 1, NEW.status = 'success'), "
    "('package', NEW.package, 1, NEW.status = 'success') "
    "ON CONFLICT (kind, name) DO UPDATE SET count = count + 1, "
    "success = success + excluded.success; "
    "UPDATE timings SET count = count + 1, sum_ms = sum_ms + " NEW_TIME " WHERE " NEW_TIME
    " IS NOT NULL; "
    "UPDATE buckets SET count = count + 1 WHERE le_ms >= " NEW_TIME "; "
    "END",
    "CREATE TRIGGER task_succeeded AFTER INSERT ON tasks "
    "WHEN NEW.status = 'success' AND NEW.duration IS NOT NULL BEGIN "
    "INSERT INTO package_time (package, release, time) "
    "VALUES (NEW.package, NEW.release, max(1, NEW.duration)); "
    "END",

    /* --- Files that no source had: the newest 20000, since each upload may name 512 new ones --- */
    "CREATE TABLE missing (id INTEGER PRIMARY KEY, taskid INTEGER NOT NULL, kind TEXT NOT NULL, "
    "build_id TEXT NOT NULL, path TEXT NOT NULL)",
    "CREATE INDEX missing_file ON missing (build_id, kind, path)",
    "CREATE TRIGGER missing_added AFTER INSERT ON missing BEGIN "
    "DELETE FROM missing WHERE id <= NEW.id - 20000; "
    "END",

    /* --- What httpd counts: by day for 400 days, in total for ever; 200 reasons a day at most --- */
    "CREATE TABLE refusals (day TEXT NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL, "
    "count INTEGER NOT NULL, PRIMARY KEY (day, status, reason)) WITHOUT ROWID",
    "CREATE TABLE refusal_totals (status INTEGER NOT NULL, reason TEXT NOT NULL, "
    "count INTEGER NOT NULL, PRIMARY KEY (status, reason)) WITHOUT ROWID",
    "CREATE TRIGGER refusal_added AFTER INSERT ON refusals BEGIN "
    "INSERT INTO refusal_totals VALUES (NEW.status, NEW.reason, NEW.count) "
    "ON CONFLICT (status, reason) DO UPDATE SET count = count + excluded.count; "
    "DELETE FROM refusals WHERE day < date(NEW.day, '-400 days'); "
    "END",
    "CREATE TRIGGER refusal_grown AFTER UPDATE OF count ON refusals BEGIN "
    "INSERT INTO refusal_totals VALUES (NEW.status, NEW.reason, NEW.count - OLD.count) "
    "ON CONFLICT (status, reason) DO UPDATE SET count = count + excluded.count; "
    "END",
    /* --- Deliveries that were taken, should their files still be there; one round's at most --- */
    "CREATE TABLE deliveries (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TRIGGER delivery_added AFTER INSERT ON deliveries BEGIN "
    "DELETE FROM deliveries WHERE id <= NEW.id - 1000; "
    "END",
    "PRAGMA user_version = 1", NULL
};

static const char *const *const migrations[STATS_SCHEMA_VERSION] = { version_1 };

static apr_status_t read_version(apr_int64_t *pversion, stats_db_t *db, retrace_error_t *err)
{
    apr_array_header_t *rows = NULL;
    apr_status_t rv = stats_db_select(&rows, db, "PRAGMA user_version", NULL, 0, err);

    if (rv == APR_SUCCESS && rows->nelts != 1) {
        rv = retrace_fail(err, APR_EGENERAL, "the database tells no version");
    }
    if (rv == APR_SUCCESS) {
        *pversion = apr_atoi64(APR_ARRAY_IDX(rows, 0, const char *const *)[0]);
    }
    return rv;
}

static apr_status_t migrate(stats_db_t *db, const char *const *statement, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && *statement != NULL) {
        rv = stats_db_run(db, *statement++, err);
    }
    return rv;
}

apr_status_t stats_schema_ensure(stats_db_t *db, retrace_error_t *err)
{
    apr_int64_t version = 0;
    apr_status_t rv = read_version(&version, db, err);

    if (rv == APR_SUCCESS && (version < 0 || version > STATS_SCHEMA_VERSION)) {
        return retrace_fail(err, APR_ENOTIMPL,
                            "the database is of version %" APR_INT64_T_FMT
                            ", this program knows versions up to %d",
                            version, STATS_SCHEMA_VERSION);
    }
    while (rv == APR_SUCCESS && version < STATS_SCHEMA_VERSION) {
        rv = migrate(db, migrations[version++], err);
    }
    return rv;
}
