/* SPDX-License-Identifier: Apache-2.0 */
/* Packages of rawhide that go: no other release ever loses one. */
#ifndef RETRACE_REPOSYNC_RAWHIDE_H
#define RETRACE_REPOSYNC_RAWHIDE_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/error.h"

#define REPOSYNC_SUPERSEDED_S INT64_C(604800) /* since a newer one came */

/** A package that is here. */
typedef struct reposync_old_t {
    const char *name;
    const char *arch;
    const char *epoch;
    const char *version;
    const char *release;
    const char *path;  /* below the release's directory */
    int64_t arrived_s; /* since 1970 */
    bool is_offered;   /* a repository still has it */
    bool goes;         /* what reposync_rawhide_choose() decides */
} reposync_old_t;

/** Is a release's version `rawhide`? */
bool reposync_rawhide_is(const char *release, apr_pool_t *p);

/**
 * Decide which packages go: those that no repository offers, that are not among the newest `keep` of
 * their name and architecture, and for which a newer one has been here for REPOSYNC_SUPERSEDED_S. Pure.
 * @param packages  of reposync_old_t; put into another order
 */
void reposync_rawhide_choose(apr_array_header_t *packages, int64_t keep, int64_t now_s);

/**
 * Remove the packages of the release's own repodata that go.
 * @param named     names of packages' files that repositories offer
 * @param premoved  how many went
 */
apr_status_t reposync_rawhide_remove(int *premoved, reposync_t *sync, const reposync_place_t *place,
                                     apr_hash_t *named, retrace_error_t *err, apr_pool_t *p);

#endif
