/* SPDX-License-Identifier: Apache-2.0 */
/* A problem directory of ABRT: `coredump`, or a packed one, and small files beside it. */
#ifndef RETRACE_TASK_PROBLEM_H
#define RETRACE_TASK_PROBLEM_H

#include "helpers/task/source.h"

/**
 * Open the directory source->name. Symbolic links in it are not followed: it may be another user's.
 * @param source  core, packing, size and members; written only on success
 * @return TASK_STATUS(TASK_EXIT_SOURCE)  no core in it, a file that is no regular one, one that is
 *         longer than TASK_SMALL_MAX, or what may not be read
 */
apr_status_t task_problem_open(task_source_t *source, retrace_error_t *err, apr_pool_t *p);

#endif
