/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a task, stage by stage, from the crash data to the published result. */
#ifndef RETRACE_WORKER_RUN_H
#define RETRACE_WORKER_RUN_H

#include <apr_pools.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"

/**
 * Retrace a task and end it: with a backtrace, or with the reason why there is none in its log.
 * @return APR_SUCCESS  the task has ended, either way
 *         APR_ENOENT   there is no such task
 *         APR_EBUSY    somebody else runs it
 *         other        the end could not be published; err says why
 */
apr_status_t worker_run(uint32_t id, const retrace_config_t *config, retrace_error_t *err,
                        apr_pool_t *p);

/** Remove what a killed worker of this task has left: its control group, with all that may still be
 * alive in it, and its chroot. */
void worker_run_tidy(uint32_t id, const retrace_config_t *config, apr_pool_t *p);

#endif
