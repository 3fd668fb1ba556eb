/* SPDX-License-Identifier: Apache-2.0 */
/* Every answer of the module goes out through here: exact length, plain text, never cached. */
#ifndef MR_REPLY_H
#define MR_REPLY_H

#include <httpd.h>

#include "lib/error.h"

/**
 * Answer with a status and a text.
 * @param text  not empty: some clients cannot read an empty body (but 201 may have "")
 * @return what the handler must return
 */
int mr_reply_text(request_rec *r, int status, const char *text);

/**
 * Refuse: as mr_reply_text, and the rest of the request's body is not read: the connection ends
 * with httpd's lingering close, which lets a client that sends first and reads later see the
 * answer. Logged at info: it is the client's mistake.
 * @param sentence  one sentence; no '%' in it with 500 and 507 (old clients print it as a format)
 */
int mr_reply_refusal(request_rec *r, int status, const char *sentence);

/** Refuse with 405 and say what is allowed: "GET, HEAD". */
int mr_reply_method(request_rec *r, const char *allowed);

/** Our own failure: logged as an error, the client sees a plain 500. */
int mr_reply_error(request_rec *r, const retrace_error_t *err);

/**
 * Send a whole file as text.
 * @param fd  open for reading, a regular file; closed with the request
 * @param length  bytes
 */
int mr_reply_file(request_rec *r, int fd, apr_off_t length);

#endif
