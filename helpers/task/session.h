/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the program: what was asked for, and the server that it is asked of. The questions
 * that every command shares are here. */
#ifndef RETRACE_TASK_SESSION_H
#define RETRACE_TASK_SESSION_H

#include "helpers/task/options.h"
#include "helpers/task/progress.h"
#include "helpers/task/server.h"
#include "helpers/task/settings.h"
#include "helpers/task/state.h"

typedef struct task_session_t {
    const task_options_t *options;
    task_server_setup_t setup; /* of `server` */
    task_server_t *server;
    task_progress_t progress;
} task_session_t;

/** How one of our tasks is asked about. */
typedef struct task_key_t {
    const char *id; /* nine digits */
    const char *password;
} task_key_t;

/** From here on signals are looked at, as interrupt.h says. */
apr_status_t task_session_watch(task_session_t *session, retrace_error_t *err);

/** @return TASK_STATUS(TASK_EXIT_UNAVAILABLE), with the sentence on a server that gives no JSON */
apr_status_t task_session_no_json(retrace_error_t *err);

/**
 * GET /settings.
 * @return TASK_STATUS(TASK_EXIT_PROTOCOL) when there is no retrace server
 */
apr_status_t task_session_settings(task_settings_t *settings, const task_session_t *session,
                                   retrace_error_t *err, apr_pool_t *p);

/**
 * GET /<id>.
 * @param preply  the answer itself; may be NULL
 * @param wait_s  the server may wait so long for the task's end; 0: it answers at once
 * @return TASK_STATUS(TASK_EXIT_NO_TASK), TASK_STATUS(TASK_EXIT_REFUSED): wrong password
 */
apr_status_t task_session_state(task_state_t *state, task_reply_t *preply,
                                const task_session_t *session, const task_key_t *key, bool json,
                                int64_t wait_s, retrace_error_t *err, apr_pool_t *p);

/**
 * GET /<id>/<what>, a result.
 * @return TASK_STATUS(TASK_EXIT_PENDING)  the task has not ended
 *         TASK_STATUS(TASK_EXIT_FAILED)   it failed and has none
 *         others                          as task_session_state
 */
apr_status_t task_session_result(task_reply_t *reply, const task_session_t *session,
                                 const task_key_t *key, const char *what, bool json,
                                 retrace_error_t *err, apr_pool_t *p);

#endif
