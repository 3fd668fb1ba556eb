/* SPDX-License-Identifier: Apache-2.0 */
/* The release's own repodata, by the real createrepo_c(8). */
#ifndef RETRACE_REPOSYNC_METADATA_H
#define RETRACE_REPOSYNC_METADATA_H

#include <apr_pools.h>
#include <stdbool.h>

#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/error.h"

/**
 * Make it, if packages have changed since it was made, or there is none. Readers see the old one or the
 * new one.
 * @param pis_made  whether it was
 * @return REPOSYNC_INTERRUPTED  a signal came
 *         other                 createrepo_c fails; the next run tries again
 */
apr_status_t reposync_metadata_make(bool *pis_made, reposync_t *sync, const reposync_place_t *place,
                                    retrace_error_t *err, apr_pool_t *p);

#endif
