/* SPDX-License-Identifier: Apache-2.0 */
/* POST /create: everything that the headers can decide is decided before the first byte of the body
 * is read; then the body goes into the helper's pipe as it arrives. */
#include "mod_retrace/mod_retrace.h"

#include <apr_buckets.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <poll.h>
#include <string.h>

#include "lib/id.h"
#include "mod_retrace/counters.h"
#include "mod_retrace/follow.h"
#include "mod_retrace/guard.h"
#include "mod_retrace/helper.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"
#include "mod_retrace/upload_headers.h"

APLOG_USE_MODULE(retrace);

#define GO_WAIT_MS      30000  /* for the helper's first line: a locked queue is the only delay */
#define VERDICT_WAIT_MS 300000 /* for its second: what the pipe holds may unpack to a lot */
#define READ_BYTES      65536
#define WAKE_MS         1000 /* between two looks at the clock while the client says nothing */

/* --- The helper's answers -------------------------------------------------------------------- */

/* "<status> <sentence>": a refusal that ingest has decided. */
static int reply_verdict(request_rec *r, const char *line)
{
    int status = (int)apr_atoi64(line);
    const char *sentence = strchr(line, ' ');

    if (status < 400 || status > 599 || sentence == NULL || sentence[1] == '\0') {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      RETRACE_LOGNO(0007) "the helper answered out of protocol");
        return mr_reply_refusal(r, HTTP_INTERNAL_SERVER_ERROR, "The server failed.");
    }
    return mr_reply_refusal(r, status, apr_pstrdup(r->pool, sentence + 1));
}

/* A killed receiver has left its slot and files behind: have them removed now, not at some later
 * upload. */
static int reply_no_verdict(request_rec *r, mr_helper_t *helper)
{
    mr_server_t *server = mr_server_of(r->server);
    mr_helper_t *sweeper = NULL;
    retrace_error_t err;
    int code;

    mr_helper_close_input(helper);
    code = mr_helper_wait(helper, MR_HELPER_REAP_MS);
    if (mr_helper_start(&sweeper, server, "sweep", 0, false, &err, r->pool) == APR_SUCCESS) {
        mr_helper_leave(sweeper);
    }
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, r,
        RETRACE_LOGNO(0008) "retrace-helper receive ended with code %d and without a verdict",
        code);
    return mr_reply_refusal(r, HTTP_INTERNAL_SERVER_ERROR,
                            "The server could not receive the upload; send it again.");
}

/* Old clients ignore the body of a 201. */
static int answer_created(request_rec *r, mr_helper_t *helper, uint32_t id, const char *password,
                          const char *estimate)
{
    if (mr_follow_is_wanted(r)) {
        mr_helper_leave(helper); /* the answer takes as long as the task */
        return mr_follow(r, id);
    }
    if (mr_query_wants_json(r)) {
        return mr_reply_json(r, HTTP_CREATED,
                             json_pack("{s:s, s:s, s:I}", "id", retrace_id_format(id).text,
                                       "password", password, "estimated_seconds",
                                       (json_int_t)apr_atoi64(estimate)));
    }
    return mr_reply_text(r, HTTP_CREATED, "");
}

/* The upload is over: what the answer may take longer for needs its slot no more. */
static int reply_created(request_rec *r, mr_helper_t *helper, char *line, int *pslot)
{
    mr_server_t *server = mr_server_of(r->server);
    mr_helper_t *starter = NULL;
    retrace_error_t err;
    char *rest = NULL;
    char *id = apr_strtok(line, " ", &rest);
    char *password = apr_strtok(NULL, " ", &rest);
    char *estimate = apr_strtok(NULL, " ", &rest);
    uint32_t number = 0;

    if (id == NULL || password == NULL || estimate == NULL || !retrace_id_parse(id, &number)) {
        return reply_verdict(r, "");
    }
    /* If it cannot start now, the task stays in the queue, and the next poll tries again. */
    if (mr_helper_start(&starter, server, "start", number, false, &err, r->pool) == APR_SUCCESS) {
        mr_helper_leave(starter);
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, RETRACE_LOGNO(0009) "%s", err.text);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RETRACE_LOGNO(0010) "task %s created", id);
    apr_table_set(r->headers_out, "X-Task-Id", id);
    apr_table_set(r->headers_out, "X-Task-Password", password);
    apr_table_set(r->headers_out, "X-Task-Est-Time", estimate);
    mr_counters_uploaded(r->server);
    mr_guard_give_back(r->server, *pslot);
    *pslot = MR_ALL_TAKEN;
    return answer_created(r, helper, number, password, estimate);
}

static int reply_end(request_rec *r, mr_helper_t *helper, int *pslot)
{
    apr_status_t rv = mr_helper_read_line(helper, VERDICT_WAIT_MS);

    if (rv != APR_SUCCESS) {
        return reply_no_verdict(r, helper);
    }
    if (strncmp(helper->line, "201 ", 4) == 0) {
        return reply_created(r, helper, apr_pstrdup(r->pool, helper->line + 4), pslot);
    }
    return reply_verdict(r, helper->line);
}

/* --- The body -------------------------------------------------------------------------------- */

typedef enum body_end_t {
    BODY_COMPLETE,
    BODY_REFUSED, /* the helper has closed its input: it knows enough */
    BODY_FAILED   /* the client is gone, or too slow */
} body_end_t;

static body_end_t pass_brigade(apr_bucket_brigade *bb, mr_helper_t *helper, bool *is_last,
                               apr_status_t *rv)
{
    const char *data = NULL;
    apr_size_t length = 0;
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_EOS(b)) {
            *is_last = true;
            return BODY_COMPLETE;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        *rv = apr_bucket_read(b, &data, &length, APR_BLOCK_READ);
        if (*rv != APR_SUCCESS) {
            return BODY_FAILED;
        }
        if (mr_helper_write(helper, data, length) != APR_SUCCESS) {
            return BODY_REFUSED;
        }
    }
    return BODY_COMPLETE;
}

/* Waits, not for long, for bytes of the client or a word of the helper, whatever comes first.
 * @return APR_EOF when the helper has spoken, APR_TIMEUP when neither came */
static apr_status_t wait_for_either(request_rec *r, const mr_helper_t *helper)
{
    struct pollfd ready[] = { { .fd = -1, .events = POLLIN },
                              { .fd = helper->from, .events = POLLIN } };
    int rc;

    if (apr_os_sock_get(&ready[0].fd, ap_get_conn_socket(r->connection)) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    rc = poll(ready, 2, WAKE_MS);
    if (rc < 0) {
        return errno == EINTR ? APR_SUCCESS : errno;
    }
    if (rc == 0) {
        return APR_TIMEUP;
    }
    return ready[1].revents != 0 ? APR_EOF : APR_SUCCESS;
}

/* A refusal must not wait for a client that waits for it, so that we read without blocking. In
 * between mod_reqtimeout, which is one of the filters, gets to look at its clock.
 * @return APR_EOF when the helper has spoken before the client has sent more */
static apr_status_t read_or_listen(request_rec *r, const mr_helper_t *helper,
                                   apr_bucket_brigade *bb)
{
    apr_interval_time_t idle = 0;
    apr_status_t rv;

    for (;;) {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, READ_BYTES);
        if ((rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb))
            || (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv))) {
            return rv;
        }
        rv = wait_for_either(r, helper);
        idle = rv == APR_TIMEUP ? idle + apr_time_from_msec(WAKE_MS) : 0;
        if ((rv != APR_SUCCESS && rv != APR_TIMEUP) || idle >= r->server->timeout) {
            return rv;
        }
    }
}

static apr_status_t read_more(request_rec *r, const mr_helper_t *helper, apr_bucket_brigade *bb)
{
    /* Only a blocking read sends "100 Continue", and streams of HTTP/2 share a socket. */
    if (r->expecting_100 || r->connection->master != NULL) {
        return ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, READ_BYTES);
    }
    return read_or_listen(r, helper, bb);
}

static body_end_t pass_body(request_rec *r, mr_helper_t *helper, apr_status_t *rv)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    body_end_t end = BODY_COMPLETE;
    bool is_last = false;

    while (!is_last && end == BODY_COMPLETE) {
        *rv = read_more(r, helper, bb);
        if (APR_STATUS_IS_EOF(*rv)) {
            end = BODY_REFUSED;
            break;
        }
        if (*rv != APR_SUCCESS) {
            return BODY_FAILED;
        }
        end = pass_brigade(bb, helper, &is_last, rv);
        apr_brigade_cleanup(bb);
    }
    mr_helper_close_input(helper);
    return end;
}

static int stream_body(request_rec *r, mr_helper_t *helper, int *pslot)
{
    apr_status_t rv = APR_SUCCESS;

    if (pass_body(r, helper, &rv) != BODY_FAILED) {
        return reply_end(r, helper, pslot);
    }
    mr_helper_close_input(helper); /* ingest sees the end too early, and removes what it has */
    ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, RETRACE_LOGNO(0011) "the upload broke off");
    if (APR_STATUS_IS_TIMEUP(rv)) {
        return mr_reply_refusal(r, HTTP_REQUEST_TIME_OUT, "The upload was too slow.");
    }
    if (rv == AP_FILTER_ERROR) {
        return rv; /* a filter has answered already */
    }
    return mr_reply_refusal(r, HTTP_BAD_REQUEST, "The upload broke off.");
}

static int receive(request_rec *r, const mr_upload_t *upload, int *pslot)
{
    mr_helper_t *helper = NULL;
    retrace_error_t err;

    if (mr_helper_start(&helper, mr_server_of(r->server), "receive", 0, true, &err, r->pool)
        != APR_SUCCESS) {
        return mr_reply_error(r, &err);
    }
    (void)mr_upload_send(r, upload, helper);
    if (mr_helper_read_line(helper, GO_WAIT_MS) != APR_SUCCESS) {
        return reply_no_verdict(r, helper);
    }
    return strcmp(helper->line, "go") == 0 ? stream_body(r, helper, pslot)
                                           : reply_verdict(r, helper->line);
}

/* Each upload holds a thread, and a process besides. */
static int receive_in_turn(request_rec *r, const mr_upload_t *upload)
{
    int slot = mr_guard_take_upload(r);
    int result;

    if (slot == MR_CLIENT_TAKEN) {
        return mr_reply_refusal(r, HTTP_SERVICE_UNAVAILABLE,
                                "Too many uploads come from this network; try again later.");
    }
    if (slot < 0) {
        return mr_reply_refusal(r, HTTP_SERVICE_UNAVAILABLE,
                                "Too many uploads are in progress; try again later.");
    }
    result = receive(r, upload, &slot);
    mr_guard_give_back(r->server, slot);
    return result;
}

int mr_create(request_rec *r)
{
    mr_upload_t upload;
    int result;

    mr_upload_read(&upload, r);
    result = mr_upload_refuse(r, &upload);
    return result == DECLINED ? receive_in_turn(r, &upload) : result;
}
