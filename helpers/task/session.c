/* SPDX-License-Identifier: Apache-2.0 */
/* See session.h. */
#include "helpers/task/session.h"

#include <apr_strings.h>

#include "helpers/task/exit.h"
#include "helpers/task/interrupt.h"
#include "helpers/task/json.h"

apr_status_t task_session_watch(task_session_t *session, retrace_error_t *err)
{
    return task_interrupt_open(&session->setup.interrupt, err);
}

apr_status_t task_session_settings(task_settings_t *settings, const task_session_t *session,
                                   retrace_error_t *err, apr_pool_t *p)
{
    const task_request_t request = { .path = "settings",
                                     .wants_json = true,
                                     .max_bytes = TASK_SETTINGS_MAX };
    task_reply_t reply = { 0 };
    apr_status_t rv = task_server_ask(&reply, session->server, &request, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (reply.status == 404) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "there is no retrace server at %s, or one that is too old: it has no "
                            "/settings",
                            session->setup.url);
    }
    if (reply.status != 200) {
        return task_reply_fail(&reply, TASK_EXIT_PROTOCOL, err, p);
    }
    return task_settings_parse(settings, reply.content_type, reply.body, reply.length, err, p);
}

apr_status_t task_session_no_json(retrace_error_t *err)
{
    return retrace_fail(err, TASK_STATUS(TASK_EXIT_UNAVAILABLE),
                        "the server gives no JSON: leave out --json");
}

static apr_status_t require_json(const task_reply_t *reply, retrace_error_t *err)
{
    return task_type_is_json(reply->content_type) ? APR_SUCCESS : task_session_no_json(err);
}

apr_status_t task_session_state(task_state_t *state, task_reply_t *preply,
                                const task_session_t *session, const task_key_t *key, bool json,
                                int64_t wait_s, retrace_error_t *err, apr_pool_t *p)
{
    const task_request_t request = {
        .path =
            wait_s > 0 ? apr_psprintf(p, "%s?wait=%" APR_INT64_T_FMT, key->id, wait_s) : key->id,
        .password = key->password,
        .wants_json = json,
        .wait_s = wait_s,
        .max_bytes = TASK_STATE_MAX,
    };
    task_reply_t reply = { 0 };
    apr_status_t rv = task_server_ask(&reply, session->server, &request, err, p);

    if (rv == APR_SUCCESS && reply.status != 200) {
        rv = task_reply_fail(&reply, TASK_EXIT_NO_TASK, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = task_state_parse(state, reply.task_status, reply.content_type, reply.body,
                              reply.length, err, p);
    }
    if (rv == APR_SUCCESS && preply != NULL) {
        *preply = reply;
        rv = json ? require_json(&reply, err) : APR_SUCCESS;
    }
    return rv;
}

/* 404 is said of a task that is not there and of a result that is not there. */
static apr_status_t explain_missing(const task_reply_t *reply, const task_session_t *session,
                                    const task_key_t *key, bool json, retrace_error_t *err,
                                    apr_pool_t *p)
{
    task_state_t state = { .word = TASK_WORD_PENDING };
    apr_status_t rv = task_session_state(&state, NULL, session, key, false, 0, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (state.word == TASK_WORD_SUCCESS) {
        return task_reply_fail(reply, json ? TASK_EXIT_UNAVAILABLE : TASK_EXIT_PROTOCOL, err, p);
    }
    return retrace_fail(err, TASK_STATUS(task_word_exit(state.word)), "task %s has %s: %s", key->id,
                        state.word == TASK_WORD_PENDING ? "not ended" : "failed", state.text);
}

apr_status_t task_session_result(task_reply_t *reply, const task_session_t *session,
                                 const task_key_t *key, const char *what, bool json,
                                 retrace_error_t *err, apr_pool_t *p)
{
    const task_request_t request = {
        .path = apr_pstrcat(p, key->id, "/", what, NULL),
        .password = key->password,
        .wants_json = json,
        .max_bytes = TASK_BACKTRACE_MAX,
    };
    task_reply_t got = { 0 };
    apr_status_t rv = task_server_ask(&got, session->server, &request, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (got.status == 404) {
        return explain_missing(&got, session, key, json, err, p);
    }
    if (got.status != 200) {
        return task_reply_fail(&got, TASK_EXIT_NO_TASK, err, p);
    }
    rv = json ? require_json(&got, err) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        *reply = got;
    }
    return rv;
}
