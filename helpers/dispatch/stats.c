/* SPDX-License-Identifier: Apache-2.0 */
/* See stats.h. The database is open only while a round works on it: a dispatcher that waits holds
 * no lock, and meets a file that was replaced. */
#include "helpers/dispatch/stats.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "helpers/dispatch/stats_inbox.h"
#include "helpers/dispatch/stats_schema.h"
#include "helpers/dispatch/stats_snapshot.h"
#include "lib/fs.h"
#include "lib/id.h"

#define LONG_AGO (-1000000)

struct stats_t {
    const retrace_spool_t *spool;
    const char *db_file;
    stats_db_t *db;   /* NULL: not open */
    apr_pool_t *open; /* for as long as the database is open */
    apr_pool_t *pool;
    int64_t retry_s; /* no attempt before; monotonic, as the next two */
    int64_t logged_s;
    int64_t published_s;
    bool is_changed;     /* the files do not show what the database has */
    bool has_unrecorded; /* there may be ids in STATS_DIR_UNRECORDED */
    bool has_error_file; /* there may be a STATS_FILE_ERROR */
};

/* Work on the open database within a transaction. */
typedef apr_status_t (*work_fn)(stats_db_t *db, void *baton, retrace_error_t *err,
                                apr_pool_t *scratch);

/* A dispatcher that was killed, or had no space, may have left files that do not show all. */
static bool is_newer(const retrace_spool_t *spool, const char *db_file)
{
    struct stat shown;
    struct stat database;

    return fstatat(spool->root, RETRACE_DIR_STATISTICS "/" RETRACE_FILE_STATS_JSON, &shown,
                   AT_SYMLINK_NOFOLLOW)
        != 0
        || (fstatat(spool->root, db_file, &database, AT_SYMLINK_NOFOLLOW) == 0
            && database.st_mtime >= shown.st_mtime);
}

stats_t *stats_make(const retrace_spool_t *spool, const retrace_config_t *config, apr_pool_t *p)
{
    stats_t *stats = apr_pcalloc(p, sizeof(*stats));

    stats->spool = spool;
    stats->db_file = config->db_file;
    stats->pool = p;
    apr_pool_create(&stats->open, p);
    stats->retry_s = stats->logged_s = stats->published_s = LONG_AGO;
    stats->is_changed = is_newer(spool, config->db_file);
    stats->has_unrecorded = true;
    stats->has_error_file = true;
    return stats;
}

/* httpd reads below it through its group, which the set-group-ID bit of the spool gives. */
static apr_status_t open_statistics(int *pfd, const stats_t *stats, retrace_error_t *err)
{
    return retrace_fs_make_dir(pfd, stats->spool->root, RETRACE_DIR_STATISTICS, 0750, err);
}

/* --- Telling ------------------------------------------------------------------------------- */

/* Another dispatcher may have told it a moment ago. */
static bool was_told_lately(int statistics)
{
    struct stat info;

    return fstatat(statistics, STATS_FILE_ERROR, &info, AT_SYMLINK_NOFOLLOW) == 0
        && info.st_mtime > time(NULL) - STATS_LOG_S && info.st_mtime <= time(NULL);
}

static void tell(stats_t *stats, const char *sentence, int64_t now_s)
{
    int statistics = -1;
    bool was_told = now_s < stats->logged_s + STATS_LOG_S;

    if (!was_told && open_statistics(&statistics, stats, NULL) == APR_SUCCESS) {
        was_told = was_told_lately(statistics);
        if (!was_told) {
            (void)retrace_fs_replace(statistics, STATS_FILE_ERROR, sentence, strlen(sentence), 0640,
                                     false, NULL);
            stats->has_error_file = true;
        }
        (void)close(statistics);
    }
    if (!was_told) {
        syslog(LOG_ERR, "statistics: %s", sentence);
        stats->logged_s = now_s;
    }
}

static void forget_error(stats_t *stats)
{
    if (stats->has_error_file) {
        (void)unlinkat(stats->spool->root, RETRACE_DIR_STATISTICS "/" STATS_FILE_ERROR, 0);
        stats->has_error_file = false;
    }
}

/* --- Working on the database --------------------------------------------------------------- */

static void close_database(stats_t *stats)
{
    stats->db = NULL;
    apr_pool_clear(stats->open);
}

/* The only wait is in stats_db_begin, and comes first. */
static apr_status_t begin(stats_t *stats, retrace_error_t *err)
{
    bool is_new = stats->db == NULL;
    apr_status_t rv = APR_SUCCESS;

    if (is_new) {
        rv = stats_db_open(&stats->db, stats->spool, stats->db_file, err, stats->open);
    }
    if (rv == APR_SUCCESS) {
        rv = stats_db_begin(stats->db, err);
    }
    if (rv == APR_SUCCESS && is_new) {
        rv = stats_schema_ensure(stats->db, err);
    }
    return rv;
}

static apr_status_t attempt(stats_t *stats, work_fn work, void *baton, retrace_error_t *err)
{
    apr_status_t rv = begin(stats, err);

    if (rv == APR_SUCCESS) {
        rv = work(stats->db, baton, err, stats->open);
    }
    if (rv == APR_SUCCESS) {
        rv = stats_db_commit(stats->db, err);
    }
    if (rv != APR_SUCCESS) {
        if (stats->db != NULL) {
            stats_db_rollback(stats->db);
        }
        close_database(stats);
    }
    return rv;
}

static apr_status_t begin_anew(stats_t *stats, const char *reason, int64_t now_s,
                               retrace_error_t *err)
{
    apr_status_t rv =
        stats_db_set_aside(stats->spool, stats->db_file, (int64_t)time(NULL), err, stats->open);

    if (rv == APR_SUCCESS) {
        tell(stats,
             apr_psprintf(stats->open, "%s; it is kept as %s.corrupt-<time>, a new one is begun",
                          reason, stats->db_file),
             now_s);
    }
    return rv;
}

/* @return false when it was not done */
static bool work_on(stats_t *stats, work_fn work, void *baton, int64_t now_s)
{
    retrace_error_t err;
    apr_status_t rv;

    if (now_s < stats->retry_s) {
        return false;
    }
    rv = attempt(stats, work, baton, &err);
    if (rv == STATS_CORRUPT) {
        rv = begin_anew(stats, err.text, now_s, &err);
        if (rv == APR_SUCCESS) {
            rv = attempt(stats, work, baton, &err);
        }
    }
    if (rv != APR_SUCCESS) {
        stats->retry_s = now_s + STATS_RETRY_S;
        tell(stats, err.text, now_s);
    }
    return rv == APR_SUCCESS;
}

/* --- Recording ----------------------------------------------------------------------------- */

static apr_status_t insert_task(stats_db_t *db, void *baton, retrace_error_t *err,
                                apr_pool_t *scratch)
{
    return stats_task_insert(db, *(const stats_task_t **)baton, err, scratch);
}

static apr_status_t open_unrecorded(int *pfd, const stats_t *stats, retrace_error_t *err)
{
    int statistics = -1;
    apr_status_t rv = open_statistics(&statistics, stats, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(pfd, statistics, STATS_DIR_UNRECORDED, 0750, err);
        (void)close(statistics);
    }
    return rv;
}

/* As good as it goes: the failure has been told. */
static void keep_for_later(stats_t *stats, uint32_t id)
{
    int directory = -1;
    int count = 0;

    if (open_unrecorded(&directory, stats, NULL) != APR_SUCCESS) {
        return;
    }
    if (retrace_fs_count(&count, directory, STATS_MAX_UNRECORDED, NULL) == APR_SUCCESS
        && count < STATS_MAX_UNRECORDED) {
        int fd = openat(directory, retrace_id_format(id).text,
                        O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

        stats->has_unrecorded = true;
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    (void)close(directory);
}

void stats_record(stats_t *stats, const stats_task_t *task, int64_t now_s)
{
    if (work_on(stats, insert_task, &task, now_s)) {
        stats->is_changed = true;
    }
    else {
        keep_for_later(stats, task->id);
    }
}

/* --- Catching up --------------------------------------------------------------------------- */

static bool add_id(void *baton, const char *name)
{
    apr_array_header_t *ids = baton;
    uint32_t id = 0;

    if (retrace_id_parse(name, &id)) {
        APR_ARRAY_PUSH(ids, uint32_t) = id;
    }
    return ids->nelts < STATS_CATCH_UP;
}

/* One that is gone, or runs again, is not waited for. */
static apr_array_header_t *read_tasks(const stats_t *stats, const apr_array_header_t *ids,
                                      apr_pool_t *p)
{
    apr_array_header_t *tasks = apr_array_make(p, ids->nelts, sizeof(const stats_task_t *));
    int i;

    for (i = 0; i < ids->nelts; i++) {
        uint32_t id = APR_ARRAY_IDX(ids, i, uint32_t);
        const stats_task_t *ended;
        int task = -1;

        if (retrace_spool_open_task(&task, stats->spool->root, id, NULL) == APR_SUCCESS) {
            ended = stats_task_read(task, id, p);
            if (ended != NULL) {
                APR_ARRAY_PUSH(tasks, const stats_task_t *) = ended;
            }
            (void)close(task);
        }
    }
    return tasks;
}

static apr_status_t insert_tasks(stats_db_t *db, void *baton, retrace_error_t *err,
                                 apr_pool_t *scratch)
{
    const apr_array_header_t *tasks = baton;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < tasks->nelts; i++) {
        rv = stats_task_insert(db, APR_ARRAY_IDX(tasks, i, const stats_task_t *), err, scratch);
    }
    return rv;
}

/* @return false when some are left */
static bool catch_up(stats_t *stats, int directory, int64_t now_s, apr_pool_t *scratch)
{
    apr_array_header_t *ids = apr_array_make(scratch, 16, sizeof(uint32_t));
    apr_array_header_t *tasks;
    int i;

    (void)retrace_fs_each(directory, add_id, ids, NULL);
    tasks = read_tasks(stats, ids, scratch);
    if (tasks->nelts > 0) {
        if (!work_on(stats, insert_tasks, tasks, now_s)) {
            return false;
        }
        stats->is_changed = true;
    }
    for (i = 0; i < ids->nelts; i++) {
        (void)unlinkat(directory, retrace_id_format(APR_ARRAY_IDX(ids, i, uint32_t)).text, 0);
    }
    return ids->nelts < STATS_CATCH_UP;
}

static void record_unrecorded(stats_t *stats, int64_t now_s)
{
    apr_pool_t *scratch = NULL;
    int directory = -1;

    if (!stats->has_unrecorded || now_s < stats->retry_s) {
        return;
    }
    stats->has_unrecorded = false;
    if (retrace_fs_open_dir(&directory, stats->spool->root,
                            RETRACE_DIR_STATISTICS "/" STATS_DIR_UNRECORDED, NULL)
        != APR_SUCCESS) {
        return;
    }
    apr_pool_create(&scratch, stats->pool);
    stats->has_unrecorded = !catch_up(stats, directory, now_s, scratch);
    (void)close(directory);
    apr_pool_destroy(scratch);
}

/* --- Counts from httpd --------------------------------------------------------------------- */

static apr_status_t insert_deliveries(stats_db_t *db, void *baton, retrace_error_t *err,
                                      apr_pool_t *scratch)
{
    return stats_inbox_insert(db, baton, err, scratch);
}

static void take_deliveries(stats_t *stats, int64_t now_s)
{
    apr_array_header_t *deliveries = NULL;
    apr_pool_t *scratch = NULL;
    int malformed;

    if (now_s < stats->retry_s) {
        return;
    }
    apr_pool_create(&scratch, stats->pool);
    if (stats_inbox_read(&deliveries, stats->spool->root, (int64_t)time(NULL), NULL, scratch)
            == APR_SUCCESS
        && deliveries->nelts > 0 && work_on(stats, insert_deliveries, deliveries, now_s)) {
        stats->is_changed = true;
        malformed = stats_inbox_remove(stats->spool->root, deliveries);
        if (malformed > 0) {
            syslog(LOG_WARNING, "statistics: %d of %d files in %s are malformed, they are removed",
                   malformed, deliveries->nelts, RETRACE_DIR_COUNTS);
        }
    }
    apr_pool_destroy(scratch);
}

/* --- Publishing ---------------------------------------------------------------------------- */

static apr_status_t read_snapshot(stats_db_t *db, void *baton, retrace_error_t *err,
                                  apr_pool_t *scratch)
{
    return stats_snapshot_read(baton, db, (int64_t)time(NULL), err, scratch);
}

static apr_status_t write_files(const stats_t *stats, const stats_snapshot_t *snapshot,
                                retrace_error_t *err)
{
    static const struct {
        const char *name;
        const char *(*format)(const stats_snapshot_t *snapshot, apr_pool_t *p);
    } files[] = {
        { RETRACE_FILE_ESTIMATES, stats_estimates_format },
        { RETRACE_FILE_METRICS, stats_metrics_format },
        { RETRACE_FILE_STATS_JSON, stats_json_format },
    };
    int statistics = -1;
    size_t i;
    apr_status_t rv = open_statistics(&statistics, stats, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < sizeof(files) / sizeof(files[0]); i++) {
        const char *text = files[i].format(snapshot, stats->open);

        rv = retrace_fs_replace(statistics, files[i].name, text, strlen(text), 0640, false, err);
    }
    (void)close(statistics);
    return rv;
}

static void publish(stats_t *stats, int64_t now_s)
{
    stats_snapshot_t snapshot;
    retrace_error_t err;

    if (!work_on(stats, read_snapshot, &snapshot, now_s)) {
        return;
    }
    if (write_files(stats, &snapshot, &err) != APR_SUCCESS) {
        stats->retry_s = now_s + STATS_RETRY_S;
        tell(stats, err.text, now_s);
        return;
    }
    stats->is_changed = false;
    stats->published_s = now_s;
    forget_error(stats);
}

void stats_round(stats_t *stats, bool is_last, int64_t now_s)
{
    record_unrecorded(stats, now_s);
    take_deliveries(stats, now_s);
    if (stats->is_changed && (is_last || now_s >= stats->published_s + STATS_PUBLISH_S)) {
        publish(stats, now_s);
    }
    close_database(stats);
}
