/* SPDX-License-Identifier: Apache-2.0 */
/* See server.h. */
#include "helpers/task/server.h"

#include <apr_strings.h>
#include <curl/curl.h>
#include <stdio.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/interrupt.h"
#include "lib/curl.h"

#define CONNECT_S  30
#define STALL_S    60             /* without a byte, while something is transferred */
#define VERDICT_S  360            /* the same for an upload: the server unpacks it first */
#define REQUEST_S  (60L * 60)     /* the whole of a request */
#define UPLOAD_S   (6L * 60 * 60) /* the same for an upload */
#define SYNC_S     (24L * 60 * 60)
#define LEAST_BPS  1L
#define USER_AGENT "retrace-server-task/" RETRACE_VERSION

struct task_server_t {
    const task_server_setup_t *setup;
    CURL *curl;
};

/* One request under way; what libcurl's callbacks know. */
typedef struct exchange_t {
    const task_server_t *server;
    const task_request_t *request;
    reply_builder_t builder;
    bool hung_up;     /* by on_headers */
    bool interrupted; /* by a signal */
} exchange_t;

apr_status_t task_server_make(task_server_t **pserver, const task_server_setup_t *setup,
                              retrace_error_t *err, apr_pool_t *p)
{
    task_server_t *server = apr_pcalloc(p, sizeof(*server));
    apr_status_t rv;

    server->setup = setup;
    rv = retrace_curl_make(&server->curl, err, p);
    if (rv == APR_SUCCESS) {
        *pserver = server;
    }
    return rv;
}

/* --- What libcurl calls -------------------------------------------------------------------- */

static size_t take_header(char *data, size_t size, size_t count, void *baton)
{
    exchange_t *exchange = baton;
    const task_request_t *request = exchange->request;
    reply_builder_t *builder = &exchange->builder;

    if (builder->is_complete) {
        return size * count; /* behind a chunked body */
    }
    if (!reply_builder_header(builder, data, size * count)) {
        return 0;
    }
    if (builder->is_complete && request->on_headers != NULL
        && !request->on_headers(request->baton, &builder->reply)) {
        exchange->hung_up = true;
        return 0;
    }
    return size * count;
}

static size_t take_body(char *data, size_t size, size_t count, void *baton)
{
    exchange_t *exchange = baton;

    return reply_builder_body(&exchange->builder, data, size * count) ? size * count : 0;
}

static size_t give_body(char *buffer, size_t size, size_t count, void *baton)
{
    const exchange_t *exchange = baton;
    ssize_t got = read(exchange->request->upload, buffer, size * count);

    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int seek_body(void *baton, curl_off_t offset, int origin)
{
    const exchange_t *exchange = baton;

    return lseek(exchange->request->upload, offset, origin) < 0 ? CURL_SEEKFUNC_FAIL
                                                                : CURL_SEEKFUNC_OK;
}

/* At least once a second. */
static int look_around(void *baton, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    exchange_t *exchange = baton;
    const task_server_setup_t *setup = exchange->server->setup;

    (void)down_all;
    (void)down;
    if (exchange->request->content_type != NULL && !exchange->builder.is_complete) {
        bool sent = up_all > 0 && up >= up_all;

        task_progress_show(setup->progress, sent ? "Waiting for the server" : "Sending",
                           task_progress_percent(up, up_all));
    }
    exchange->interrupted = setup->interrupt >= 0 && task_interrupt_came(setup->interrupt);
    return exchange->interrupted ? 1 : 0;
}

/* --- One request --------------------------------------------------------------------------- */

static void set_limits(CURL *curl, const task_server_setup_t *setup, const task_request_t *request)
{
    long stall_s = request->content_type != NULL ? VERDICT_S : STALL_S;
    long whole_s = request->content_type != NULL ? UPLOAD_S : REQUEST_S;

    if (setup->timeout_s > 0) {
        stall_s = (long)setup->timeout_s;
    }
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                     setup->timeout_s > 0 && setup->timeout_s < CONNECT_S ? (long)setup->timeout_s
                                                                          : (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, LEAST_BPS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall_s + (long)request->wait_s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, request->wants_sync ? SYNC_S : whole_s);
}

static void set_security(CURL *curl, const task_server_setup_t *setup)
{
    retrace_curl_guard(curl, !setup->insecure);
    if (setup->cacert != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, setup->cacert);
    }
}

static void set_callbacks(CURL *curl, exchange_t *exchange)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
}

static void set_body(CURL *curl, const task_request_t *request, exchange_t *exchange)
{
    if (!request->is_post) {
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    if (request->content_type == NULL) {
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->upload_bytes);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
}

/* NULL is no list yet; a failure leaves the former one. */
static bool add_field(struct curl_slist **plist, const char *field)
{
    struct curl_slist *longer = curl_slist_append(*plist, field);

    if (longer != NULL) {
        *plist = longer;
    }
    return longer != NULL;
}

static bool make_fields(struct curl_slist **plist, const task_request_t *request, apr_pool_t *p)
{
    bool ok = true;

    if (request->password != NULL) {
        ok = ok && add_field(plist, apr_pstrcat(p, "X-Task-Password: ", request->password, NULL));
    }
    if (request->wants_json) {
        ok = ok && add_field(plist, "Accept: application/json");
    }
    if (request->content_type != NULL) {
        ok = ok && add_field(plist, apr_pstrcat(p, "Content-Type: ", request->content_type, NULL));
        ok = ok && add_field(plist, apr_psprintf(p, "X-Task-Type: %d", request->type));
    }
    if (request->wants_sync) {
        ok = ok && add_field(plist, "X-Task-Sync: 1");
    }
    return ok;
}

/* --- What came of it ----------------------------------------------------------------------- */

static apr_status_t explain(const exchange_t *exchange, CURLcode code, retrace_error_t *err)
{
    const task_server_setup_t *setup = exchange->server->setup;

    if (exchange->interrupted) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_INTERRUPTED), "interrupted");
    }
    if (exchange->builder.is_too_long) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "the answer of the server is longer than %" APR_INT64_T_FMT " bytes",
                            exchange->request->max_bytes);
    }
    if (code == CURLE_SSL_CACERT_BADFILE) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_IO), "%s holds no certificates",
                            setup->cacert);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_UNAVAILABLE),
                            "the certificate of %s is not trusted here: name its authority with "
                            "--cacert, or use --insecure",
                            setup->url);
    }
    return retrace_fail(err, TASK_STATUS(TASK_EXIT_UNAVAILABLE), "no answer from %s: %s",
                        setup->url, curl_easy_strerror(code));
}

/* An early refusal ends the upload, and the server may hang up before it is read to its end. */
static bool is_answered(const exchange_t *exchange, CURLcode code)
{
    const reply_builder_t *builder = &exchange->builder;

    if (code == CURLE_OK || exchange->hung_up) {
        return true;
    }
    return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && builder->is_complete
        && builder->reply.status >= 400;
}

static void finish_reply(task_reply_t *reply, CURL *curl, exchange_t *exchange)
{
    curl_off_t retry_after_s = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    *reply = *reply_builder_finish(&exchange->builder);
    reply->retry_after_s = retry_after_s;
}

static void tell(const exchange_t *exchange, const char *text)
{
    const task_server_setup_t *setup = exchange->server->setup;

    if (setup->verbose) {
        task_progress_clear(setup->progress);
        fprintf(stderr, "%s %s%s: %s\n", exchange->request->is_post ? "POST" : "GET", setup->url,
                exchange->request->path, text);
    }
}

static CURLcode perform(exchange_t *exchange, struct curl_slist *fields, apr_pool_t *p)
{
    const task_request_t *request = exchange->request;
    const task_server_setup_t *setup = exchange->server->setup;
    CURL *curl = exchange->server->curl;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, apr_pstrcat(p, setup->url, request->path, NULL));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    set_limits(curl, setup, request);
    set_security(curl, setup);
    set_callbacks(curl, exchange);
    set_body(curl, request, exchange);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    return curl_easy_perform(curl);
}

apr_status_t task_server_ask(task_reply_t *reply, task_server_t *server,
                             const task_request_t *request, retrace_error_t *err, apr_pool_t *p)
{
    exchange_t exchange = { .server = server, .request = request };
    struct curl_slist *fields = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    apr_status_t rv = APR_SUCCESS;

    reply_builder_start(&exchange.builder, request->max_bytes, p);
    if (request->content_type != NULL && lseek(request->upload, 0, SEEK_SET) != 0) {
        return retrace_fail(err, APR_EGENERAL, "read the packed crash again");
    }
    if (make_fields(&fields, request, p)) {
        code = perform(&exchange, fields, p);
    }
    if (is_answered(&exchange, code)) {
        finish_reply(reply, server->curl, &exchange);
        tell(&exchange,
             apr_psprintf(p, "%d, %" APR_SIZE_T_FMT " bytes", reply->status, reply->length));
    }
    else {
        rv = explain(&exchange, code, err);
        tell(&exchange, curl_easy_strerror(code));
    }
    curl_slist_free_all(fields);
    return rv;
}
