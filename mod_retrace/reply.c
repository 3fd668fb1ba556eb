/* SPDX-License-Identifier: Apache-2.0 */
/* See reply.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/reply.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mod_retrace/load.h"
#include "mod_retrace/query.h"

APLOG_USE_MODULE(retrace);

void mr_reply_headers(request_rec *r, int status, const char *type)
{
    r->status = status;
    r->status_line = ap_get_status_line(status);
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

int mr_reply_data(request_rec *r, int status, const char *type, const char *data, apr_size_t length)
{
    mr_reply_headers(r, status, type);
    ap_set_content_length(r, (apr_off_t)length);
    (void)ap_rwrite(data, (int)length, r);
    return OK;
}

int mr_reply_text(request_rec *r, int status, const char *text)
{
    return mr_reply_data(r, status, MR_TYPE_TEXT, text, strlen(text));
}

int mr_reply_json(request_rec *r, int status, json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    int result;

    json_decref(value);
    if (text == NULL) {
        retrace_error_t err;

        (void)retrace_fail(&err, APR_ENOMEM, "make the answer");
        return mr_reply_error(r, &err);
    }
    result = mr_reply_data(r, status, MR_TYPE_JSON, text, strlen(text));
    free(text);
    return result;
}

/* Also for the answer to an error, which mr_reply_json may be on the way to: no error of its own. */
static int say(request_rec *r, int status, const char *sentence)
{
    json_t *value = NULL;

    if (mr_query_wants_json(r)) {
        value = json_pack("{s:i, s:s}", "status", status, "error", sentence);
    }
    return value != NULL ? mr_reply_json(r, status, value) : mr_reply_text(r, status, sentence);
}

static void tell_when_to_retry(request_rec *r)
{
    const retrace_config_t *config = mr_server_of(r->server)->config;

    apr_table_setn(r->headers_out, "Retry-After",
                   apr_itoa(r->pool, mr_load_retry_s(config, r->pool)));
}

int mr_reply_refusal(request_rec *r, int status, const char *sentence)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RETRACE_LOGNO(0001) "refused with %d: %s", status,
                  sentence);
    /* Otherwise httpd reads the whole body before it answers the next request. */
    r->connection->keepalive = AP_CONN_CLOSE;
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        tell_when_to_retry(r);
    }
    return say(r, status, sentence);
}

int mr_reply_method(request_rec *r, const char *allowed)
{
    apr_table_setn(r->headers_out, "Allow", allowed);
    return mr_reply_refusal(r, HTTP_METHOD_NOT_ALLOWED,
                            "This method is not allowed here; see the Allow header.");
}

int mr_reply_options(request_rec *r, const char *allowed)
{
    apr_table_setn(r->headers_out, "Allow", allowed);
    return mr_reply_text(r, HTTP_OK, apr_pstrcat(r->pool, "Allowed here: ", allowed, ".", NULL));
}

int mr_reply_error(request_rec *r, const retrace_error_t *err)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, RETRACE_LOGNO(0002) "%s", err->text);
    r->connection->keepalive = AP_CONN_CLOSE;
    return mr_reply_text(r, HTTP_INTERNAL_SERVER_ERROR,
                         "The server failed; its administrator finds the reason in the log.");
}

static apr_status_t close_file(void *data)
{
    (void)close((int)(intptr_t)data);
    return APR_SUCCESS;
}

int mr_reply_file(request_rec *r, const char *type, int fd, apr_off_t length)
{
    apr_os_file_t os_file = fd;
    apr_file_t *file = NULL;
    apr_size_t sent = 0;

    /* apr_os_file_put leaves the descriptor to whoever opened it. */
    apr_pool_cleanup_register(r->pool, (void *)(intptr_t)fd, close_file, apr_pool_cleanup_null);
    if (apr_os_file_put(&file, &os_file, APR_FOPEN_READ, r->pool) != APR_SUCCESS) {
        return mr_reply_text(r, HTTP_INTERNAL_SERVER_ERROR, "The server failed.");
    }
    mr_reply_headers(r, HTTP_OK, type);
    ap_set_content_length(r, length);
    (void)ap_send_fd(file, r, 0, (apr_size_t)length, &sent);
    return OK;
}
