/* SPDX-License-Identifier: Apache-2.0 */
/* Running the setuid helper. httpd cannot kill it (it changes its user), so that closing its pipe
 * is what ends it. */
#ifndef MR_HELPER_H
#define MR_HELPER_H

#include <apr_pools.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "mod_retrace/mod_retrace.h"

#define MR_HELPER_REAP_MS                                                                          \
    5000 /* waited for a helper that should have ended; then it is swept later */
#define MR_HELPER_LINE_MAX 512 /* bytes of one of its lines, with the newline */

/** A helper with its pipes; both are closed with the pool, and the process is reaped then. */
typedef struct mr_helper_t {
    pid_t pid;
    pid_t left;                    /* mr_helper_leave: swept, at the latest in the cleanup */
    int to;                        /* its standard input; -1: /dev/null */
    int from;                      /* its standard output */
    char line[MR_HELPER_LINE_MAX]; /* what mr_helper_read_line read last */
    size_t ahead;                  /* bytes of the next line that came along with it */
    mr_server_t *server;
} mr_helper_t;

/**
 * Start `retrace-helper <verb> [<id>]`.
 * @param id     0 for a verb without id
 * @param input  make a pipe to its standard input
 * @param scope  ends the helper: pipes closed, process reaped (in this pool's cleanup)
 */
apr_status_t mr_helper_start(mr_helper_t **phelper, mr_server_t *server, const char *verb,
                             uint32_t id, bool input, retrace_error_t *err, apr_pool_t *scope);

/** Write all bytes. @return EPIPE when the helper has closed its input: it has said why */
apr_status_t mr_helper_write(mr_helper_t *helper, const char *data, apr_size_t length);

/** No more input. */
void mr_helper_close_input(mr_helper_t *helper);

/**
 * Read one line, without its newline, into helper->line.
 * @param wait_ms  at most; measured from the last byte
 * @return APR_EOF    it ended without a whole line
 *         APR_TIMEUP  it said nothing in time
 */
apr_status_t mr_helper_read_line(mr_helper_t *helper, int wait_ms);

/**
 * Wait for the end of a helper.
 * @param wait_ms  at most
 * @return its exit code, or -1 when it was killed, or has not ended in time
 */
int mr_helper_wait(mr_helper_t *helper, int wait_ms);

/** Its answer does not matter: let it end by itself while the request goes on. */
void mr_helper_leave(mr_helper_t *helper);

/**
 * Is it time to start one again that is started by itself? At most once in a while for each child,
 * however many clients ask.
 * @param plast    one of the child's; set when it is time
 * @param pause_s  between two times
 */
bool mr_helper_is_time(mr_child_t *child, apr_time_t *plast, int pause_s);

/** Reap helpers that ended after their request had. */
void mr_helper_sweep(mr_child_t *child);

#endif
