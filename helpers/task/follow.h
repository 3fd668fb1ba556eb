/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the end of a task. */
#ifndef RETRACE_TASK_FOLLOW_H
#define RETRACE_TASK_FOLLOW_H

#include "helpers/task/create.h"

/**
 * Wait until a task has ended, and show on a terminal what it does.
 * @param pword    SUCCESS or FAILURE; written only on success
 * @param session  must watch signals
 * @return TASK_STATUS(TASK_EXIT_PENDING)      it has not ended in a day
 *         TASK_STATUS(TASK_EXIT_INTERRUPTED)  a signal came
 *         TASK_STATUS(TASK_EXIT_UNAVAILABLE)  the server is gone
 */
apr_status_t task_follow(task_word_t *pword, task_session_t *session, const task_receipt_t *receipt,
                         retrace_error_t *err, apr_pool_t *p);

#endif
