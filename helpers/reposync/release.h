/* SPDX-License-Identifier: Apache-2.0 */
/* One release: its repositories, what goes (rawhide), its repodata, and what is told of all that. */
#ifndef RETRACE_REPOSYNC_RELEASE_H
#define RETRACE_REPOSYNC_RELEASE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "helpers/reposync/exit.h"
#include "helpers/reposync/reposync.h"
#include "lib/error.h"

/**
 * The releases of RepoConfigDir, by their names.
 * @param pnames  of const char *, in p; files with other names are told and left out
 * @param pwrong  how many of these there are
 */
apr_status_t reposync_release_list(apr_array_header_t **pnames, int *pwrong, reposync_t *sync,
                                   retrace_error_t *err, apr_pool_t *p);

/** Mirror a release. Whatever fails is told. */
reposync_exit_t reposync_release_mirror(reposync_t *sync, const char *release, apr_pool_t *p);

#endif
