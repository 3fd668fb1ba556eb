/* SPDX-License-Identifier: Apache-2.0 */
/* Another program, without a shell, with bounded output and bounded time. */
#ifndef RETRACE_TASK_PROCESS_H
#define RETRACE_TASK_PROCESS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define TASK_OUTPUT_MAX      (64 * 1024) /* bytes that are kept; more is read and dropped */
#define TASK_PROCESS_LOOK_MS 200
#define TASK_PROCESS_END_MS  5000 /* between SIGTERM and SIGKILL, for who is told to end */

typedef struct task_process_t {
    const char *const *argv; /* argv[0] is looked for in PATH; NULL at the end */
    int out;                 /* its standard output; -1: that is what is kept, not standard error */
    bool is_silent;          /* without `out`: drop its standard error, do not show it */
    bool keeps_complaints;   /* without `out`: drop its standard output, keep standard error */
    int64_t max_ms;          /* then it is killed */
    /* Asked every TASK_PROCESS_LOOK_MS; when it says no the program is ended. NULL: not asked */
    bool (*may_go_on)(void *baton);
    void *baton;
} task_process_t;

/**
 * Run it to its end. Its standard input is empty.
 * @param pkept  what it wrote to standard output, or to standard error if `out` is given or
 *               keeps_complaints; in p, NUL-terminated. Also written when the program ended with a failure
 * @return APR_ENOENT    there is no such program
 *         APR_TIMEUP    it took too long
 *         APR_EINTR     may_go_on said no: it got SIGTERM first
 *         APR_INCOMPLETE  a signal has ended it, that of a terminal or of a full memory: it has judged
 *                         nothing
 *         APR_EGENERAL  it ended with a failure
 */
apr_status_t task_process_run(const char **pkept, const task_process_t *process,
                              retrace_error_t *err, apr_pool_t *p);

#endif
