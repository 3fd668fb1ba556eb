/* SPDX-License-Identifier: Apache-2.0 */
/* How often a waiting client asks, and when it gives up. Pure. */
#ifndef RETRACE_TASK_PACE_H
#define RETRACE_TASK_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define TASK_LONG_POLL_S  30                      /* how long the server may wait with its answer */
#define TASK_WAIT_MAX_MS  (INT64_C(86400) * 1000) /* of a whole batch */
#define TASK_FAILURES_MAX 5   /* looks at the state that fail one after another */
#define TASK_TRIES_MAX    3   /* uploads to a server that is full */
#define TASK_RETRY_MAX_S  300 /* between them */

typedef struct task_pace_t {
    int64_t delay_ms;   /* the user's */
    int64_t estimate_s; /* the server's; 0: not told */
    bool long_poll;
    int64_t soon_ms; /* 0: the last answer was no early one */
    int failures;
} task_pace_t;

/** Before the first look: the estimate, but no more than the delay. */
int64_t task_pace_first_ms(const task_pace_t *pace);

/**
 * Before the next one, after one that was answered.
 * @param took_ms  the last look: a server that cannot wait now answers at once, and is asked ever
 *                 more rarely
 * @param changed  it told something new: that is why it has answered
 */
int64_t task_pace_next_ms(task_pace_t *pace, int64_t took_ms, bool changed);

/** After a look that failed: before the next one, or -1 to give up. */
int64_t task_pace_failed_ms(task_pace_t *pace);

/**
 * Before an upload is tried again that the server refused with 503.
 * @param tries          uploads until now
 * @param retry_after_s  the server's; 0: not told
 * @return -1: no more
 */
int64_t task_pace_retry_ms(const task_pace_t *pace, int tries, int64_t retry_after_s);

#endif
