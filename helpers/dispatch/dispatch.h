/* SPDX-License-Identifier: Apache-2.0 */
/* The one process that owns the queue: starts workers, ends those that take too long, brings every
 * task to an end, and leaves when there is nothing to do. */
#ifndef RETRACE_DISPATCH_H
#define RETRACE_DISPATCH_H

#include <apr_pools.h>

#include "helpers/dispatch/engine.h"
#include "lib/config.h"
#include "lib/error.h"
#include "lib/spool.h"

/**
 * Be the dispatcher until the queue is empty.
 * @param config_path  handed on to the workers
 * @return APR_EBUSY  somebody else is
 */
apr_status_t dispatch_run(const retrace_spool_t *spool, const retrace_config_t *config,
                          const char *config_path, const engine_t *engine, retrace_error_t *err,
                          apr_pool_t *p);

#endif
