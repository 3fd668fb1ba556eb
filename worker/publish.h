/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a run: what it leaves in the task's directory, in the order that lets no reader see a
 * task that has ended without what belongs to it. */
#ifndef RETRACE_WORKER_PUBLISH_H
#define RETRACE_WORKER_PUBLISH_H

#include <apr_pools.h>

#include "lib/error.h"
#include "lib/facts.h"

/** What there is to publish. */
typedef struct worker_results_t {
    const char *report;           /* NULL: the task has failed, and nothing else counts but facts */
    const char *frames;           /* results/backtrace.json; NULL for none */
    const char *exploitable;      /* results/exploitable; NULL for none */
    const retrace_facts_t *facts; /* as far as the run got */
} worker_results_t;

/**
 * End a task, then remove what only its run needed. Facts and results that cannot be written are a
 * line in the task's log, not a failure.
 * @param task    descriptor of its directory; the caller holds its lock
 * @param reason  of a failure
 * @return as retrace_spool_finish and retrace_spool_clean
 */
apr_status_t worker_publish(int task, const worker_results_t *results, const char *reason,
                            retrace_error_t *err, apr_pool_t *p);

#endif
