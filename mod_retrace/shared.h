/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that all of httpd's children share, and its lock. Made anew when httpd reads its
 * configuration, so that counters begin at 0 then. */
#ifndef MR_SHARED_H
#define MR_SHARED_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "mod_retrace/limiter.h"

/** What is counted beside refusals. */
typedef enum mr_count_t {
    MR_COUNT_UPLOADS,   /* accepted with 201 */
    MR_COUNT_FAILURES,  /* wrong passwords and ids */
    MR_COUNT_THROTTLED, /* requests that were refused because of them */
    MR_COUNTS
} mr_count_t;

#define MR_STATUSES 16 /* at least as many as counters.c has rows */

typedef struct mr_counters_t {
    uint64_t refused[MR_STATUSES]; /* uploads, by the rows of the table in counters.c */
    uint64_t counts[MR_COUNTS];
} mr_counters_t;

typedef struct mr_shared_data_t {
    mr_limiter_t limiter;
    mr_counters_t total;
    mr_counters_t delivered; /* of these: handed over to the statistics */
    /* These are also read without the lock (mr_shared_peek_...), so that an ordinary request takes
     * none. */
    int has_news;             /* something has been counted since the last delivery */
    apr_time_t delivery_time; /* when that was last tried */
    apr_time_t failure_time;  /* of the last failure of anybody */
} mr_shared_data_t;

typedef struct mr_shared_t mr_shared_t;

/** In pre_config: makes the lock's name known to the directive Mutex. */
apr_status_t mr_shared_register(apr_pool_t *pconf);

/** In post_config. @param pshared  in pconf */
apr_status_t mr_shared_create(mr_shared_t **pshared, server_rec *s, apr_pool_t *pconf);

/** In child_init. */
apr_status_t mr_shared_child_init(mr_shared_t *shared, apr_pool_t *pchild);

/** Without the lock: when a delivery was last tried, if there is anything to deliver; else -1. */
apr_time_t mr_shared_peek_delivery(const mr_shared_t *shared);

/** Without the lock: when somebody last failed. */
apr_time_t mr_shared_peek_failure(const mr_shared_t *shared);

/** With the lock: is there anything to deliver? */
void mr_shared_set_news(mr_shared_data_t *data, bool has_news);

/** Lock and look. Short: nothing may block in between. @return NULL when it cannot be locked */
mr_shared_data_t *mr_shared_lock(mr_shared_t *shared);
void mr_shared_unlock(mr_shared_t *shared);

#endif
