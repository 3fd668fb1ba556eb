/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of mirrors: a mirrorlist has a URL a line, a metalink (version 3 or RFC 5854) has those of
 * repomd.xml and its checksums. Pure but for memory. */
#ifndef RETRACE_REPOSYNC_MIRRORS_H
#define RETRACE_REPOSYNC_MIRRORS_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "helpers/reposync/url.h"
#include "lib/checksum.h"
#include "lib/error.h"

#define REPOSYNC_MIRRORS_MAX_BYTES (1024 * 1024) /* of a list */
#define REPOSYNC_MIRRORS_MAX       200           /* that are looked at */
#define REPOSYNC_MIRRORS_MAX_SUMS  64            /* checksums of repomd.xml, old ones too */

/** @param urls  of reposync_url_t, in the order in which they are tried */
typedef struct reposync_mirrors_t {
    apr_array_header_t *urls;
    apr_array_header_t *checksums; /* of retrace_checksum_t: repomd.xml must have one; none: any */
} reposync_mirrors_t;

/** Nothing yet, in p. */
reposync_mirrors_t *reposync_mirrors_make(apr_pool_t *p);

/** Add those of a mirrorlist; lines that are no URLs, or those of files, are left out.
 * @return APR_EINVAL  it has none */
apr_status_t reposync_mirrors_add_list(reposync_mirrors_t *mirrors, const char *text,
                                       retrace_error_t *err, apr_pool_t *p);

/** Add those of a metalink, but files, the preferred ones first.
 * @return APR_EINVAL  it is malformed, or has no SHA checksum of repomd.xml: then nothing is added; or it
 *                     has no URL: then its checksums count */
apr_status_t reposync_mirrors_add_metalink(reposync_mirrors_t *mirrors, const char *text,
                                           retrace_error_t *err, apr_pool_t *p);

#endif
