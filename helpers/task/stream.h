/* SPDX-License-Identifier: Apache-2.0 */
/* The synchronous answer: behind the headers of 201 the worker's output, lines with X-Task-Status,
 * and behind the last of them the backtrace. Pure. */
#ifndef RETRACE_TASK_STREAM_H
#define RETRACE_TASK_STREAM_H

#include <apr.h>
#include <stdbool.h>

#include "helpers/task/state.h"

typedef struct task_stream_t {
    task_word_t word;      /* PENDING: it broke off */
    const char *backtrace; /* in the body; empty unless the word is SUCCESS */
    apr_size_t length;
} task_stream_t;

/** Read the whole of it, NUL-terminated. */
task_stream_t task_stream_parse(const char *body, apr_size_t length);

#endif
