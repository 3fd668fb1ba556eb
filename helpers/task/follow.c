/* SPDX-License-Identifier: Apache-2.0 */
/* See follow.h. */
#include "helpers/task/follow.h"

#include <apr_strings.h>
#include <time.h>

#include "helpers/task/exit.h"
#include "helpers/task/interrupt.h"
#include "helpers/task/pace.h"

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(task_session_t *session, const task_state_t *state, apr_pool_t *scratch)
{
    const char *label = state->text;

    if (state->queue_position > 0) {
        label = apr_psprintf(scratch, "Waiting, number %d in the queue", state->queue_position);
    }
    task_progress_show(&session->progress, label, state->percent);
}

/* One look. @return how long to wait before the next one: -1 for no more, then *prv says why */
static int64_t look(apr_status_t *prv, task_word_t *pword, task_pace_t *pace,
                    task_session_t *session, const task_key_t *key, retrace_error_t *err,
                    apr_pool_t *scratch)
{
    task_state_t state = { .word = TASK_WORD_PENDING };
    int64_t start_ms = now_ms();

    *prv = task_session_state(&state, NULL, session, key, true,
                              pace->long_poll ? TASK_LONG_POLL_S : 0, err, scratch);
    if (*prv == TASK_STATUS(TASK_EXIT_UNAVAILABLE)) {
        return task_pace_failed_ms(pace);
    }
    if (*prv != APR_SUCCESS) {
        return -1;
    }
    *pword = state.word;
    if (state.word != TASK_WORD_PENDING) {
        return -1;
    }
    show(session, &state, scratch);
    return task_pace_next_ms(pace, now_ms() - start_ms);
}

apr_status_t task_follow(task_word_t *pword, task_session_t *session, const task_receipt_t *receipt,
                         retrace_error_t *err, apr_pool_t *p)
{
    task_pace_t pace = { .delay_ms = session->options->delay_s * 1000,
                         .estimate_s = receipt->estimate_s,
                         .long_poll = TASK_HAS(receipt->features, TASK_FEATURE_LONG_POLL) };
    int64_t end_ms = now_ms() + TASK_WAIT_MAX_MS;
    int64_t wait_ms = task_pace_first_ms(&pace);
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *scratch;

    apr_pool_create(&scratch, p);
    while (wait_ms >= 0) {
        if (task_interrupt_wait(session->setup.interrupt, wait_ms)) {
            rv = retrace_fail(err, TASK_STATUS(TASK_EXIT_INTERRUPTED), "interrupted");
            break;
        }
        if (now_ms() > end_ms) {
            rv = retrace_fail(err, TASK_STATUS(TASK_EXIT_PENDING),
                              "the task has not ended in a day");
            break;
        }
        apr_pool_clear(scratch);
        wait_ms = look(&rv, pword, &pace, session, &receipt->key, err, scratch);
    }
    apr_pool_destroy(scratch);
    task_progress_clear(&session->progress);
    return rv;
}
