/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of environment that run the server's own debugger: they differ in where files may come
 * from and whether the cache keeps them. */
#include "worker/environment/environment.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "worker/gdb_choice.h"
#include "worker/resolve/cache_hold.h"
#include "worker/resolve/cache_trim.h"

static apr_status_t plan_from(worker_environment_t **penvironment, const worker_chain_t *chain,
                              const worker_core_t *core, const retrace_config_t *config,
                              const worker_errand_t *errand, retrace_error_t *err, apr_pool_t *p)
{
    struct utsname host;
    const char *gdb = NULL;
    apr_status_t rv;

    if (uname(&host) != 0) {
        return retrace_fail(err, errno, "find out what machine this is");
    }
    rv = worker_gdb_choose(&gdb, host.machine, core->arch, config, err, p);
    if (rv == APR_SUCCESS) {
        if (errand->tell != NULL && strcmp(gdb, config->gdb_path) != 0) {
            errand->tell(errand->baton, 'I', apr_pstrcat(p, "The debugger is ", gdb, NULL));
        }
        *penvironment =
            worker_sysroot_plan(core, worker_resolve(core, config, chain, errand, p), p);
        (*penvironment)->gdb = gdb;
    }
    return rv;
}

static apr_status_t run_gdb(worker_gdb_output_t **poutput, const worker_environment_t *environment,
                            const worker_gdb_plan_t *plan, retrace_error_t *err, apr_pool_t *p)
{
    worker_gdb_plan_t complete = *plan;

    complete.gdb = environment->gdb;
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

static void release_cache(worker_environment_t *environment)
{
    if (environment->hold != NULL) {
        worker_cache_release(environment->hold, environment->config, environment->pool);
    }
}

/* Where there is no hold nothing is removed, either: this user cannot write there. */
static worker_cache_hold_t *hold_cache(const retrace_config_t *config,
                                       const worker_errand_t *errand, apr_pool_t *p)
{
    worker_cache_hold_t *hold = NULL;
    retrace_error_t err;

    if (worker_cache_hold_open(&hold, config->cache_dir, &err, p) != APR_SUCCESS
        && errand->tell != NULL) {
        errand->tell(errand->baton, 'W',
                     apr_pstrcat(p, "The cache cannot be written to: ", err.text, NULL));
    }
    return hold;
}

static apr_status_t prepare_extract(worker_environment_t **penvironment, const worker_core_t *core,
                                    const retrace_config_t *config,
                                    const worker_environment_task_t *task,
                                    const worker_errand_t *errand, retrace_error_t *err,
                                    apr_pool_t *p)
{
    static const worker_source_t *const sources[] = { &worker_source_cache, &worker_source_host,
                                                      &worker_source_elsewhere, NULL };
    static const worker_chain_t chain = { sources, true };
    worker_errand_t holding = *errand;
    apr_status_t rv;

    (void)task;
    holding.hold = hold_cache(config, errand, p);
    rv = plan_from(penvironment, &chain, core, config, &holding, err, p);
    if (rv == APR_SUCCESS) {
        (*penvironment)->hold = holding.hold;
        (*penvironment)->config = config;
        (*penvironment)->pool = p;
    }
    return rv;
}

static apr_status_t prepare_native(worker_environment_t **penvironment, const worker_core_t *core,
                                   const retrace_config_t *config,
                                   const worker_environment_task_t *task,
                                   const worker_errand_t *errand, retrace_error_t *err,
                                   apr_pool_t *p)
{
    static const worker_source_t *const sources[] = { &worker_source_host, NULL };
    static const worker_chain_t chain = { sources, false };

    (void)task;
    return plan_from(penvironment, &chain, core, config, errand, err, p);
}

const worker_environment_kind_t worker_environment_extract = { "extract", prepare_extract, run_gdb,
                                                               release_cache, NULL };
const worker_environment_kind_t worker_environment_native = { "native", prepare_native, run_gdb,
                                                              destroy_nothing, NULL };

const worker_environment_kind_t *worker_environment_kind(retrace_environment_t kind)
{
    static const worker_environment_kind_t *const kinds[] = {
        [RETRACE_ENVIRONMENT_EXTRACT] = &worker_environment_extract,
        [RETRACE_ENVIRONMENT_NATIVE] = &worker_environment_native,
        [RETRACE_ENVIRONMENT_MOCK] = &worker_environment_mock,
    };

    return kinds[kind];
}
