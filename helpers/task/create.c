/* SPDX-License-Identifier: Apache-2.0 */
/* See create.h. */
#include "helpers/task/create.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "helpers/task/exit.h"
#include "helpers/task/interrupt.h"
#include "helpers/task/pace.h"
#include "helpers/task/pack.h"
#include "helpers/task/plan.h"
#include "helpers/task/source.h"

#define SYNC_MAX (TASK_BACKTRACE_MAX + INT64_C(8) * 1024 * 1024) /* bytes: log and backtrace */

/* An upload under way, for the moment when the server has answered. */
typedef struct upload_job_t {
    task_receipt_t *receipt;
    task_session_t *session;
    const char *content_type;
    task_upload_t upload;
    bool batch;
    bool sync;
    apr_status_t rv; /* of what the headers tell */
    retrace_error_t *err;
    apr_pool_t *pool;
} upload_job_t;

/* --- Asking first -------------------------------------------------------------------------- */

/* What makes all further work vain. */
static apr_status_t check_server(const task_settings_t *settings, const task_options_t *options,
                                 bool batch, retrace_error_t *err)
{
    if (batch && options->json && !TASK_HAS(settings->features, TASK_FEATURE_JSON)) {
        return task_session_no_json(err);
    }
    return task_plan_check_free(settings, err);
}

/* --- Making the upload --------------------------------------------------------------------- */

static apr_status_t prepare(task_upload_t *upload, const char **ptype, task_session_t *session,
                            const task_settings_t *settings, retrace_error_t *err, apr_pool_t *p)
{
    const task_options_t *options = session->options;
    const task_override_t override = { .members = {
                                           [TASK_MEMBER_EXECUTABLE] = options->executable,
                                           [TASK_MEMBER_PACKAGE] = options->package,
                                           [TASK_MEMBER_OS_RELEASE] = options->os_release,
                                       } };
    task_source_t source = { .core = -1 };
    task_plan_t plan = { 0 };
    apr_status_t rv = task_source_open(&source, options->source, &override, err, p);

    if (rv == APR_SUCCESS) {
        rv = task_plan_make(&plan, settings, &source, err);
    }
    if (rv == APR_SUCCESS) {
        rv = task_pack(upload, &source, &plan, &session->progress, err, p);
    }
    if (rv == APR_SUCCESS) {
        *ptype = plan.type;
    }
    return rv;
}

/* --- Sending it ---------------------------------------------------------------------------- */

static void announce(const upload_job_t *job)
{
    task_session_t *session = job->session;

    task_progress_clear(&session->progress);
    if (job->batch && !session->options->quiet) {
        fputs(task_receipt_text(job->receipt, job->pool), stderr);
    }
}

/* A server may stream its output behind the headers without having been asked to. */
static bool take_headers(void *baton, const task_reply_t *reply)
{
    upload_job_t *job = baton;

    if (reply->status != 201) {
        return true;
    }
    job->rv = task_receipt_parse(job->receipt, reply, job->err, job->pool);
    if (job->rv == APR_SUCCESS) {
        announce(job);
    }
    return job->rv == APR_SUCCESS && job->sync;
}

static apr_status_t send_once(task_reply_t *reply, upload_job_t *job)
{
    const task_request_t request = {
        .path = "create",
        .is_post = true,
        .max_bytes = job->sync ? SYNC_MAX : TASK_BODY_MAX,
        .content_type = job->content_type,
        .upload = job->upload.fd,
        .upload_bytes = job->upload.bytes,
        .type = (int)job->session->options->type,
        .wants_sync = job->sync,
        .on_headers = take_headers,
        .baton = job,
    };
    apr_status_t rv;

    job->rv = APR_SUCCESS;
    rv = task_server_ask(reply, job->session->server, &request, job->err, job->pool);
    task_progress_clear(&job->session->progress);
    if (job->rv != APR_SUCCESS) {
        return job->rv;
    }
    if (rv != APR_SUCCESS && job->receipt->key.id != NULL
        && rv != TASK_STATUS(TASK_EXIT_INTERRUPTED)) {
        return APR_SUCCESS; /* the answer broke off, the task is there: ask for its state */
    }
    if (rv == APR_SUCCESS && job->receipt->key.id != NULL && job->sync) {
        job->receipt->stream = task_stream_parse(reply->body, reply->length);
    }
    return rv;
}

static apr_status_t send_upload(upload_job_t *job)
{
    const task_pace_t pace = { .delay_ms = job->session->options->delay_s * 1000 };
    task_reply_t reply = { 0 };
    int tries = 0;

    for (;;) {
        apr_status_t rv = send_once(&reply, job);
        int64_t wait_ms;

        tries++;
        if (rv != APR_SUCCESS || job->receipt->key.id != NULL) {
            return rv;
        }
        rv = task_reply_fail(&reply, TASK_EXIT_PROTOCOL, job->err, job->pool);
        wait_ms = job->batch && reply.status == 503
            ? task_pace_retry_ms(&pace, tries, reply.retry_after_s)
            : -1;
        if (wait_ms < 0) {
            return rv;
        }
        task_progress_show(&job->session->progress, "The server is full, waiting", -1);
        if (task_interrupt_wait(job->session->setup.interrupt, wait_ms)) {
            return retrace_fail(job->err, TASK_STATUS(TASK_EXIT_INTERRUPTED), "interrupted");
        }
    }
}

apr_status_t task_create(task_receipt_t *receipt, task_session_t *session, bool batch,
                         retrace_error_t *err, apr_pool_t *p)
{
    const task_options_t *options = session->options;
    task_settings_t settings = { 0 };
    upload_job_t job = {
        .receipt = receipt, .session = session, .batch = batch, .err = err, .pool = p
    };
    apr_status_t rv = task_session_settings(&settings, session, err, p);

    if (rv == APR_SUCCESS) {
        rv = check_server(&settings, options, batch, err);
    }
    if (rv == APR_SUCCESS) {
        rv = prepare(&job.upload, &job.content_type, session, &settings, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = task_session_watch(session, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job.sync = batch && !options->no_sync && !options->json
        && TASK_HAS(settings.features, TASK_FEATURE_SYNC);
    receipt->features = settings.features;
    if (options->verbose) {
        fprintf(stderr, "sending %" APR_INT64_T_FMT " bytes of %s\n", job.upload.bytes,
                job.content_type);
    }
    return send_upload(&job);
}
