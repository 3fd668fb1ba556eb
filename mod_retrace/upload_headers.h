/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of POST /create: what they say, whether they are refused, and the block that tells
 * them to ingest (worker/ingest/request.h). */
#ifndef MR_UPLOAD_HEADERS_H
#define MR_UPLOAD_HEADERS_H

#include <httpd.h>
#include <stdbool.h>

#include "lib/task.h"
#include "mod_retrace/helper.h"

/** What is needed to decide, taken from the headers once. Texts live as long as the request. */
typedef struct mr_upload_t {
    apr_int64_t length;  /* -1: none, or chunked; -2: malformed */
    const char *content; /* lower case, without parameters; NULL: none */
    retrace_task_type_t type;
    bool managed;
    const char *directory; /* X-CoreFileDirectory; NULL: none */
} mr_upload_t;

/** The content types that are taken, separated by blanks, the one that ABRT sends first; in p. */
const char *mr_upload_content_types(apr_pool_t *p);

void mr_upload_read(mr_upload_t *upload, request_rec *r);

/**
 * Refuse what can be refused before the body is read. The order is the wire contract (API.md).
 * @return DECLINED when nothing speaks against it, else what the handler must return
 */
int mr_upload_refuse(request_rec *r, const mr_upload_t *upload);

/** Tell the helper what comes; only of an upload that was not refused. See mr_helper_write. */
apr_status_t mr_upload_send(request_rec *r, const mr_upload_t *upload, mr_helper_t *helper);

#endif
