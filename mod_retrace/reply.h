/* SPDX-License-Identifier: Apache-2.0 */
/* Every answer of the module goes out through here: exact length, never cached, never sniffed. */
#ifndef MR_REPLY_H
#define MR_REPLY_H

#include <httpd.h>
#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

#define MR_TYPE_TEXT "text/plain; charset=utf-8"
#define MR_TYPE_JSON "application/json"
#define MR_TYPE_HTML "text/html; charset=utf-8"

/** The headers that all answers have, but for Content-Length. @param type  of the content */
void mr_reply_headers(request_rec *r, int status, const char *type);

/**
 * Answer with a status and a text.
 * @param text  not empty: some clients cannot read an empty body (but 201 may have "")
 * @return what the handler must return
 */
int mr_reply_text(request_rec *r, int status, const char *text);

/** As mr_reply_text, but for a type of its own and `length` bytes. */
int mr_reply_data(request_rec *r, int status, const char *type, const char *data,
                  apr_size_t length);

/** Answer with JSON. @param value  one reference is taken over; NULL (no memory) becomes 500 */
int mr_reply_json(request_rec *r, int status, json_t *value);

/**
 * Refuse, in JSON to a client that asks for it; the rest of the request's body is not read: the
 * connection ends with httpd's lingering close, which lets a client that sends first and reads later
 * see the answer. Logged at info: it is the client's mistake.
 * @param sentence  one sentence; no '%' in it with 500 and 507 (old clients print it as a format)
 */
int mr_reply_refusal(request_rec *r, int status, const char *sentence);

/** Refuse with 405 and say what is allowed: "GET, HEAD, OPTIONS". */
int mr_reply_method(request_rec *r, const char *allowed);

/** Answer OPTIONS (RFC 9110, 9.3.7). */
int mr_reply_options(request_rec *r, const char *allowed);

/** Our own failure: logged as an error, the client sees a plain 500. */
int mr_reply_error(request_rec *r, const retrace_error_t *err);

/**
 * Send a whole file.
 * @param fd  open for reading, a regular file; closed with the request
 * @param length  bytes
 */
int mr_reply_file(request_rec *r, const char *type, int fd, apr_off_t length);

#endif
