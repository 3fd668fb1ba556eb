/* SPDX-License-Identifier: Apache-2.0 */
/* One URL into one file, by libcurl: goes on where an earlier attempt has ended. What arrives is checked
 * by the caller. */
#ifndef RETRACE_REPOSYNC_DOWNLOAD_H
#define RETRACE_REPOSYNC_DOWNLOAD_H

#include <apr_pools.h>
#include <curl/curl.h>
#include <stdint.h>

#include "helpers/reposync/reposync.h"
#include "helpers/reposync/url.h"
#include "lib/error.h"
#include "lib/repo_config.h"

#define REPOSYNC_REDIRECTS 5    /* of one download */
#define REPOSYNC_LEAST_BPS 1024 /* a server that is slower for timeout_s is given up */

typedef struct reposync_download_t {
    CURL *curl; /* of retrace_curl_make(): connections stay open between downloads */
    reposync_t *sync;
    const retrace_repo_section_t *section; /* certificates, proxy, password */
    const char *label;                     /* for the progress line */
} reposync_download_t;

/**
 * Get a file.
 * @param fd         open for reading and writing; what it holds is taken for the beginning of the file
 * @param url        of the file itself; not rsync. The section's user name and password are sent there only
 *                   if it is configured, and to no other host that it redirects to
 * @param max_bytes  of the whole file
 * @return APR_NOTFOUND          the server does not have it
 *         APR_EINVAL            it has more than max_bytes
 *         REPOSYNC_INTERRUPTED  a signal came; what has arrived stays in the file
 *         APR_TIMEUP            the server, or the way there, fails
 *         other                 the file cannot be written
 */
apr_status_t reposync_download(const reposync_download_t *download, int fd,
                               const reposync_url_t *url, int64_t max_bytes, retrace_error_t *err);

#endif
