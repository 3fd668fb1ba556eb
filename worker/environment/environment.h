/* SPDX-License-Identifier: Apache-2.0 */
/* What the debugger takes for the crashed system. One interface for all ways to make it: `extract`
 * (files by build-id, through the cache), `native` (this machine's installed files), `mock` (packages
 * installed in a chroot, and the debugger in there). */
#ifndef RETRACE_WORKER_ENVIRONMENT_H
#define RETRACE_WORKER_ENVIRONMENT_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/core.h"
#include "worker/debugger_gdb.h"
#include "worker/resolve/resolve.h"

typedef struct worker_environment_t worker_environment_t;

/** The task that one is made for. */
typedef struct worker_environment_task_t {
    uint32_t id;
    int dir; /* its directory, open as long as the environment is there */
} worker_environment_task_t;

/** The way to make one; chosen by RetraceEnvironment. */
typedef struct worker_environment_kind_t {
    const char *name;

    /**
     * Find a debugger for the core, then the files.
     * @param penvironment  in p; written only on success
     * @param errand        told about each file that is not found
     * @return APR_ENOTIMPL  no debugger knows the core's architecture
     */
    apr_status_t (*prepare)(worker_environment_t **penvironment, const worker_core_t *core,
                            const retrace_config_t *config, const worker_environment_task_t *task,
                            const worker_errand_t *errand, retrace_error_t *err, apr_pool_t *p);

    /**
     * Run the debugger in it.
     * @param plan  all but `gdb`, `program`, `binds` and `links`, which are the environment's to set
     */
    apr_status_t (*run)(worker_gdb_output_t **poutput, const worker_environment_t *environment,
                        const worker_gdb_plan_t *plan, retrace_error_t *err, apr_pool_t *p);

    /** Leave nothing behind but the cache, and for a task that keeps its crash data what somebody
     * needs to look further. */
    void (*destroy)(worker_environment_t *environment);

    /** Remove what a worker of this task has left that was killed; NULL: there is nothing. */
    void (*tidy)(const retrace_config_t *config, const worker_environment_task_t *task,
                 apr_pool_t *p);
} worker_environment_kind_t;

struct worker_environment_t {
    const apr_array_header_t *resolved; /* of worker_resolved_t */
    const char *gdb;                    /* path of the debugger on this machine */
    const char *program;                /* below WORKER_SYSROOT; NULL: not found */
    apr_array_header_t *binds;          /* of worker_bind_t */
    apr_array_header_t *links;          /* of worker_link_t */
    struct worker_cache_hold_t *hold;   /* of what it uses in the cache; NULL: none */
    const retrace_config_t *config;     /* for the end of that hold */
    apr_pool_t *pool;
    struct worker_chroot_t *chroot; /* of mock.c; NULL: none */
};

extern const worker_environment_kind_t worker_environment_extract;
extern const worker_environment_kind_t worker_environment_native;
extern const worker_environment_kind_t worker_environment_mock;

/** By the value of RetraceEnvironment. */
const worker_environment_kind_t *worker_environment_kind(retrace_environment_t kind);

/**
 * Lay out found files as the crashed system had them: executables at their paths, debug information
 * by build-id, links for SONAMEs and for the dynamic loader. Pure but for memory.
 */
worker_environment_t *worker_sysroot_plan(const worker_core_t *core,
                                          const apr_array_header_t *resolved, apr_pool_t *p);

#endif
