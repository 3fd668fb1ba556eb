/* SPDX-License-Identifier: Apache-2.0 */
/* The upload: a temporary file with what is sent, since servers want to know its length first. */
#ifndef RETRACE_TASK_PACK_H
#define RETRACE_TASK_PACK_H

#include "helpers/task/plan.h"
#include "helpers/task/progress.h"

typedef struct task_upload_t {
    int fd; /* belongs to the pool */
    int64_t bytes;
} task_upload_t;

/**
 * Make the upload.
 * @param upload  written only on success
 * @param source  its core is replaced by an unpacked one if the plan says so
 * @return TASK_STATUS(TASK_EXIT_SOURCE)  the core changes or is broken, or the crash is larger than
 *                                        the server takes
 *         TASK_STATUS(TASK_EXIT_IO)      there is no room for it
 */
apr_status_t task_pack(task_upload_t *upload, task_source_t *source, const task_plan_t *plan,
                       task_progress_t *progress, retrace_error_t *err, apr_pool_t *p);

#endif
