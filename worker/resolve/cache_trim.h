/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the cache below CacheSize: what was not used for longest goes first, and never what is in
 * use. One process trims at a time, and nobody waits for it. */
#ifndef RETRACE_WORKER_CACHE_TRIM_H
#define RETRACE_WORKER_CACHE_TRIM_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/cache_hold.h"

#define WORKER_CACHE_TRIM_PERCENT 90          /* of the limit remain */
#define WORKER_CACHE_FUTURE_S     (24 * 3600) /* who was used so long after now was used never */
#define WORKER_CACHE_ROUNDS       4           /* over what was used while one trimmed */
#define WORKER_CACHE_NO_GOAL      INT64_MAX   /* leftovers only */

/** When another one trims. */
typedef enum worker_cache_other_t {
    WORKER_CACHE_LEAVE_IT,   /* leave it to that one: APR_EBUSY */
    WORKER_CACHE_AFTER_IT,   /* wait for it, then trim */
    WORKER_CACHE_COMPLETE_IT /* wait for it, then trim if there still is more than CacheSize */
} worker_cache_other_t;

/** What was done. */
typedef struct worker_cache_trimmed_t {
    int removed; /* build-ids */
    int64_t removed_bytes;
    int64_t left_bytes; /* that are in the cache now */
} worker_cache_trimmed_t;

/**
 * Which entries go, so that at most goal_bytes remain; all without a file, too. Sets their `goes` and
 * sorts them, what was not used for longest first. Touches nothing else.
 * @param entries  of worker_cache_entry_t (cache_entries.h)
 * @return bytes that remain
 */
int64_t worker_cache_plan(apr_array_header_t *entries, int64_t goal_bytes, int64_t now_ns);

/** To what the cache is trimmed for pending_bytes that are to come. Pure. */
int64_t worker_cache_goal(int64_t limit_bytes, int64_t pending_bytes);

/**
 * Trim the cache.
 * @param pdone  NULL: nobody asks
 * @return APR_EBUSY  another trims, WORKER_CACHE_LEAVE_IT
 *         other      the cache cannot be looked at
 */
apr_status_t worker_cache_trim(worker_cache_trimmed_t *pdone, const retrace_config_t *config,
                               int64_t goal_bytes, worker_cache_other_t other, retrace_error_t *err,
                               apr_pool_t *p);

/** Hold nothing any more, and trim, if there is more than CacheSize; at the end of a task. */
void worker_cache_release(worker_cache_hold_t *hold, const retrace_config_t *config, apr_pool_t *p);

#endif
