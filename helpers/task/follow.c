/* SPDX-License-Identifier: Apache-2.0 */
/* See follow.h. */
#include "helpers/task/follow.h"

#include <apr_strings.h>
#include <string.h>
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

/* A task that is waited for. */
typedef struct watch_t {
    task_session_t *session;
    const task_key_t *key;
    task_pace_t pace;
    task_word_t word;
    char text[TASK_PROGRESS_LINE]; /* what the server said last, as far as it is compared */
    int queue_position;
} watch_t;

/* @return whether it is something new */
static bool take_state(watch_t *watch, const task_state_t *state)
{
    char text[TASK_PROGRESS_LINE];
    bool changed;

    apr_cpystrn(text, state->text, sizeof(text));
    changed = strcmp(text, watch->text) != 0 || state->queue_position != watch->queue_position;
    memcpy(watch->text, text, sizeof(text));
    watch->queue_position = state->queue_position;
    watch->word = state->word;
    return changed;
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
static int64_t look(apr_status_t *prv, watch_t *watch, retrace_error_t *err, apr_pool_t *scratch)
{
    task_state_t state = { 0 };
    int64_t start_ms = now_ms();
    bool changed;

    *prv = task_session_state(&state, NULL, watch->session, watch->key, true,
                              watch->pace.long_poll ? TASK_LONG_POLL_S : 0, err, scratch);
    if (*prv == TASK_STATUS(TASK_EXIT_UNAVAILABLE)) {
        return task_pace_failed_ms(&watch->pace);
    }
    if (*prv != APR_SUCCESS) {
        return -1;
    }
    changed = take_state(watch, &state);
    if (state.word != TASK_WORD_PENDING) {
        return -1;
    }
    show(watch->session, &state, scratch);
    return task_pace_next_ms(&watch->pace, now_ms() - start_ms, changed);
}

apr_status_t task_follow(task_word_t *pword, task_session_t *session, const task_receipt_t *receipt,
                         retrace_error_t *err, apr_pool_t *p)
{
    watch_t watch = {
        .session = session,
        .key = &receipt->key,
        .pace = { .delay_ms = session->options->delay_s * 1000,
                  .estimate_s = receipt->estimate_s,
                  .long_poll = TASK_HAS(receipt->features, TASK_FEATURE_LONG_POLL) },
    };
    int64_t end_ms = now_ms() + TASK_WAIT_MAX_MS;
    int64_t wait_ms = task_pace_first_ms(&watch.pace);
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
        wait_ms = look(&rv, &watch, err, scratch);
    }
    apr_pool_destroy(scratch);
    task_progress_clear(&session->progress);
    if (rv == APR_SUCCESS) {
        *pword = watch.word;
    }
    return rv;
}
