/* SPDX-License-Identifier: Apache-2.0 */
/* See exit.h. */
#include "helpers/task/exit.h"

apr_status_t task_exit_as(task_exit_t code, apr_status_t rv, retrace_error_t *err)
{
    if (rv == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    err->status = TASK_STATUS(code);
    return err->status;
}

task_exit_t task_exit_of(apr_status_t rv)
{
    if (rv == APR_SUCCESS) {
        return TASK_EXIT_OK;
    }
    if (rv > TASK_STATUS(TASK_EXIT_OK) && rv <= TASK_STATUS(TASK_EXIT_INTERRUPTED)) {
        return (task_exit_t)(rv - APR_OS_START_USERERR);
    }
    return TASK_EXIT_IO;
}
