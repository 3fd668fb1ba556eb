/* SPDX-License-Identifier: Apache-2.0 */
/* Spool layout: one directory per task, named by its id. Ingest creates it, the worker adds
 * results, both as the spool's owner; httpd only reads, through its group; whoever finishes a task
 * holds its lock. Beside the tasks: `.incoming/` (uploads that are not complete), `queue/` and
 * `running/` (one entry per id, lib/queue.h), `queue.lock`, `dispatch.lock`, `heartbeat`,
 * `dispatcher_error`, `sandbox_ok`, `counts/` (statistics from httpd), the database, `statistics/`
 * (what others read instead of it), and `packages/` (what the repositories have). */
#ifndef RETRACE_SPOOL_H
#define RETRACE_SPOOL_H

#include <apr_pools.h>
#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/task.h"

/* Files of a task that clients and peers know by name. */
#define RETRACE_FILE_PASSWORD  "password"
#define RETRACE_FILE_TYPE      "type"
#define RETRACE_FILE_STATUS    "status"
#define RETRACE_FILE_BACKTRACE "retrace_backtrace"
#define RETRACE_FILE_LOG       "retrace_log"
#define RETRACE_FILE_STARTED   "started_time"
#define RETRACE_FILE_FINISHED  "finished_time"
#define RETRACE_DIR_CRASH      "crash"
#define RETRACE_DIR_RESULTS    "results"
/* Files of ours. */
#define RETRACE_FILE_WORKER_LOG "worker_log" /* the log while the task runs */
#define RETRACE_FILE_LOCK       "lock"       /* held by whoever owns the run */
#define RETRACE_FILE_BOOT_ID    "boot_id"    /* the boot in which the crash data was written */
#define RETRACE_FILE_ATTEMPTS   "attempts"   /* how often it was started */

#define RETRACE_FILE_CANCEL  "cancel"  /* its owner wants it ended */
#define RETRACE_FILE_FACTS   "facts"   /* what the run found out: lib/facts.h */
#define RETRACE_FILE_MANAGED "managed" /* the task is for an admin */
#define RETRACE_FILE_WAITING "waiting" /* nobody has started this managed task */

/* Below results/. */
#define RETRACE_RESULT_EXPLOITABLE "exploitable"    /* a sentence that ends in ": <rating>" */
#define RETRACE_RESULT_FRAMES      "backtrace.json" /* the backtrace in parts */

#define RETRACE_DIR_INCOMING          ".incoming"
#define RETRACE_DIR_QUEUE             "queue"
#define RETRACE_DIR_RUNNING           "running"
#define RETRACE_DIR_COUNTS            "counts"
#define RETRACE_DIR_STATISTICS        "statistics"
#define RETRACE_FILE_ESTIMATES        "estimates"  /* below statistics/: lib/estimate.h */
#define RETRACE_FILE_METRICS          "metrics"    /* likewise: lines of OpenMetrics text */
#define RETRACE_FILE_STATS_JSON       "stats.json" /* likewise: what /stats shows */
#define RETRACE_DIR_PACKAGES          "packages"   /* lib/package_list.h */
#define RETRACE_FILE_QUEUE_LOCK       "queue.lock"
#define RETRACE_FILE_DISPATCH_LOCK    "dispatch.lock"
#define RETRACE_FILE_HEARTBEAT        "heartbeat"
#define RETRACE_FILE_SANDBOX_OK       "sandbox_ok" /* the boot in which the self-test succeeded */
#define RETRACE_FILE_DISPATCHER_ERROR "dispatcher_error"

#define RETRACE_HEARTBEAT_S       10 /* the dispatcher touches the heartbeat this often */
#define RETRACE_HEARTBEAT_STALE_S 30 /* an older one means that no dispatcher is at work */

#define RETRACE_BACKTRACE_MAX (16 * 1024 * 1024) /* bytes that are stored and served */
#define RETRACE_LOG_MAX       (4 * 1024 * 1024)
#define RETRACE_SMALL_MAX     4096 /* bytes of password, type, status, … */

/** The spool's directories, open for one who may write there. */
typedef struct retrace_spool_t {
    const char *path;
    int root;
    int incoming;
    int queue;
    int running;
} retrace_spool_t;

/**
 * Open the spool for writing, making `queue/` and `running/` where they are missing.
 * @param pspool  in p; its descriptors are closed with p
 * @return APR_EACCES  `.incoming` is not ours, or lacks the set-group-ID bit that gives httpd's
 *                     group to what is made in it; err says how to mend it
 */
apr_status_t retrace_spool_open(const retrace_spool_t **pspool, const char *path,
                                retrace_error_t *err, apr_pool_t *p);

/**
 * Open a task's directory.
 * @param pfd   close-on-exec; the caller closes it
 * @param root  descriptor of the spool
 * @return APR_ENOENT  there is no such task
 */
apr_status_t retrace_spool_open_task(int *pfd, int root, uint32_t id, retrace_error_t *err);

/**
 * Where is this task? Needs no more than read permission, so that httpd may ask.
 * @param task  descriptor of the task's directory
 * @return RETRACE_TASK_SUCCEEDED or _FAILED once `finished_time` is there, else _RUNNING when it
 *         has an entry in `running/`, else _WAITING when `waiting` is there, else _QUEUED
 */
retrace_task_state_t retrace_spool_task_state(int root, int task, uint32_t id);

/** The content of `status`, or -1 when there is none yet. */
int retrace_spool_task_stage(int task, apr_pool_t *scratch);

/** Tell a stage: atomic, but not durable, since a crash of the machine ends the run anyway. */
apr_status_t retrace_spool_set_stage(int task, retrace_task_stage_t stage, retrace_error_t *err);

/** A number in a small file, as text with a newline. */
apr_status_t retrace_spool_write_number(int task, const char *name, apr_int64_t number,
                                        retrace_error_t *err);

/**
 * Add a line to the task's log: "[YYYY-mm-dd HH:MM:SS] [L] text". Control characters in the text
 * become '?', so that a line is a line. What would exceed RETRACE_LOG_MAX is dropped.
 * @param level  'I' or 'E' or 'W'
 */
void retrace_spool_log(int task, char level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * End a task: the log gets its last line and its final name, then the final stage and
 * `finished_time` are written, in the order that lets no reader see a half-finished task, each of
 * them durably. Idempotent.
 * The caller holds the task's lock.
 * @param backtrace  the result, or NULL for a failure
 * @param reason     the last line of the log; for a failure: why
 */
apr_status_t retrace_spool_finish(int task, const char *backtrace, apr_size_t length,
                                  const char *reason, retrace_error_t *err);

/**
 * Remove what only the run needed: crash data (kept for RETRACE_TASK_DEBUG and the interactive
 * types), the number of attempts, the live log, files that were not finished. Call after
 * retrace_spool_finish.
 */
apr_status_t retrace_spool_clean(int task, retrace_error_t *err, apr_pool_t *scratch);

/** The type that the upload asked for. */
retrace_task_type_t retrace_spool_task_type(int task, apr_pool_t *scratch);

/** Identifies the running kernel's boot (/proc/sys/kernel/random/boot_id); "" when unknown. */
const char *retrace_spool_boot_id(apr_pool_t *p);

#endif
