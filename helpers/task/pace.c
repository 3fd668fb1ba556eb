/* SPDX-License-Identifier: Apache-2.0 */
/* See pace.h. */
#include "helpers/task/pace.h"

#define CHANGED_MS INT64_C(100)  /* whatever a server pretends, it is not asked more often */
#define EARLY_MS   INT64_C(1000) /* an answer that came sooner was not waited for */

int64_t task_pace_first_ms(const task_pace_t *pace)
{
    if (pace->long_poll) {
        return 0;
    }
    if (pace->estimate_s > 0 && pace->estimate_s < pace->delay_ms / 1000) {
        return pace->estimate_s * 1000;
    }
    return pace->delay_ms;
}

int64_t task_pace_next_ms(task_pace_t *pace, int64_t took_ms, bool changed)
{
    pace->failures = 0;
    if (!pace->long_poll) {
        return pace->delay_ms;
    }
    if (took_ms >= EARLY_MS || changed) {
        pace->soon_ms = 0;
        return changed ? CHANGED_MS : 0;
    }
    pace->soon_ms = pace->soon_ms == 0 ? EARLY_MS : pace->soon_ms * 2;
    if (pace->soon_ms > pace->delay_ms) {
        pace->soon_ms = pace->delay_ms;
    }
    return pace->soon_ms;
}

int64_t task_pace_failed_ms(task_pace_t *pace)
{
    pace->failures++;
    return pace->failures >= TASK_FAILURES_MAX ? -1 : pace->delay_ms;
}

int64_t task_pace_retry_ms(const task_pace_t *pace, int tries, int64_t retry_after_s)
{
    if (tries >= TASK_TRIES_MAX) {
        return -1;
    }
    if (retry_after_s <= 0) {
        return pace->delay_ms;
    }
    return (retry_after_s < TASK_RETRY_MAX_S ? retry_after_s : TASK_RETRY_MAX_S) * 1000;
}
