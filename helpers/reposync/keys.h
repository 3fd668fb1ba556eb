/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of packages, by rpmkeys(8) with the keys of one release alone. Workers verify again before
 * they use a package: this keeps bad ones out of the mirror. */
#ifndef RETRACE_REPOSYNC_KEYS_H
#define RETRACE_REPOSYNC_KEYS_H

#include <apr_pools.h>

#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/error.h"

typedef struct reposync_keys_t {
    const char *file;     /* of keys */
    const char *database; /* a directory, absolute */
    const reposync_t *sync;
    const reposync_place_t *place;
} reposync_keys_t;

/**
 * Make a database of the release's keys: the file `<distribution>-<version>` of GPGKeyDir, else
 * `<distribution>`.
 * @return APR_ENOENT    there is neither
 *         APR_EGENERAL  it holds no key, or rpmkeys fails
 */
apr_status_t reposync_keys_open(reposync_keys_t **pkeys, const reposync_t *sync,
                                const reposync_place_t *place, retrace_error_t *err, apr_pool_t *p);

/**
 * Verify a package.
 * @param name  of its file in .sync
 * @return APR_EINVAL            it is not signed, or not with one of the keys
 *         REPOSYNC_INTERRUPTED  a signal came
 *         other                 rpmkeys cannot be run, or was killed
 */
apr_status_t reposync_keys_verify(const reposync_keys_t *keys, const char *name,
                                  retrace_error_t *err, apr_pool_t *scratch);

#endif
