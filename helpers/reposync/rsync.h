/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an rsync server, by the real rsync(1). What arrives is checked by the caller; nothing is ever
 * deleted here. */
#ifndef RETRACE_REPOSYNC_RSYNC_H
#define RETRACE_REPOSYNC_RSYNC_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "helpers/reposync/url.h"
#include "lib/error.h"

#define REPOSYNC_RSYNC_MAX_S 86400 /* of one run */
#define REPOSYNC_RSYNC_BATCH 500   /* files of one run */

/**
 * Get one file to .sync/<name>; what is there is its beginning.
 * @param max_bytes  larger files are left out
 * @return REPOSYNC_INTERRUPTED  a signal came
 *         APR_TIMEUP            rsync fails, or the server does
 */
apr_status_t reposync_rsync_file(reposync_t *sync, const reposync_place_t *place,
                                 const reposync_url_t *url, const char *href, const char *name,
                                 int64_t max_bytes, retrace_error_t *err, apr_pool_t *scratch);

/**
 * Get many files to .sync/rsync/<last part of the place>; those that are not there are told by their
 * absence.
 * @param hrefs      of const char *, at most REPOSYNC_RSYNC_BATCH
 * @param max_bytes  of the largest one; what is larger is left out
 * @return as above; some may be there all the same
 */
apr_status_t reposync_rsync_files(reposync_t *sync, const reposync_place_t *place,
                                  const reposync_url_t *url, const apr_array_header_t *hrefs,
                                  int64_t max_bytes, retrace_error_t *err, apr_pool_t *scratch);

/** Take such a file over as .sync/<part>. @return false when it is not there */
bool reposync_rsync_take(const reposync_place_t *place, const char *name, const char *part,
                         apr_pool_t *scratch);

#endif
