/* SPDX-License-Identifier: Apache-2.0 */
/* Results: to a file, which appears when it is complete, or to standard output. */
#ifndef RETRACE_TASK_OUTPUT_H
#define RETRACE_TASK_OUTPUT_H

#include <apr_pools.h>

#include "lib/error.h"

/**
 * Write a result.
 * @param path  a file, readable for its owner only, that takes the place of a former one; what is
 *              no regular file is not replaced. NULL: standard output. If that is a terminal, what
 *              it would obey is left out (task_text_clean)
 */
apr_status_t task_output_write(const char *path, const char *text, apr_size_t length,
                               retrace_error_t *err, apr_pool_t *p);

#endif
