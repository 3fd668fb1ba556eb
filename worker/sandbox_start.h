/* SPDX-License-Identifier: Apache-2.0 */
/* Start bwrap as a child with its limits, its group and its five descriptors, and nothing else of
 * ours. For sandbox_process.c only. */
#ifndef RETRACE_WORKER_SANDBOX_START_H
#define RETRACE_WORKER_SANDBOX_START_H

#include <sys/types.h>

#include "worker/sandbox.h"

#define WORKER_SANDBOX_START_FAILED                                                                \
    '!' /* first byte from the status pipe when there is no bwrap  \
                                         */

/** Our ends of the child's pipes; non-blocking, close-on-exec. */
typedef struct worker_sandbox_child_t {
    pid_t pid; /* also of its process group */
    int output;
    int messages;
    int status;
} worker_sandbox_child_t;

/**
 * Start the command line. A child that could not become bwrap writes WORKER_SANDBOX_START_FAILED
 * and a sentence to its status pipe and ends.
 * @param filter_fd  becomes WORKER_SANDBOX_FILTER_FD; not closed
 */
apr_status_t worker_sandbox_start(worker_sandbox_child_t *child, const worker_sandbox_t *sandbox,
                                  const char *const *argv, int filter_fd, retrace_error_t *err);

#endif
