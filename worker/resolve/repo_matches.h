/* SPDX-License-Identifier: Apache-2.0 */
/* What the packages of one repository have of what a core wants, and which of them are taken first. */
#ifndef RETRACE_WORKER_REPO_MATCHES_H
#define RETRACE_WORKER_REPO_MATCHES_H

#include "worker/core.h"
#include "worker/resolve/package.h"
#include "worker/resolve/repo_index.h"

/** A package has a wanted file. */
typedef struct worker_match_t {
    worker_candidate_t candidate;
    worker_file_kind_t kind;
    const char *build_id;
} worker_match_t;

typedef struct worker_matches_t {
    apr_array_header_t *all; /* of worker_match_t, in the order of the modules */
    apr_hash_t *ranks;       /* package's file → int * */
    int worst_rank;
} worker_matches_t;

/**
 * Ask the index for the executables and the debug information of all modules, and choose (choice.h).
 * @param preferences  of worker_preference_t; those that the repository has are marked as known
 * @return in p
 */
worker_matches_t *worker_matches_make(worker_index_t *index, const worker_core_t *core,
                                      apr_array_header_t *preferences, apr_pool_t *p);

/**
 * The packages that have a file, in the order in which to try them.
 * @param altlink  of a dwz file: the path that the debug information gives; NULL for none
 * @return of worker_candidate_t, in p
 */
apr_array_header_t *worker_matches_candidates(const worker_matches_t *matches,
                                              worker_index_t *index, worker_file_kind_t kind,
                                              const char *build_id, const char *altlink,
                                              apr_pool_t *p);

#endif
