/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of environment that run the server's own debugger: they differ in where files may come
 * from and whether the cache keeps them. */
#include "worker/environment/environment.h"

static worker_environment_t *plan_from(const worker_chain_t *chain, const worker_core_t *core,
                                       const retrace_config_t *config,
                                       const worker_errand_t *errand, apr_pool_t *p)
{
    return worker_sysroot_plan(core, worker_resolve(core, config, chain, errand, p), p);
}

static apr_status_t run_gdb(worker_gdb_output_t **poutput, const worker_environment_t *environment,
                            const worker_gdb_plan_t *plan, retrace_error_t *err, apr_pool_t *p)
{
    worker_gdb_plan_t complete = *plan;

    complete.program = environment->program;
    complete.binds = environment->binds;
    complete.links = environment->links;
    return worker_gdb_run(poutput, &complete, err, p);
}

/* Binds live in the sandbox's mount namespace, and are gone with it. */
static void destroy_nothing(worker_environment_t *environment)
{
    (void)environment;
}

static apr_status_t prepare_extract(worker_environment_t **penvironment, const worker_core_t *core,
                                    const retrace_config_t *config, const worker_errand_t *errand,
                                    retrace_error_t *err, apr_pool_t *p)
{
    static const worker_source_t *const sources[] = { &worker_source_cache, &worker_source_host,
                                                      &worker_source_elsewhere, NULL };
    static const worker_chain_t chain = { sources, true };

    (void)err;
    *penvironment = plan_from(&chain, core, config, errand, p);
    return APR_SUCCESS;
}

static apr_status_t prepare_native(worker_environment_t **penvironment, const worker_core_t *core,
                                   const retrace_config_t *config, const worker_errand_t *errand,
                                   retrace_error_t *err, apr_pool_t *p)
{
    static const worker_source_t *const sources[] = { &worker_source_host, NULL };
    static const worker_chain_t chain = { sources, false };

    (void)err;
    *penvironment = plan_from(&chain, core, config, errand, p);
    return APR_SUCCESS;
}

const worker_environment_kind_t worker_environment_extract = { "extract", prepare_extract, run_gdb,
                                                               destroy_nothing };
const worker_environment_kind_t worker_environment_native = { "native", prepare_native, run_gdb,
                                                              destroy_nothing };

const worker_environment_kind_t *worker_environment_kind(retrace_environment_t kind)
{
    return kind == RETRACE_ENVIRONMENT_NATIVE ? &worker_environment_native
                                              : &worker_environment_extract;
}
