/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses what of the cache. What a task uses it holds until it has ended; only what nobody holds is
 * removed. A hold is a lock on one byte of `CacheDir/use.lock`, at an offset that the build-id
 * gives: one descriptor for a thousand files, and gone with its process, however that dies. */
#ifndef RETRACE_WORKER_CACHE_HOLD_H
#define RETRACE_WORKER_CACHE_HOLD_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "lib/error.h"

#define WORKER_CACHE_HOLD_WAIT_MS 5000 /* for one who removes a file */

/** All that one process holds. Programs that it executes do not inherit it. */
typedef struct worker_cache_hold_t worker_cache_hold_t;

/**
 * Hold nothing yet.
 * @param phold  in p, which ends it
 */
apr_status_t worker_cache_hold_open(worker_cache_hold_t **phold, const char *cache_dir,
                                    retrace_error_t *err, apr_pool_t *p);

/** Hold nothing any more; again does nothing. */
void worker_cache_hold_close(worker_cache_hold_t *hold);

/**
 * Hold the files of this build-id, whether they are there or not, together with all others who do.
 * Two build-ids that begin with the same 15 digits are one here, which only keeps the other one.
 * @return APR_EBUSY  somebody removes them, for longer than WORKER_CACHE_HOLD_WAIT_MS
 */
apr_status_t worker_cache_hold_share(worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err);

/** Hold them alone, to remove them. @return APR_EBUSY  somebody else holds them */
apr_status_t worker_cache_hold_alone(worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err);

/** Hold these no more. */
void worker_cache_hold_drop(worker_cache_hold_t *hold, const char *build_id);

/** Does anybody else hold them? True when the system cannot tell. */
bool worker_cache_hold_is_shared(const worker_cache_hold_t *hold, const char *build_id);

/** All that others hold, at once: to ask for each of many files would take the kernel much longer.
 * @return in p, for worker_cache_holders_have; NULL when the system cannot tell */
apr_array_header_t *worker_cache_holders(const worker_cache_hold_t *hold, apr_pool_t *p);

/** Was this held then? True without holders. */
bool worker_cache_holders_have(const apr_array_header_t *holders, const char *build_id);

#endif
