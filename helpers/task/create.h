/* SPDX-License-Identifier: Apache-2.0 */
/* From a crash on this machine to a task on the server. */
#ifndef RETRACE_TASK_CREATE_H
#define RETRACE_TASK_CREATE_H

#include "helpers/task/receipt.h"
#include "helpers/task/session.h"

/**
 * Send options->source.
 * @param receipt  its key is set as soon as the server has told it, also when this fails later: the
 *                 task is there then
 * @param session  watches signals from the upload on
 * @param batch    somebody waits for the result: ask for it on the same connection if the server
 *                 can do that, and try again when it is full
 * @return TASK_STATUS(TASK_EXIT_SOURCE), TASK_STATUS(TASK_EXIT_UNAVAILABLE),
 *         TASK_STATUS(TASK_EXIT_REFUSED), TASK_STATUS(TASK_EXIT_INTERRUPTED), ...
 */
apr_status_t task_create(task_receipt_t *receipt, task_session_t *session, bool batch,
                         retrace_error_t *err, apr_pool_t *p);

#endif
