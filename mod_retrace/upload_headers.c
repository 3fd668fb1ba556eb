/* SPDX-License-Identifier: Apache-2.0 */
/* See upload_headers.h. */
#include "mod_retrace/upload_headers.h"

#include <apr_strings.h>
#include <http_core.h>
#include <string.h>

#include "lib/upload_form.h"
#include "mod_retrace/reply.h"

#define LENGTH_DIGITS 18 /* of Content-Length; longer numbers overflow */

static apr_int64_t parse_length(const char *text)
{
    if (text == NULL) {
        return -1;
    }
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)
        || strlen(text) > LENGTH_DIGITS) {
        return -2;
    }
    return apr_atoi64(text);
}

static const char *normalise_content(request_rec *r, const char *text)
{
    char *content;

    if (text == NULL) {
        return NULL;
    }
    text += strspn(text, " \t");
    content = apr_pstrmemdup(r->pool, text, strcspn(text, "; \t"));
    ap_str_tolower(content);
    return content;
}

void mr_upload_read(mr_upload_t *upload, request_rec *r)
{
    upload->length = parse_length(apr_table_get(r->headers_in, "Content-Length"));
    if (apr_table_get(r->headers_in, "Transfer-Encoding") != NULL) {
        upload->length = -1;
    }
    upload->content = normalise_content(r, apr_table_get(r->headers_in, "Content-Type"));
    upload->type = retrace_task_type_parse(apr_table_get(r->headers_in, "X-Task-Type"));
    upload->managed = apr_table_get(r->headers_in, "X-Task-Managed") != NULL;
    upload->directory = apr_table_get(r->headers_in, "X-CoreFileDirectory");
}

const char *mr_upload_content_types(apr_pool_t *p)
{
    const retrace_content_type_t *type = retrace_content_types;
    const char *list = type->name;

    for (type++; type->name != NULL; type++) {
        list = apr_pstrcat(p, list, " ", type->name, NULL);
    }
    return list;
}

static int refuse_content(request_rec *r)
{
    const retrace_content_type_t *type = retrace_content_types;
    const char *sentence = apr_pstrcat(r->pool, "Content-Type must be ", type->name, NULL);

    for (type++; type->name != NULL; type++) {
        sentence =
            apr_pstrcat(r->pool, sentence, type[1].name != NULL ? ", " : " or ", type->name, NULL);
    }
    return mr_reply_refusal(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                            apr_pstrcat(r->pool, sentence, ".", NULL));
}

static int refuse_length(request_rec *r, const char *what, apr_int64_t limit, const char *unit)
{
    return mr_reply_refusal(r, HTTP_REQUEST_ENTITY_TOO_LARGE,
                            apr_psprintf(r->pool,
                                         "The upload is larger than %s of %" APR_INT64_T_FMT " %s.",
                                         what, limit, unit));
}

/* --- One step of the order each; DECLINED goes on to the next ---------------------------------- */

static int check_length(request_rec *r, const mr_upload_t *upload, const retrace_config_t *config)
{
    /* The body of a request that names a directory does not count. */
    bool may_be_empty = config->allow_external_dir && upload->directory != NULL;

    if (upload->length == -2) {
        return mr_reply_refusal(r, HTTP_BAD_REQUEST, "Content-Length is not a number.");
    }
    if (upload->length < 0 || (upload->length == 0 && !may_be_empty)) {
        return mr_reply_refusal(r, HTTP_LENGTH_REQUIRED,
                                "Content-Length is required, and must not be 0.");
    }
    return DECLINED;
}

static int check_limits(request_rec *r, const mr_upload_t *upload, const retrace_config_t *config)
{
    apr_off_t core_limit = ap_get_limit_req_body(r);

    if (upload->length > config->max_packed_mb * RETRACE_MIB) {
        return refuse_length(r, "the limit", config->max_packed_mb, "MB");
    }
    if (core_limit > 0 && upload->length > core_limit) {
        return refuse_length(r, "httpd's LimitRequestBody", core_limit, "bytes");
    }
    return DECLINED;
}

static int check_directory(request_rec *r, const mr_upload_t *upload,
                           const retrace_config_t *config)
{
    if (upload->directory == NULL) {
        return DECLINED;
    }
    if (!config->allow_external_dir) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "X-CoreFileDirectory is off on this server.");
    }
    if (!retrace_directory_is_sound(upload->directory)) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN,
                                "X-CoreFileDirectory must be an absolute path of at most 1024 "
                                "printable ASCII characters, without \"..\".");
    }
    return DECLINED;
}

_Static_assert(RETRACE_DIRECTORY_MAX == 1024 + 1, "a sentence says 1024");

static int check_kind(request_rec *r, const mr_upload_t *upload, const retrace_config_t *config)
{
    if (upload->managed && !config->allow_task_manager) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "Managed tasks are off on this server.");
    }
    if (retrace_task_type_is_interactive(upload->type) && !config->allow_interactive) {
        return mr_reply_refusal(r, HTTP_CONFLICT, "Interactive tasks are off on this server.");
    }
    if (retrace_task_type_is_kernel(upload->type)) {
        return mr_reply_refusal(r, HTTP_CONFLICT, "This server does not analyse kernel dumps.");
    }
    return DECLINED;
}

int mr_upload_refuse(request_rec *r, const mr_upload_t *upload)
{
    const retrace_config_t *config = mr_server_of(r->server)->config;
    int refused = check_length(r, upload, config);

    if (refused == DECLINED && retrace_content_type_find(upload->content) == NULL) {
        refused = refuse_content(r);
    }
    if (refused == DECLINED) {
        refused = check_limits(r, upload, config);
    }
    if (refused == DECLINED) {
        refused = check_directory(r, upload, config);
    }
    return refused == DECLINED ? check_kind(r, upload, config) : refused;
}

/* An IPv6 address may carry the name of an interface: "fe80::1%lo". */
apr_status_t mr_upload_send(request_rec *r, const mr_upload_t *upload, mr_helper_t *helper)
{
    const char *block = apr_psprintf(
        r->pool,
        "retrace-receive 2\nlength: %" APR_INT64_T_FMT
        "\ntype: %d\ncontent: %s\nclient: %.*s\nmanaged: %d\ndirectory: %s\n\n",
        upload->length, (int)upload->type, upload->content, (int)strcspn(r->useragent_ip, "%"),
        r->useragent_ip, upload->managed, upload->directory != NULL ? upload->directory : "-");

    if (upload->directory != NULL) {
        /* Nobody reads the body: httpd would do it before it answers. */
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    return mr_helper_write(helper, block, strlen(block));
}
