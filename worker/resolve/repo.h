/* SPDX-License-Identifier: Apache-2.0 */
/* Repositories of packages: directories `<distribution>-<version>-<architecture>` below RepoDir that
 * have `repodata/`, with packages in them, in `Packages/` or in `Packages/<letter>/`. Each has an
 * index (repo_index.h), which is brought up to date by whoever needs it. */
#ifndef RETRACE_WORKER_REPO_H
#define RETRACE_WORKER_REPO_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/repo_index.h"
#include "worker/resolve/rpm_reader.h"

#define WORKER_REPO_MAX_PACKAGES      500000               /* of one release */
#define WORKER_REPO_MAX_PACKAGE_BYTES (2048 * RETRACE_MIB) /* a kernel's debuginfo has half of it */

#define WORKER_REPO_WAIT_MS (300 * 1000) /* for who brings its index up to date, or unpacks */

typedef struct worker_repo_t {
    const char *name;      /* fedora-36-x86_64 */
    const char *directory; /* absolute */
    int fd;                /* the same, open */
    int locks;             /* directory for lock files, open */
    worker_rpm_t *rpm;
    worker_index_t *index;
    int64_t wait_ms;       /* for a lock */
    retrace_error_t stale; /* why its index is not up to date, unless .status is APR_SUCCESS */
    retrace_error_t list;  /* why the list of its packages could not be published, unless .status is
                             APR_SUCCESS */
} worker_repo_t;

/**
 * Choose the releases to look at, in their order: those of the crash's release, its own architecture
 * first; all when there is none of it. Pure but for memory.
 * @param names    of const char *
 * @param release  as lib/release.h says; NULL or "-" when unknown
 * @return of const char *, in p
 */
apr_array_header_t *worker_repo_select(const apr_array_header_t *names, const char *release,
                                       const char *arch, apr_pool_t *p);

/**
 * Open a repository, with its index up to date. While another process makes the index, it waits; not
 * for ever: then an older index is used as it is, and when it cannot be brought up to date, too.
 * @param prepo  in p; closed with it
 * @param force  look at every package's size and time, not at those of directories only
 * @return APR_ENOENT  there is no such repository, or no keys for it
 *         APR_EINVAL  its file holds no keys
 *         APR_EACCES  it may not be read, or others may write that file
 */
apr_status_t worker_repo_open(worker_repo_t **prepo, const retrace_config_t *config,
                              const char *name, bool force, retrace_error_t *err, apr_pool_t *p);

/** Look at every package once more: one is not what the index says. */
apr_status_t worker_repo_refresh(const worker_repo_t *repo, retrace_error_t *err,
                                 apr_pool_t *scratch);

/** Make the index anew: a question has found it damaged (WORKER_INDEX_DAMAGED). */
apr_status_t worker_repo_mend(const worker_repo_t *repo, retrace_error_t *err, apr_pool_t *scratch);

/**
 * Open a package of a repository.
 * @param pfd  close-on-exec; the caller closes it
 * @return APR_ENOSPC  it is larger than a package may be
 */
apr_status_t worker_repo_open_package(int *pfd, worker_index_entry_t *entry,
                                      const worker_repo_t *repo, const char *file,
                                      retrace_error_t *err);

/**
 * Take a package into the index that has just got its place.
 * @return  the index cannot be written; a package that is not used is in it with its refusal
 */
apr_status_t worker_repo_add_package(const worker_repo_t *repo, const char *file,
                                     retrace_error_t *err, apr_pool_t *scratch);

#endif
