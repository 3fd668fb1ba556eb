/* SPDX-License-Identifier: Apache-2.0 */
/* What all who use libcurl here have in common. */
#ifndef RETRACE_CURL_H
#define RETRACE_CURL_H

#include <apr_pools.h>
#include <curl/curl.h>
#include <stdbool.h>

#include "lib/error.h"

/** A handle of libcurl. @param pcurl  p ends it; written only on success */
apr_status_t retrace_curl_make(CURL **pcurl, retrace_error_t *err, apr_pool_t *p);

/**
 * Only https and http, and no other URL than the one that is asked for: a redirect is an answer like
 * any other.
 * @param verify  the server's certificate, and that it is this host's
 */
void retrace_curl_guard(CURL *curl, bool verify);

/**
 * Behind retrace_curl_guard(), for who takes more: these schemes, and redirects.
 * @param schemes    of "https", "http", "ftp", "file", separated by commas
 * @param redirects  the same of what a server may redirect to; NULL: nothing
 * @param max        redirects of one transfer
 */
void retrace_curl_allow(CURL *curl, const char *schemes, const char *redirects, long max);

#endif
