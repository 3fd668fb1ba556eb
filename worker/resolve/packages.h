/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages hold the files of a core: the fewest of one repository that have them, by the exact
 * builds. For whoever installs packages, or names them. Only retrace-resolve reads packages
 * (elsewhere.h), so that a worker asks it: `retrace-resolve --packages`, in lines of fields that are
 * separated by tabs.
 *
 *   worker                       retrace-resolve
 *   release  ID | -
 *   arch     NAME
 *   module   BUILD-ID            (one for each of the core; then the end of the file)
 *                            →   tell        LEVEL TEXT             (any number)
 *                                repository  NAME KEYS              (a file of keys, or "")
 *                                package     NEVRA                  (any number)
 *                                file        KIND BUILD-ID PATH     (any number)
 *                                end                                or
 *                                missing     TEXT
 */
#ifndef RETRACE_WORKER_PACKAGES_H
#define RETRACE_WORKER_PACKAGES_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdio.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/core.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/source.h"

#define WORKER_PACKAGES_MAX 512 /* that are chosen for one core */
#define WORKER_NEVRA_MAX    256 /* bytes of a whole name with its architecture, with the NUL */

/** A file that a core wants. */
typedef struct worker_wish_t {
    const worker_module_t *module;
    worker_file_kind_t kind;
    apr_array_header_t *candidates; /* of worker_candidate_t: packages that have it */
    const char *package;            /* the chosen one's file; NULL: none */
    const char *path;               /* of the wanted file, in that package */
} worker_wish_t;

/** A package to take. */
typedef struct worker_needed_t {
    const char *file;  /* below the release's directory */
    const char *name;  /* with its architecture: bash.x86_64 */
    const char *nevra; /* bash-0:5.1-2.fc36.x86_64, the epoch only where there is one */
    const char *dwz;   /* name of what its debug information may share with others; NULL unknown */
} worker_needed_t;

typedef struct worker_selection_t {
    const char *repository;     /* name of the release's directory */
    const char *keys;           /* file of public keys; NULL: signatures are not asked for */
    apr_array_header_t *wishes; /* of worker_wish_t: for each module the executable, then the debug
                                     information */
    apr_array_header_t *packages; /* of worker_needed_t */
    const worker_repo_t *repo;    /* NULL for who has asked */
} worker_selection_t;

/**
 * Who is next? In the order of choice.h, so that packages of one build stay together; of one group who
 * has the most of what nobody has been chosen for. Pure but for memory.
 * @param wishes  of worker_wish_t
 * @return NULL when there is nobody; one of the wishes' candidates
 */
const worker_candidate_t *worker_packages_next(const apr_array_header_t *wishes, apr_pool_t *p);

/** Choose a package for all that it has and nobody has been chosen for. Pure. */
void worker_packages_take(apr_array_header_t *wishes, const char *file);

/** A package that must not be chosen. Pure. */
void worker_packages_drop(apr_array_header_t *wishes, const char *file);

/**
 * The name of a package as package managers take it.
 * @param pneeded  in p; written only on success; its file is not set
 * @return false when a part of it has characters that no part of a name has
 */
bool worker_packages_name(worker_needed_t *pneeded, const worker_package_t *package, apr_pool_t *p);

/**
 * The name of the dwz file of all packages of a source package, by RPM's convention.
 * @param pname   bash-5.1-2.fc36.x86_64, in p; written only on success
 * @param source  bash-5.1-2.fc36.src.rpm
 * @return false when it is not called like that
 */
bool worker_packages_dwz(const char **pname, const char *source, const char *arch, apr_pool_t *p);

/**
 * Choose from the repository of the crash's release, else from the one that has the most. Signatures
 * are verified; a package that cannot be used is told to the errand, and another one taken.
 * @param pchoice  in p
 * @return APR_NOTFOUND  there is no repository of the release, and no package in another one
 */
apr_status_t worker_packages_choose(worker_selection_t **pchoice, const worker_core_t *core,
                                    const retrace_config_t *config, const worker_errand_t *errand,
                                    retrace_error_t *err, apr_pool_t *p);

/**
 * Let retrace-resolve choose.
 * @param pselection  in p; of its wishes only package and path are set, of its packages only nevra
 * @return as worker_packages_choose; APR_EGENERAL  it cannot be run, or makes no sense
 */
apr_status_t worker_packages_ask(worker_selection_t **pselection, const worker_core_t *core,
                                 const retrace_config_t *config, const worker_errand_t *errand,
                                 retrace_error_t *err, apr_pool_t *p);

#endif
