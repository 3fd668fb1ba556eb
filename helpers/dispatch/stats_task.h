/* SPDX-License-Identifier: Apache-2.0 */
/* A task that has ended, as the statistics see it: from the files of its directory into the
 * database. */
#ifndef RETRACE_STATS_TASK_H
#define RETRACE_STATS_TASK_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/dispatch/stats_db.h"
#include "lib/facts.h"

#define STATS_KEPT_SAMPLES 100 /* rows of package_time per package and release */

typedef struct stats_task_t {
    uint32_t id;
    bool is_success;
    int64_t start_s; /* since 1970; -1: it never ran */
    int64_t end_s;
    const retrace_facts_t *facts; /* never NULL; of nothing known when its worker was killed */
} stats_task_t;

/**
 * Read what there is to know.
 * @param task  descriptor of the task's directory
 * @return in p; NULL when it has not ended
 */
const stats_task_t *stats_task_read(int task, uint32_t id, apr_pool_t *p);

/**
 * Add a task to the database, within a transaction. One that is there already, with the same end,
 * changes nothing. A success counts as experience of its package: see STATS_KEPT_SAMPLES.
 */
apr_status_t stats_task_insert(stats_db_t *db, const stats_task_t *task, retrace_error_t *err,
                               apr_pool_t *scratch);

#endif
