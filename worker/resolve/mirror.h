/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that the metadata of a repository name, but that are not here: fetched one by one, from where
 * `RepoConfigDir/<release>.repo` says. What comes is believed for its checksum, then for its
 * signature, before it gets its place. */
#ifndef RETRACE_WORKER_MIRROR_H
#define RETRACE_WORKER_MIRROR_H

#include <apr_pools.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/package.h"
#include "worker/resolve/repo.h"

#define WORKER_MIRROR_MAX_SILENT 2 /* times that a server may not answer, in one search */

/** Where the packages of one release come from; keeps connections open. */
typedef struct worker_mirror_t worker_mirror_t;

/** Told about each attempt. @param level  'I' or 'W' */
typedef void (*worker_mirror_tell_fn)(void *baton, char level, const char *text);

/**
 * @param pmirror  in p
 * @param release  name of its directory
 * @param tell     NULL: nobody
 * @return APR_ENOENT  there is no file for the release
 *         APR_EINVAL  it is malformed, or names no server that can be asked
 */
apr_status_t worker_mirror_open(worker_mirror_t **pmirror, const retrace_config_t *config,
                                const char *release, worker_mirror_tell_fn tell, void *baton,
                                retrace_error_t *err, apr_pool_t *p);

/**
 * Fetch a package into its place, unless it is there meanwhile, and take it into the index.
 * @param candidate  with `remote`
 * @return APR_SUCCESS  it is there, verified
 *         other        it is not: err says why
 */
apr_status_t worker_mirror_get(worker_mirror_t *mirror, const worker_repo_t *repo,
                               const worker_candidate_t *candidate, retrace_error_t *err,
                               apr_pool_t *scratch);

#endif
