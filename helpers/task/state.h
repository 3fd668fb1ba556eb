/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of a task: the word of X-Task-Status and the body of GET /<id>. Pure. */
#ifndef RETRACE_TASK_STATE_H
#define RETRACE_TASK_STATE_H

#include <apr_pools.h>
#include <stdbool.h>

#include "helpers/task/exit.h"
#include "lib/error.h"

#define TASK_STATE_MAX (64 * 1024) /* bytes of the reply */

typedef enum task_word_t { TASK_WORD_PENDING, TASK_WORD_SUCCESS, TASK_WORD_FAILURE } task_word_t;

typedef struct task_state_t {
    task_word_t word;
    const char *text;   /* the stage; cleaned, of one line */
    int percent;        /* 0 to 100; -1: not told */
    int queue_position; /* 1: the next one; 0: not told, or not waiting */
} task_state_t;

/**
 * Read the word of X-Task-Status.
 * @param pword  written only on success
 * @param text   NULL: the header is missing
 * @return false unless it is one of the three
 */
bool task_word_parse(task_word_t *pword, const char *text);

/** The word itself. */
const char *task_word_text(task_word_t word);

/** The code that a command ends with when this is the state of the task. */
task_exit_t task_word_exit(task_word_t word);

/**
 * Read a reply to GET /<id>.
 * @param state  written only on success; its text is in p
 * @param word   the header X-Task-Status, NULL: missing
 * @param type   the header Content-Type, NULL: missing. With application/json the body may have the
 *               members `text`, `percent` and `queue_position`; else it is the stage's text.
 * @return TASK_STATUS(TASK_EXIT_PROTOCOL) when the word is not one of the three, or when a body
 *         that is called JSON is no object
 */
apr_status_t task_state_parse(task_state_t *state, const char *word, const char *type,
                              const char *body, apr_size_t length, retrace_error_t *err,
                              apr_pool_t *p);

#endif
