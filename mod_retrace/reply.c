/* SPDX-License-Identifier: Apache-2.0 */
/* See reply.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/reply.h"

#include <apr_portable.h>
#include <http_log.h>
#include <http_protocol.h>
#include <string.h>
#include <unistd.h>

APLOG_USE_MODULE(retrace);

static void set_headers(request_rec *r, int status, apr_off_t length)
{
    r->status = status;
    r->status_line = ap_get_status_line(status);
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_set_content_length(r, length);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

int mr_reply_text(request_rec *r, int status, const char *text)
{
    set_headers(r, status, (apr_off_t)strlen(text));
    (void)ap_rputs(text, r);
    return OK;
}

int mr_reply_refusal(request_rec *r, int status, const char *sentence)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RETRACE_LOGNO(0001) "refused with %d: %s", status,
                  sentence);
    /* Otherwise httpd reads the whole body before it answers the next request. */
    r->connection->keepalive = AP_CONN_CLOSE;
    return mr_reply_text(r, status, sentence);
}

int mr_reply_method(request_rec *r, const char *allowed)
{
    apr_table_setn(r->headers_out, "Allow", allowed);
    return mr_reply_refusal(r, HTTP_METHOD_NOT_ALLOWED,
                            "This method is not allowed here; see the Allow header.");
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

int mr_reply_file(request_rec *r, int fd, apr_off_t length)
{
    apr_os_file_t os_file = fd;
    apr_file_t *file = NULL;
    apr_size_t sent = 0;

    /* apr_os_file_put leaves the descriptor to whoever opened it. */
    apr_pool_cleanup_register(r->pool, (void *)(intptr_t)fd, close_file, apr_pool_cleanup_null);
    if (apr_os_file_put(&file, &os_file, APR_FOPEN_READ, r->pool) != APR_SUCCESS) {
        return mr_reply_text(r, HTTP_INTERNAL_SERVER_ERROR, "The server failed.");
    }
    set_headers(r, HTTP_OK, length);
    (void)ap_send_fd(file, r, 0, (apr_size_t)length, &sent);
    return OK;
}
