/* SPDX-License-Identifier: Apache-2.0 */
/* Text of others, made fit for a terminal. Pure. */
#ifndef RETRACE_TASK_TEXT_H
#define RETRACE_TASK_TEXT_H

#include <apr_pools.h>
#include <stdbool.h>

typedef enum task_text_t {
    TASK_TEXT_LINES, /* line feeds and tabs stay */
    TASK_TEXT_LINE   /* they become blanks */
} task_text_t;

/**
 * Replace by '?' what a terminal would obey or show deceptively: control characters (ESC, DEL, C1),
 * marks that turn the direction of writing, and bytes that are not UTF-8.
 * @return NUL-terminated, in p
 */
const char *task_text_clean(const char *text, apr_size_t length, task_text_t form, apr_pool_t *p);

/** Is this a word of 1 to max printable ASCII characters without a blank? */
bool task_text_is_word(const char *text, apr_size_t max);

#endif
