/* SPDX-License-Identifier: Apache-2.0 */
/* One file from an HTTP server into a descriptor, within limits of size and time. The servers are
 * those that the admin has named, which a certificate shows; what they send is not trusted. */
#ifndef RETRACE_WORKER_FETCH_H
#define RETRACE_WORKER_FETCH_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define WORKER_FETCH_CONNECT_S 10 /* until a connection is there */
#define WORKER_FETCH_STALL_S   90 /* with less than a KB per second, on average */
#define WORKER_FETCH_REDIRECTS 5

/** Keeps connections open from one file to the next. */
typedef struct worker_fetch_t worker_fetch_t;

/**
 * @param pfetch   in p, which ends it
 * @param servers  of const char *, URLs; redirects are followed to their hosts and ports
 *                 only. Must live as long as p
 */
apr_status_t worker_fetch_make(worker_fetch_t **pfetch, const apr_array_header_t *servers,
                               retrace_error_t *err, apr_pool_t *p);

/** How to reach servers, where the usual way will not do. */
typedef struct worker_fetch_access_t {
    bool is_unverified;      /* whatever certificate */
    const char *ca_file;     /* certificates to trust; NULL: this machine's */
    const char *client_cert; /* NULL: none; so are all below */
    const char *client_key;
    const char *proxy;
    const char *proxy_user; /* name, or "name:password" */
    const char *user;       /* likewise */
} worker_fetch_access_t;

/** For all that is fetched from now on. @param access  must live as long as fetch */
void worker_fetch_set_access(worker_fetch_t *fetch, const worker_fetch_access_t *access);

/**
 * Get a file. It is whole when its server says so; whether it is the right one is the caller's to
 * check.
 * @param fd         open for writing, a regular file; emptied first
 * @param max_bytes  of the file
 * @param time_ms    for all of it, redirects too
 * @return APR_NOTFOUND  the server has none (404)
 *         APR_TIMEUP    the server did not answer, or not to the end
 *         APR_EINVAL    it answered something else, more than max_bytes, or a redirect that is not
 *                       followed
 *         other         the file cannot be written
 */
apr_status_t worker_fetch_get(worker_fetch_t *fetch, int fd, const char *url, int64_t max_bytes,
                              int64_t time_ms, retrace_error_t *err, apr_pool_t *p);

/**
 * Is a redirect followed? Only to http and https, not from https to http, without a user's name, and
 * only to the host and port of one of the servers, or to https there if it has http. Pure.
 */
bool worker_fetch_may_follow(const apr_array_header_t *servers, const char *from, const char *to,
                             apr_pool_t *p);

#endif
