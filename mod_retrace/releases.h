/* SPDX-License-Identifier: Apache-2.0 */
/* Which releases this server can retrace: those of RepoDir, and this machine's own when its files are
 * a source (HostDirs). */
#ifndef MR_RELEASES_H
#define MR_RELEASES_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/config.h"

#define MR_RELEASES_TOLD                                                                           \
    31 /* old clients have 32 places, and the last one takes the rest of the line */

/**
 * The releases `<distribution>-<version>-<architecture>`, newest first.
 * @return of const char *, in p
 */
apr_array_header_t *mr_releases_list(const retrace_config_t *config, apr_pool_t *p);

/** Add other names of theirs (`rhel-8.6-x86_64` for `rhel-8-x86_64`), since clients compare whole
 * names; behind the releases, since a list that is cut must lose these first. */
void mr_releases_add_aliases(apr_array_header_t *releases, apr_pool_t *p);

#endif
