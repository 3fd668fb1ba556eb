/* SPDX-License-Identifier: Apache-2.0 */
/* The three steps of sandbox.c: what bwrap is told (pure), the process with its limits and pipes,
 * and what its end means (pure). For sandbox*.c and their tests only. */
#ifndef RETRACE_WORKER_SANDBOX_PRIVATE_H
#define RETRACE_WORKER_SANDBOX_PRIVATE_H

#include "worker/sandbox.h"

/* Descriptors that bwrap finds open beside the standard ones. It closes them in the sandbox. */
#define WORKER_SANDBOX_FILTER_FD 3 /* the seccomp filter */
#define WORKER_SANDBOX_STATUS_FD 4 /* --json-status-fd */

/**
 * The command line of bwrap.
 * @param pargv  in p, NULL at the end; written only on success
 * @param help   what `bwrap --help` prints: options of newer versions are used when they are there
 * @return APR_ENOTIMPL  this bwrap is older than 0.4.0
 *         APR_EINVAL    a path of the plan is not plain and absolute, or leads through a link of
 * the plan: while bwrap builds the sandbox such a link can still lead outside
 */
apr_status_t worker_sandbox_argv(const char *const **pargv, const worker_sandbox_t *sandbox,
                                 const char *help, retrace_error_t *err, apr_pool_t *p);

/** What was seen of a run. */
typedef struct worker_sandbox_run_t {
    bool over_time;   /* we killed it for wall_s */
    bool over_output; /* we killed it for output_bytes */
    int64_t wall_ms;
    int wait_status;         /* of bwrap, as of waitpid(2) */
    const char *status_text; /* what came from --json-status-fd */
    const char *output;
    apr_size_t output_length;
    const char *messages;
    apr_size_t messages_length;
} worker_sandbox_run_t;

/**
 * Run this command line with the sandbox's limits to its end, and reap all of it.
 * @param filter_fd  the seccomp filter; not closed
 */
apr_status_t worker_sandbox_process(worker_sandbox_run_t **prun, const worker_sandbox_t *sandbox,
                                    const char *const *argv, int filter_fd, retrace_error_t *err,
                                    apr_pool_t *p);

/** Which process is the first of the sandbox, seen from here? 0 when the text does not say. */
pid_t worker_sandbox_child_pid(const char *status_text);

/**
 * What the end of a run means.
 * @param was_oom  the out-of-memory killer has struck in its group
 * @return APR_ENOTIMPL  bwrap ended before it had started the program
 */
apr_status_t worker_sandbox_judge(worker_sandbox_result_t *result, const worker_sandbox_run_t *run,
                                  const worker_sandbox_limits_t *limits, bool was_oom,
                                  retrace_error_t *err);

#endif
