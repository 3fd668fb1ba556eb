/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, and who is next. An entry `queue/<id>` is made before an upload's first byte is
 * read: it is the reserved slot. It becomes due when `.incoming/<id>` has become `<id>`, moves to
 * `running/<id>` when a worker is started for it, and is removed when the task has ended. */
#ifndef RETRACE_QUEUE_H
#define RETRACE_QUEUE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/spool.h"

#define RETRACE_CLIENT_MAX 64 /* bytes of a client's address as text, with the NUL */

typedef struct retrace_queue_limits_t {
    int64_t max_tasks;      /* MaxParallelTasks + MaxQueuedTasks */
    int64_t min_free_bytes; /* MinStorageLeft */
} retrace_queue_limits_t;

/** A slot that is held for one upload. */
typedef struct retrace_reservation_t {
    uint32_t id;
    int directory; /* `.incoming/<id>`, open */
    int lock;      /* its lock, held: whoever finds it free knows that the upload is dead */
} retrace_reservation_t;

/**
 * Reserve a slot and space for an upload, under the queue's lock.
 * @param preservation  in p; written only on success. Its descriptors are the caller's to close,
 *                      `lock` last
 * @param client        address as text, for fairness; checked by the caller
 * @param length        bytes announced
 * @return APR_EBUSY    all slots are taken
 *         APR_ENOSPC   too little space would be left
 *         other        the spool cannot be used
 */
apr_status_t retrace_queue_reserve(retrace_reservation_t **preservation,
                                   const retrace_spool_t *spool,
                                   const retrace_queue_limits_t *limits, const char *client,
                                   int64_t length, retrace_error_t *err, apr_pool_t *p);

/** Give the slot back and remove everything that the upload left. */
apr_status_t retrace_queue_release(const retrace_spool_t *spool,
                                   const retrace_reservation_t *reservation, retrace_error_t *err);

/**
 * The upload is complete: make it a task. After this the dispatcher may start it at any time.
 * Closes the reservation's lock, so that the worker can take it at once.
 */
apr_status_t retrace_queue_admit(const retrace_spool_t *spool, retrace_reservation_t *reservation,
                                 retrace_error_t *err);

/**
 * Remove uploads whose receiver died: `.incoming/<id>` without a held lock, and entries of `queue/`
 * that lead nowhere. Takes the queue's lock.
 */
apr_status_t retrace_queue_sweep(const retrace_spool_t *spool, retrace_error_t *err, apr_pool_t *p);

/** An entry that could be started, or is. */
typedef struct retrace_queue_entry_t {
    uint32_t id;
    apr_time_t since; /* when the slot was reserved */
    char client[RETRACE_CLIENT_MAX];
} retrace_queue_entry_t;

/**
 * The tasks of `queue/` whose upload is complete, or those of `running/`.
 * @param pentries  of retrace_queue_entry_t, in p, in no order
 */
apr_status_t retrace_queue_list_due(apr_array_header_t **pentries, const retrace_spool_t *spool,
                                    retrace_error_t *err, apr_pool_t *p);
apr_status_t retrace_queue_list_running(apr_array_header_t **pentries, const retrace_spool_t *spool,
                                        retrace_error_t *err, apr_pool_t *p);

/**
 * Which task is next: of the client with the fewest running tasks the oldest. Pure.
 * @return index into `due`, or -1 when it is empty
 */
int retrace_queue_next(const apr_array_header_t *due, const apr_array_header_t *running);

/** Move an entry from `queue/` to `running/`, back, or away. */
apr_status_t retrace_queue_claim(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err);
apr_status_t retrace_queue_put_back(const retrace_spool_t *spool, uint32_t id,
                                    retrace_error_t *err);
apr_status_t retrace_queue_remove(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err);

/**
 * Make sure that a task which has not ended has an entry, and let a waiting dispatcher see it. An
 * entry of `running/` goes back to `queue/` when there is no dispatcher. A managed task that nobody
 * has started gets none.
 * @return APR_ENOENT  there is no such task
 */
apr_status_t retrace_queue_ensure(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err);

#endif
