/* SPDX-License-Identifier: Apache-2.0 */
/* Files out of a package of a repository into the cache: the package is verified, then all that the core
 * wants of it is taken out in one pass. */
#ifndef RETRACE_WORKER_REPO_UNPACK_H
#define RETRACE_WORKER_REPO_UNPACK_H

#include "worker/resolve/repo.h"
#include "worker/resolve/repo_matches.h"
#include "worker/resolve/source.h"

#define WORKER_REPO_CHANGED APR_INCOMPLETE

typedef struct worker_repo_unpack_t {
    const worker_repo_t *repo;
    const worker_matches_t *matches;
    apr_hash_t
        *asked; /* what was taken out of its packages, or was not there: not asked for again */
} worker_repo_unpack_t;

/**
 * Take out of a package what is wanted, and whatever else the core wants of it. One task does so at a
 * time, others that want of the same package wait. Nothing is kept of a package that is changed meanwhile.
 * @param candidate  a package that is here
 * @param want       with its search, which is told what was found
 * @return APR_SUCCESS  what the package has of it is in the cache: whether the wanted file is among
 *                      it, the caller looks
 *         WORKER_REPO_CHANGED  it is not the package that was indexed
 *         other        the package is not used: err says why
 */
apr_status_t worker_repo_unpack(const worker_repo_unpack_t *from,
                                const worker_candidate_t *candidate, const worker_want_t *want,
                                const retrace_config_t *config, retrace_error_t *err,
                                apr_pool_t *p);

#endif
