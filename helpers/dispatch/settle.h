/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a task whose worker is gone to an end, whatever state it was left in. */
#ifndef RETRACE_SETTLE_H
#define RETRACE_SETTLE_H

#include <apr_pools.h>
#include <stdint.h>

#include "helpers/dispatch/stats_task.h"
#include "lib/error.h"
#include "lib/spool.h"

#define DISPATCH_MAX_ATTEMPTS 3 /* starts of one task whose dispatcher keeps dying */

typedef enum settle_verdict_t {
    SETTLE_START,     /* may be started */
    SETTLE_FINISHED,  /* has ended: clean up, remove the entry */
    SETTLE_WAITING,   /* waits for an admin: it has no business in the queue, its entry goes */
    SETTLE_CANCELLED, /* its owner wants it ended */
    SETTLE_GONE,      /* its directory is gone: remove the entry */
    SETTLE_REBOOTED,  /* its crash data may not have survived the restart of the machine */
    SETTLE_EXHAUSTED, /* was started DISPATCH_MAX_ATTEMPTS times already */
    SETTLE_BUSY,      /* somebody holds its lock, or the system is short of something */
    SETTLE_UNUSABLE   /* its directory cannot be opened: nothing can be done for it */
} settle_verdict_t;

/** What can be known about a task without its worker. */
typedef struct settle_facts_t {
    bool exists;
    bool is_final;
    bool is_locked;
    bool is_same_boot;
    bool is_cancelled;
    int attempts;
    bool is_waiting;  /* a managed task that nobody has started */
    bool is_unusable; /* its directory is there and cannot be opened */
} settle_facts_t;

/** What to do with a task that has an entry and no worker of ours. Pure. */
settle_verdict_t settle_decide(const settle_facts_t *facts);

/** Gather the facts. */
void settle_look(settle_facts_t *facts, const retrace_spool_t *spool, uint32_t id,
                 apr_pool_t *scratch);

/**
 * End a task that is not final as failed for this reason, and clean up after it. A task that is
 * final is only cleaned up. Its entry stays until it is recorded.
 * @param pended  what is to be recorded, in p; NULL when the task is gone
 * @param reason  may be NULL when the task is known to be final
 */
apr_status_t settle_task(const stats_task_t **pended, const retrace_spool_t *spool, uint32_t id,
                         const char *reason, retrace_error_t *err, apr_pool_t *p);

/** Has its owner asked for its end? */
bool settle_is_cancelled(const retrace_spool_t *spool, uint32_t id);

/** Count one more start. */
apr_status_t settle_count_attempt(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err,
                                  apr_pool_t *scratch);

#endif
