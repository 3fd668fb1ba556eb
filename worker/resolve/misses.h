/* SPDX-License-Identifier: Apache-2.0 */
/* What no debuginfod server had a short while ago: `CacheDir/missing/<build-id>.<kind>`, a note
 * that spares the next task the question. Whoever cannot read or write it just asks. */
#ifndef RETRACE_WORKER_MISSES_H
#define RETRACE_WORKER_MISSES_H

#include <apr_pools.h>
#include <stdbool.h>
#include <time.h>

#include "lib/config.h"
#include "worker/resolve/source.h"

#define WORKER_MISSES_MAX 20000 /* that are remembered: cores may name any build-ids */

/** Has it been missing for less than DebuginfodMissTime, on all of the present DebuginfodURLs? */
bool worker_miss_is_known(const retrace_config_t *config, const worker_want_t *want, time_t now,
                          apr_pool_t *p);

/** Nothing happens when DebuginfodMissTime is 0, or when there are WORKER_MISSES_MAX. */
void worker_miss_remember(const retrace_config_t *config, const worker_want_t *want, apr_pool_t *p);

void worker_miss_forget(const retrace_config_t *config, const worker_want_t *want, apr_pool_t *p);

/** Remove all that are not known any more. */
void worker_misses_prune(const retrace_config_t *config, time_t now);

#endif
