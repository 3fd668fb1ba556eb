/* SPDX-License-Identifier: Apache-2.0 */
/* What the repositories have, as the lists of packages say (lib/package_list.h): httpd reads these, and
 * has them made when they are missing or stale. It waits for nothing. */
#ifndef MR_PACKAGES_H
#define MR_PACKAGES_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <httpd.h>
#include <stdbool.h>

#include "mod_retrace/mod_retrace.h"

#define MR_PACKAGES_LOOK_S 1  /* a child does not look at the repositories more often */
#define MR_PACKAGES_ASK_S  10 /* nor wake the dispatcher for the same state of them */

typedef enum mr_packages_answer_t {
    MR_PACKAGES_UNKNOWN, /* no list yet */
    MR_PACKAGES_YES,
    MR_PACKAGES_NO
} mr_packages_answer_t;

/**
 * Has this release one of these packages, of any epoch?
 * @param packages  of const char *: name-version-release.arch
 */
mr_packages_answer_t mr_packages_has(const retrace_config_t *config, const char *release,
                                     const apr_array_header_t *packages, apr_pool_t *p);

/** Has this release any package that is used? */
mr_packages_answer_t mr_packages_has_any(const retrace_config_t *config, const char *release,
                                         apr_pool_t *p);

/** Has the lists made that are missing, before the first request. */
void mr_packages_child_init(mr_server_t *server, server_rec *s, apr_pool_t *pchild);

#endif
