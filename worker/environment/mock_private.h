/* SPDX-License-Identifier: Apache-2.0 */
/* What mock.c (making and removing the chroot) and mock_gdb.c (gdb in it) have in common. For these
 * files and their tests only. */
#ifndef RETRACE_WORKER_MOCK_PRIVATE_H
#define RETRACE_WORKER_MOCK_PRIVATE_H

#include "worker/environment/environment.h"
#include "worker/environment/mock_call.h"

#define WORKER_MOCK_DIR "mock" /* in the task's directory */
#define WORKER_MOCK_OUT "out"  /* in that: for what comes out of the chroot */

typedef struct worker_chroot_t {
    uint32_t id; /* of the task */
    int task;    /* its directory */
    const retrace_config_t *config;
    worker_mock_t mock;
    worker_errand_t errand;
    int64_t started_ms;
} worker_chroot_t;

/** What is left of MaxTaskRuntime for gdb, at least 1. */
unsigned int worker_chroot_left_s(const worker_chroot_t *chroot);

/** The last of what mock has printed, to the log. */
void worker_chroot_tell(const worker_chroot_t *chroot, const char *messages, apr_pool_t *p);

/** Call mock, again while another one is at work in the chroot. As worker_mock_call. */
apr_status_t worker_chroot_call(worker_mock_end_t *end, const worker_chroot_t *chroot,
                                const char *const *verb, const char *const *words,
                                unsigned int wall_s, retrace_error_t *err, apr_pool_t *p);

/** The same, for what must succeed. @return APR_EGENERAL  it has not, and the log has what mock said */
apr_status_t worker_chroot_must(const worker_chroot_t *chroot, const char *const *verb,
                                const char *const *words, retrace_error_t *err, apr_pool_t *p);

/**
 * What a shell in the chroot gets: its script, limits, links that lay out the sysroot, and gdb's
 * command line; in p, NULL at the end. Pure. Nothing of a core is in the script: its paths are
 * arguments.
 */
const char *const *worker_mock_words(const worker_environment_t *environment,
                                     const worker_sandbox_limits_t *limits, unsigned int seconds,
                                     const char *const *argv, apr_pool_t *p);

/** worker_environment_kind_t's run. */
apr_status_t worker_mock_gdb(worker_gdb_output_t **poutput, const worker_environment_t *environment,
                             const worker_gdb_plan_t *plan, retrace_error_t *err, apr_pool_t *p);

#endif
