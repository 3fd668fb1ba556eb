/* SPDX-License-Identifier: Apache-2.0 */
/* How much is in the cache, without looking at all of it: `CacheDir/size`. Whoever adds a file says
 * so before, so that whoever is killed leaves a number that is too large, never one that is too
 * small; who has counted everything sets it right. */
#ifndef RETRACE_WORKER_CACHE_ACCOUNT_H
#define RETRACE_WORKER_CACHE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define WORKER_CACHE_RECOUNT_S (24 * 3600) /* so old a count is made anew */
#define WORKER_CACHE_STEP                                                                          \
    10 /* a part of the limit: how much is added between two trims
                                    that cannot get below it */

typedef struct worker_cache_account_t {
    bool is_known;      /* false: there is no such file, or it is damaged */
    int64_t bytes;      /* allocated by all files and their directories */
    int64_t kept_bytes; /* what the last trim could not get below the limit; 0: it did */
    int64_t counted_at; /* seconds */
    int64_t count;      /* of the counts; changes with each */
} worker_cache_account_t;

/** @param top  descriptor of CacheDir */
worker_cache_account_t worker_cache_account_read(int top);

/** Say that bytes are added. @return with them; not known when it cannot be written */
worker_cache_account_t worker_cache_account_add(int top, int64_t bytes);

/**
 * Say what a count has found.
 * @param start        what was read before the count: what was added since then is added to it
 * @param bytes        that are there
 * @param limit_bytes  of the cache; 0: none
 */
void worker_cache_account_set(int top, const worker_cache_account_t *start, int64_t bytes,
                              int64_t limit_bytes, time_t now);

/** Must the cache be trimmed before more is added? Pure. */
bool worker_cache_account_is_due(const worker_cache_account_t *account, int64_t limit_bytes,
                                 time_t now);

/** Is there more than may be? Pure. */
bool worker_cache_account_is_over(const worker_cache_account_t *account, int64_t limit_bytes);

#endif
