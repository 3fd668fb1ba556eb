/* SPDX-License-Identifier: Apache-2.0 */
/* The password of a task, in a file: there other users of the machine do not see it. */
#ifndef RETRACE_TASK_PASSWORD_H
#define RETRACE_TASK_PASSWORD_H

#include <apr_pools.h>

#include "lib/error.h"

/**
 * Read a password: the first line, which must be the only one.
 * @param ppassword  in p; written only on success
 * @param path       "-": standard input
 * @return TASK_STATUS(TASK_EXIT_USAGE) when there is no password in it
 */
apr_status_t task_password_read(const char **ppassword, const char *path, retrace_error_t *err,
                                apr_pool_t *p);

#endif
