/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says of a new task. Pure. */
#ifndef RETRACE_TASK_RECEIPT_H
#define RETRACE_TASK_RECEIPT_H

#include "helpers/task/reply.h"
#include "helpers/task/session.h"
#include "helpers/task/stream.h"

typedef struct task_receipt_t {
    task_key_t key;       /* id is NULL before the server has told both, well-formed */
    int64_t estimate_s;   /* 0: not told */
    uint32_t features;    /* of the server */
    task_stream_t stream; /* the synchronous answer; PENDING without one */
} task_receipt_t;

/** A receipt of nothing yet. */
task_receipt_t task_receipt_make(void);

/**
 * Read the headers of 201.
 * @param receipt  key and estimate; written only on success
 * @return TASK_STATUS(TASK_EXIT_PROTOCOL) when id or password is not one
 */
apr_status_t task_receipt_parse(task_receipt_t *receipt, const task_reply_t *reply,
                                retrace_error_t *err, apr_pool_t *p);

/** The two lines that tell of a task; in p. */
const char *task_receipt_text(const task_receipt_t *receipt, apr_pool_t *p);

/**
 * The same, or a JSON object.
 * @param ptext  in p; written only on success
 */
apr_status_t task_receipt_print(const char **ptext, const task_receipt_t *receipt, const char *url,
                                bool json, retrace_error_t *err, apr_pool_t *p);

#endif
