/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages of a repository are to be got, from its lists. */
#ifndef RETRACE_REPOSYNC_PLAN_H
#define RETRACE_REPOSYNC_PLAN_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/checksum.h"
#include "lib/repodata.h"

#define REPOSYNC_MAX_PACKAGE (INT64_C(32) * 1024 * RETRACE_MIB) /* bytes */
#define REPOSYNC_MAX_TOLD    20 /* packages of one repository that are told one by one */

/** A package that is not here. Texts are in the plan's pool. */
typedef struct reposync_package_t {
    const char *name; /* of its file */
    const char *href;
    int64_t size;
    retrace_checksum_t checksum;
} reposync_package_t;

typedef struct reposync_plan_t {
    reposync_t *sync;
    const reposync_place_t *place;
    const char *repository; /* for what is told */
    apr_hash_t *named;      /* of the release: names of files that a repository has had; grows */
    apr_hash_t *useful;     /* checksums of packages to take; NULL: all */
    apr_array_header_t *packages; /* of reposync_package_t */
    int64_t bytes;                /* of them */
    int told;
    reposync_tally_t *tally;
    apr_pool_t *pool;
} reposync_plan_t;

/**
 * For retrace_repodata_packages(): the package goes into the plan unless it is here, is source code, was
 * named by an earlier repository, is of no use, or is refused (bad name, place, size or checksum).
 * @param baton  a reposync_plan_t
 */
apr_status_t reposync_plan_add(void *baton, const retrace_repodata_package_t *package,
                               retrace_error_t *err);

/**
 * For retrace_repodata_files(): of use is a package with links of build-ids, or with something below
 * /usr/lib/debug.
 * @param baton  a reposync_plan_t, with useful made
 */
apr_status_t reposync_plan_note_file(void *baton, const char *digits, const char *path,
                                     retrace_error_t *err);

/** Tell what is wrong with a package, unless there were REPOSYNC_MAX_TOLD already. */
void reposync_plan_tell(reposync_plan_t *plan, const char *name, const char *reason);

#endif
