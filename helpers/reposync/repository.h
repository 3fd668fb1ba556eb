/* SPDX-License-Identifier: Apache-2.0 */
/* One repository of a release: its lists, then the packages that are not here. */
#ifndef RETRACE_REPOSYNC_REPOSITORY_H
#define RETRACE_REPOSYNC_REPOSITORY_H

#include <apr_hash.h>
#include <apr_pools.h>

#include "helpers/reposync/keys.h"
#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/error.h"
#include "lib/repo_config.h"

/** A release on the way. */
typedef struct reposync_work_t {
    reposync_t *sync;
    const reposync_place_t *place;
    reposync_keys_t *keys; /* NULL: no repository has needed them until now */
    apr_hash_t *named;     /* names of packages' files that some repository has */
    apr_hash_t *lists;     /* names of files in .sync that are of use the next time, too */
    apr_pool_t *pool;
} reposync_work_t;

/**
 * Mirror a repository. Packages that are refused or cannot be got are told, and the others are got.
 * @param tally  what was done, also when it fails
 * @return APR_SUCCESS           its lists were had; tally says what came of the packages
 *         APR_ENOSPC            there is not enough room
 *         REPOSYNC_INTERRUPTED  a signal came
 *         other                 the repository cannot be used
 */
apr_status_t reposync_repository_mirror(reposync_tally_t *tally, reposync_work_t *work,
                                        const retrace_repo_section_t *section, retrace_error_t *err,
                                        apr_pool_t *p);

#endif
