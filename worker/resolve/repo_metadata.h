/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a repository into its index: packages that can be fetched when they are needed. */
#ifndef RETRACE_WORKER_REPO_METADATA_H
#define RETRACE_WORKER_REPO_METADATA_H

#include "worker/resolve/repo.h"

/**
 * Take `repodata/` into the index, if it is other than what is there; only what is new is read out of
 * the lists. Between worker_index_begin and worker_index_commit. What cannot be used leaves the index
 * as it was, with one sentence for those who use it (worker_index_complain).
 * @return  the index cannot be written
 */
apr_status_t worker_repo_read_metadata(const worker_repo_t *repo, retrace_error_t *err,
                                       apr_pool_t *scratch);

#endif
