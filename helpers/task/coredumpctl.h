/* SPDX-License-Identifier: Apache-2.0 */
/* A crash that systemd-coredump has taken, by coredumpctl(1). */
#ifndef RETRACE_TASK_COREDUMPCTL_H
#define RETRACE_TASK_COREDUMPCTL_H

#include "helpers/task/source.h"

/** What `coredumpctl info` tells. Texts are NULL when they are not told. */
typedef struct task_crash_info_t {
    const char *pid; /* digits */
    const char *executable;
    const char *package; /* name-version */
} task_crash_info_t;

/**
 * Read what `coredumpctl info` printed; of two equal labels the first one counts. Pure.
 * @param info  written only on success; in p
 * @return false when it tells no process id
 */
bool task_coredumpctl_parse(task_crash_info_t *info, const char *text, apr_pool_t *p);

/**
 * Take the newest crash that matches.
 * @param source  core, packing, size, executable and package; written only on success
 * @param match   a process id, a program's path or its name
 * @return TASK_STATUS(TASK_EXIT_SOURCE)  there is none, or it cannot be read
 */
apr_status_t task_coredumpctl_open(task_source_t *source, const char *match, retrace_error_t *err,
                                   apr_pool_t *p);

#endif
