/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a crash for a server that takes this and not that. Pure. */
#ifndef RETRACE_TASK_PLAN_H
#define RETRACE_TASK_PLAN_H

#include "helpers/task/settings.h"
#include "helpers/task/source.h"

typedef struct task_plan_t {
    task_format_t format; /* how it is packed; CORE: not at all, the core is sent as it is */
    const char *type;     /* the content type */
    bool bare;            /* the core alone, without an archive around it */
    bool unpack;          /* the core goes plain: unpack it first */
    const char *name;     /* of the core in the archive, "coredump" and a suffix */
    int64_t max_packed;   /* bytes; -1: no limit is told */
    int64_t max_unpacked; /* the same */
} task_plan_t;

/** @return TASK_STATUS(TASK_EXIT_UNAVAILABLE) when the server is full */
apr_status_t task_plan_check_free(const task_settings_t *settings, retrace_error_t *err);

/**
 * Choose, or refuse what the server would refuse later.
 * @param plan  written only on success
 * @return TASK_STATUS(TASK_EXIT_UNAVAILABLE)  the server takes no format of ours
 *         TASK_STATUS(TASK_EXIT_SOURCE)       the crash is larger than the server takes
 */
apr_status_t task_plan_make(task_plan_t *plan, const task_settings_t *settings,
                            const task_source_t *source, retrace_error_t *err);

/**
 * Bytes of all files together.
 * @return TASK_STATUS(TASK_EXIT_SOURCE) when they are more than the server takes
 */
apr_status_t task_plan_check_sizes(const task_plan_t *plan, const task_source_t *source,
                                   retrace_error_t *err);

#endif
