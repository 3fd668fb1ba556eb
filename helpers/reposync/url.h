/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of mirrors. Pure but for memory. */
#ifndef RETRACE_REPOSYNC_URL_H
#define RETRACE_REPOSYNC_URL_H

#include <apr_pools.h>
#include <stdbool.h>

#include "lib/error.h"
#include "lib/repo_config.h"

typedef enum reposync_scheme_t {
    REPOSYNC_HTTPS,
    REPOSYNC_HTTP,
    REPOSYNC_FTP,
    REPOSYNC_FILE,
    REPOSYNC_RSYNC
} reposync_scheme_t;

typedef struct reposync_url_t {
    const char *text; /* without a '/' at its end */
    reposync_scheme_t scheme;
    bool
        is_configured; /* the file of repositories names it, no list of a server: it gets the password */
} reposync_url_t;

/**
 * Check a URL: https, http, ftp, file with an absolute path, or rsync without a password; printable, no
 * blanks, at most RETRACE_REPO_VALUE_BYTES.
 * @param url  in p, not configured; written only on success
 * @return APR_EINVAL  it is none
 */
apr_status_t reposync_url_parse(reposync_url_t *url, const char *text, retrace_error_t *err,
                                apr_pool_t *p);

/** Libcurl's list of schemes that this one may redirect to: never from https to what is not. */
const char *reposync_url_redirects(reposync_scheme_t scheme);

/** A place below it, its characters escaped for all schemes but rsync. In p. */
const char *reposync_url_join(const reposync_url_t *url, const char *href, apr_pool_t *p);

#endif
