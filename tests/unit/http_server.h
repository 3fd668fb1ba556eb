/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server on 127.0.0.1 that answers what a test tells it to, also what no good server would.
 * It keeps connections open, one process for each, and writes down what it is asked. */
#ifndef RETRACE_TESTS_HTTP_SERVER_H
#define RETRACE_TESTS_HTTP_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/unit/workspace.h"

typedef struct http_server_t {
    const char *url; /* without a '/' at the end */
    int port;
    int listener; /* -1 in the test */
    pid_t pid;
    workspace_t *ws;
    const char *requests; /* file in the workspace: a line "connection" or "GET <path>" for each */
} http_server_t;

/** Answers one request, in a process of the server's. @return whether the connection stays open */
typedef bool (*http_answer_fn)(const http_server_t *server, int fd, const char *path);

/** @param requests  its file */
void http_server_start(http_server_t *server, workspace_t *ws, const char *requests,
                       http_answer_fn answer);
/** Again does nothing. */
void http_server_stop(http_server_t *server);

/** How often a text is in what was asked. */
int http_server_count(const http_server_t *server, const char *text);

/** Parts of answers. */
void http_send(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A whole answer without other headers than these lines. */
bool http_answer(int fd, const char *status, const char *headers, const char *body);
/** 200 and a file of the workspace. */
bool http_answer_file(const http_server_t *server, int fd, const char *name);
/**
 * The file of a directory of the workspace that has the path's last name; 404 without one. A file
 * that begins with HTTP/ is the whole answer, and an empty one none: it hangs up behind either.
 */
bool http_serve_directory(const http_server_t *server, const char *directory, int fd,
                          const char *path);
/** Until the client hangs up. */
void http_wait_hangup(int fd);

#endif
