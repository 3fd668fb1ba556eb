/* SPDX-License-Identifier: Apache-2.0 */
/* One line on a terminal that says how far something is. Elsewhere nothing is shown. */
#ifndef RETRACE_TASK_PROGRESS_H
#define RETRACE_TASK_PROGRESS_H

#include <apr.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TASK_PROGRESS_LINE 80 /* bytes of a line, with its NUL: one row of any terminal */

typedef struct task_progress_t {
    FILE *out; /* NULL: show nothing */
    char shown[TASK_PROGRESS_LINE];
} task_progress_t;

/**
 * The line. Pure.
 * @param label    of one line; cut when it is too long
 * @param percent  -1: not known, no bar
 */
void task_progress_format(char line[TASK_PROGRESS_LINE], const char *label, int percent);

/** Percent of a whole; -1 when there is no whole. */
int task_progress_percent(int64_t done, int64_t whole);

/** Show a line in the place of the former; the same one again costs nothing. */
void task_progress_show(task_progress_t *progress, const char *label, int percent);

/** Take the line away, before something else is printed. */
void task_progress_clear(task_progress_t *progress);

#endif
