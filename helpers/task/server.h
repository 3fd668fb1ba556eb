/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to one server, by libcurl: each with time limits and a bounded answer. No redirect is
 * followed: it would carry the crash, or the password, to somebody else. */
#ifndef RETRACE_TASK_SERVER_H
#define RETRACE_TASK_SERVER_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/task/progress.h"
#include "helpers/task/reply.h"
#include "lib/error.h"

#define TASK_BODY_MAX      (64 * 1024)                 /* of a reply that is a sentence */
#define TASK_BACKTRACE_MAX (INT64_C(16) * 1024 * 1024) /* of a backtrace or a log */

typedef struct task_server_t task_server_t;

/** How to reach the server; borrowed for as long as the server is. */
typedef struct task_server_setup_t {
    const char *url;    /* ends with '/' */
    const char *cacert; /* NULL: those of the system */
    bool insecure;
    bool verbose;      /* say on standard error what is asked and answered */
    int64_t timeout_s; /* without a byte; 0: the default of each request */
    int interrupt;     /* see interrupt.h; -1: none */
    task_progress_t *progress;
} task_server_setup_t;

typedef struct task_request_t {
    const char *path; /* below the server's address, without a leading '/' */
    const char *password;
    int64_t max_bytes; /* of the answer's body; a longer one is refused */
    bool is_post;
    bool wants_json;
    int64_t wait_s; /* the server may wait so long before it answers */
    /* An upload, if content_type is not NULL: so many bytes from the start of a file. */
    const char *content_type;
    int upload;
    int64_t upload_bytes;
    int type;
    bool wants_sync;
    /* Called once, when the headers are there; false: the body does not matter, hang up. May be
     * NULL. */
    bool (*on_headers)(void *baton, const task_reply_t *reply);
    void *baton;
} task_request_t;

/**
 * @param pserver  in p, ended with it
 * @param setup    must live as long
 */
apr_status_t task_server_make(task_server_t **pserver, const task_server_setup_t *setup,
                              retrace_error_t *err, apr_pool_t *p);

/**
 * Ask, and wait for the answer, whatever its status is.
 * @param reply  written only on success; in p
 * @return TASK_STATUS(TASK_EXIT_UNAVAILABLE)  no answer, or not in time
 *         TASK_STATUS(TASK_EXIT_PROTOCOL)     the answer is too long
 *         TASK_STATUS(TASK_EXIT_INTERRUPTED)  a signal came
 */
apr_status_t task_server_ask(task_reply_t *reply, task_server_t *server,
                             const task_request_t *request, retrace_error_t *err, apr_pool_t *p);

#endif
