/* SPDX-License-Identifier: Apache-2.0 */
/* Where workers run. The dispatcher knows nothing beyond this table; `local` starts them as
 * children on this machine. */
#ifndef RETRACE_ENGINE_H
#define RETRACE_ENGINE_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"

/** One running worker, as its engine sees it. */
typedef struct engine_job_t {
    uint32_t id;
    int64_t handle; /* the engine's own: a process id, a job number */
} engine_job_t;

/** How a worker ended. */
typedef struct engine_end_t {
    int64_t handle;
    int exit_code; /* -1: killed */
    int signal;    /* 0: it exited */
} engine_end_t;

typedef struct engine_t {
    const char *name;

    /** Have the machine tested that would run workers, and wait for it; what it finds is left in
     * the spool. */
    void (*test)(const retrace_config_t *config, const char *config_path, apr_pool_t *scratch);

    /** Start a worker for a task. @param job  `id` is set; receives `handle` */
    apr_status_t (*submit)(engine_job_t *job, const retrace_config_t *config,
                           const char *config_path, retrace_error_t *err, apr_pool_t *scratch);

    /** Remove what a worker that was killed has left on its machine. */
    void (*tidy)(uint32_t id, const retrace_config_t *config, const char *config_path,
                 apr_pool_t *scratch);

    /** Take one end of a worker, without waiting. @return false when there is none */
    bool (*poll)(engine_end_t *end);

    /** Kill a worker and all that it has started. Its end is still reported by poll. */
    void (*cancel)(const engine_job_t *job);
} engine_t;

extern const engine_t engine_local;

#endif
