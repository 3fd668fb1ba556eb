/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics of the dispatcher: ended tasks and httpd's counts go into the database, from which
 * the files of `statistics/` are made. Nothing here may hold up or fail a task: what goes wrong is
 * logged, once a minute at most, and tried again later. */
#ifndef RETRACE_STATS_H
#define RETRACE_STATS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/dispatch/stats_task.h"
#include "lib/config.h"
#include "lib/spool.h"

/* Below statistics/. */
#define STATS_DIR_UNRECORDED "unrecorded" /* ids of tasks that the database could not take */
#define STATS_FILE_ERROR     "error"      /* why; its modification time: when that was logged */

#define STATS_RETRY_S        10   /* no attempt this soon after one that failed */
#define STATS_LOG_S          60   /* no second line in the log this soon after the first */
#define STATS_PUBLISH_S      5    /* files are not replaced more often while there is work */
#define STATS_MAX_UNRECORDED 1000 /* tasks that wait for the database; others are not counted */
#define STATS_CATCH_UP       100  /* of these are recorded in one round */

typedef struct stats_t stats_t;

/** For the one who holds the dispatcher's lock; in p. */
stats_t *stats_make(const retrace_spool_t *spool, const retrace_config_t *config, apr_pool_t *p);

/**
 * Record a task that has ended. If the database cannot take it now, its id is kept for later.
 * Takes 1.6 s at most, and that only once in STATS_RETRY_S.
 * @param now_s  monotonic, as in stats_round
 */
void stats_record(stats_t *stats, const stats_task_t *task, int64_t now_s);

/**
 * Take what httpd has delivered and what could not be recorded earlier, write the files if they are
 * due, and close the database.
 * @param is_last  the dispatcher is about to leave: write them if anything has changed
 */
void stats_round(stats_t *stats, bool is_last, int64_t now_s);

#endif
