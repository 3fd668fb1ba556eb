/* SPDX-License-Identifier: Apache-2.0 */
/* A server's answer, put together from the pieces as they arrive, and what an answer means that is
 * no success. Pure. */
#ifndef RETRACE_TASK_REPLY_H
#define RETRACE_TASK_REPLY_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/task/exit.h"
#include "lib/error.h"

#define TASK_HEADERS_MAX (64 * 1024) /* bytes of all headers of an answer */

/** An answer. Texts are in the pool of its builder; NULL for a header that is missing. */
typedef struct task_reply_t {
    int status;
    const char *body; /* NUL-terminated; NULL before the end */
    apr_size_t length;
    const char *content_type;
    const char *location;
    const char *task_id;
    const char *task_password;
    const char *task_status;
    const char *task_estimate;
    int64_t retry_after_s; /* 0: not told */
} task_reply_t;

typedef struct reply_builder_t {
    task_reply_t reply;
    bool is_complete; /* the headers are there, of the last answer, not of "100 Continue" */
    bool is_too_long;
    apr_size_t header_bytes;
    int64_t max_bytes;
    char *body;
    apr_size_t used;
    apr_size_t room;
    apr_pool_t *pool;
} reply_builder_t;

/** @param max_bytes  of the body */
void reply_builder_start(reply_builder_t *builder, int64_t max_bytes, apr_pool_t *p);

/**
 * One line of the headers, with its line end: a status line, a field, or the empty line.
 * @return false when they are too long
 */
bool reply_builder_header(reply_builder_t *builder, const char *line, apr_size_t length);

/** Some of the body. @return false when it is too long */
bool reply_builder_body(reply_builder_t *builder, const char *data, apr_size_t length);

/** The answer, in the builder. */
const task_reply_t *reply_builder_finish(reply_builder_t *builder);

/**
 * Make a failure of an answer that is no success, with the server's own sentence.
 * @param missing  what 404 means
 * @return never APR_SUCCESS
 */
apr_status_t task_reply_fail(const task_reply_t *reply, task_exit_t missing, retrace_error_t *err,
                             apr_pool_t *p);

#endif
