/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a server. */
#ifndef RETRACE_TASK_URL_H
#define RETRACE_TASK_URL_H

#include <apr_pools.h>

#include "lib/error.h"

/**
 * A server's address as the user wrote it, made complete: https without a scheme, '/' at the end.
 * @param purl  in p; written only on success
 * @return TASK_STATUS(TASK_EXIT_USAGE)  not http or https, a user or password in it, a query
 */
apr_status_t task_url_complete(const char **purl, const char *text, retrace_error_t *err,
                               apr_pool_t *p);

#endif
