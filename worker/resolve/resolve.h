/* SPDX-License-Identifier: Apache-2.0 */
/* From the build-ids of a core to files: for each mapped file its executable, its debug information
 * and what that shares with others, from the first source that has it. */
#ifndef RETRACE_WORKER_RESOLVE_H
#define RETRACE_WORKER_RESOLVE_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/core.h"
#include "worker/resolve/source.h"

/** One mapped file and what was found for it; NULL: nothing. */
typedef struct worker_resolved_t {
    const worker_module_t *module;
    const worker_found_t *executable;
    const worker_found_t *debuginfo; /* never without its dwz file, if it needs one: gdb would drop
                                          all symbols of the module, and unwind wrongly */
    const worker_found_t *dwz;
    const char *missing_dwz; /* build-id of the one for which debuginfo was left out */
    const char *asked;       /* sources and servers that do not have what is missing; NULL: nothing
                                is */
} worker_resolved_t;

/** The sources to ask, in order; what a later one finds may be put into the cache. */
typedef struct worker_chain_t {
    const worker_source_t *const *sources; /* NULL at the end */
    bool fills_cache;
} worker_chain_t;

/**
 * Resolve all modules of a core that are ELF files with a build-id.
 * @param errand  its `missing` is called for each file that no source has; reason is what the last
 *                source said, and who was asked
 * @return of worker_resolved_t, in p, in the order of the core; modules that cannot be asked for
 *         (no build-id, no ELF header in the core) are not in it
 */
apr_array_header_t *worker_resolve(const worker_core_t *core, const retrace_config_t *config,
                                   const worker_chain_t *chain, const worker_errand_t *errand,
                                   apr_pool_t *p);

/** What was found for a module; NULL when it was not looked for. */
const worker_resolved_t *worker_resolved_of(const apr_array_header_t *resolved,
                                            const worker_module_t *module);

#endif
