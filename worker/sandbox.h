/* SPDX-License-Identifier: Apache-2.0 */
/* Run one program that may be hostile: bubblewrap for the namespaces, seccomp for the system calls,
 * rlimits and a cgroup for what it may use, a pipe for what it may say. The program is assumed to
 * be taken over by its input: it sees the files that are bound here and nothing else. */
#ifndef RETRACE_WORKER_SANDBOX_H
#define RETRACE_WORKER_SANDBOX_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "worker/cgroup.h"

/** A host file or directory, seen read-only by the program at another path. */
typedef struct worker_bind_t {
    const char *source; /* absolute path on this machine */
    const char *target; /* absolute path in the sandbox */
} worker_bind_t;

/** A symbolic link made in the sandbox. */
typedef struct worker_link_t {
    const char *content;
    const char *path;
} worker_link_t;

typedef struct worker_sandbox_limits_t {
    int64_t memory_bytes;   /* RLIMIT_AS and the cgroup's limit */
    int64_t file_bytes;     /* RLIMIT_FSIZE and, where bwrap can, the size of /tmp */
    int64_t output_bytes;   /* of standard output; beyond it the program is killed */
    int64_t message_bytes;  /* of standard error; beyond it bytes are dropped */
    unsigned int cpu_s;     /* RLIMIT_CPU */
    unsigned int wall_s;    /* monotonic; 0 = no limit of its own */
    unsigned int processes; /* without a cgroup: so many more threads than the user has at the start
                                (RLIMIT_NPROC, which means nothing to root); with one its own limit
                                is the one that counts */
} worker_sandbox_limits_t;

typedef struct worker_sandbox_t {
    const char *bubblewrap;          /* path of bwrap, 0.4.0 or later */
    const apr_array_header_t *binds; /* of worker_bind_t */
    const apr_array_header_t *links; /* of worker_link_t; made last, no other path leads through
                                         one */
    const char *const *argv;         /* the program: a path in the sandbox and its arguments */
    const char *const *environment;  /* "NAME=value", NULL at the end: all that it gets */
    worker_sandbox_limits_t limits;
    worker_cgroup_t *cgroup; /* NULL: rlimits only */
} worker_sandbox_t;

typedef enum worker_sandbox_end_t {
    WORKER_SANDBOX_EXITED,    /* by itself: see exit_code */
    WORKER_SANDBOX_SIGNALLED, /* killed by a signal that we did not send */
    WORKER_SANDBOX_FORBIDDEN, /* killed for a forbidden system call (SIGSYS) */
    WORKER_SANDBOX_TIME,      /* wall_s or cpu_s */
    WORKER_SANDBOX_MEMORY,    /* the cgroup's out-of-memory killer */
    WORKER_SANDBOX_OUTPUT     /* more than output_bytes */
} worker_sandbox_end_t;

typedef struct worker_sandbox_result_t {
    worker_sandbox_end_t end;
    int exit_code;
    int signal;
    const char *output; /* standard output, NUL-terminated, may hold NULs */
    apr_size_t output_length;
    const char *messages; /* standard error, likewise */
    apr_size_t messages_length;
} worker_sandbox_result_t;

/**
 * Run the program to its end; nothing of it is alive on return, and its zombies are reaped. For
 * that this process is a subreaper meanwhile (prctl(2)). The program finds PWD added to its
 * environment.
 * @param presult  in p; written only on success, which means that the program ran, not that it was
 *                 content
 * @return APR_ENOTIMPL  bwrap cannot make a sandbox here, or not start the program; err says what
 *                       it said
 *         APR_EINVAL    a path of a bind or link is not plain and absolute, or leads through a link
 *         other         a system call failed
 */
apr_status_t worker_sandbox_run(worker_sandbox_result_t **presult, const worker_sandbox_t *sandbox,
                                retrace_error_t *err, apr_pool_t *p);

/**
 * The self-test: the real command line, on a program that ends at once.
 * @return as worker_sandbox_run
 */
apr_status_t worker_sandbox_check(const char *bubblewrap, retrace_error_t *err, apr_pool_t *p);

/** How it ended, as a sentence without a final dot: "gdb was killed by signal 9", … */
const char *worker_sandbox_end_text(const worker_sandbox_result_t *result,
                                    const worker_sandbox_limits_t *limits, const char *program,
                                    apr_pool_t *p);

#endif
