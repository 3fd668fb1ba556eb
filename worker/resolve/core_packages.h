/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages have the files of a core, as the indexes of repositories know: nothing is fetched and
 * nothing unpacked. */
#ifndef RETRACE_WORKER_CORE_PACKAGES_H
#define RETRACE_WORKER_CORE_PACKAGES_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/core.h"
#include "worker/resolve/package.h"

/** A package that would be taken for a file. */
typedef struct worker_core_package_t {
    worker_file_kind_t kind;
    const char *nevra;      /* name-[epoch:]version-release.architecture */
    const char *repository; /* name of its release */
    const char *file;       /* of the package, below the repository */
    const char *path;       /* of the file in it; NULL: not known, the package is not here */
    bool is_here;
} worker_core_package_t;

/** A mapped file with a build-id. */
typedef struct worker_core_file_t {
    const worker_module_t *module;
    const worker_core_package_t *executable; /* NULL: no package has it */
    const worker_core_package_t *debuginfo;
} worker_core_file_t;

/**
 * @param names   repositories, in the order in which they are asked; of const char *
 * @param pfiles  of worker_core_file_t, in p, in the order of the modules
 * @return APR_ENOENT  a repository is not there, or has no keys
 *         other       an index cannot be read or made
 */
apr_status_t worker_core_packages(apr_array_header_t **pfiles, const worker_core_t *core,
                                  const apr_array_header_t *names, const retrace_config_t *config,
                                  retrace_error_t *err, apr_pool_t *p);

/** The name of a package as people write it. @param epoch  "" or "0": left out */
const char *worker_core_package_nevra(const worker_candidate_t *candidate, apr_pool_t *p);

/** All packages of such files, each once, in the order of their names; of const char *. */
apr_array_header_t *worker_core_package_names(const apr_array_header_t *files, apr_pool_t *p);

#endif
