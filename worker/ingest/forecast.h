/* SPDX-License-Identifier: Apache-2.0 */
/* How long a new task is likely to take (X-Task-Est-Time). */
#ifndef RETRACE_INGEST_FORECAST_H
#define RETRACE_INGEST_FORECAST_H

#include <apr_pools.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/spool.h"

/**
 * Seconds until an upload that is about to be admitted will have ended as a task, by what its files
 * say, the statistics, and the tasks that are there already.
 * @param crash  its directory `crash/`
 * @return at least 1, whatever cannot be read
 */
int64_t ingest_forecast(const retrace_spool_t *spool, int crash, const retrace_config_t *config,
                        apr_pool_t *scratch);

#endif
