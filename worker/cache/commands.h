/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of retrace-server-cache. */
#ifndef RETRACE_WORKER_CACHE_COMMANDS_H
#define RETRACE_WORKER_CACHE_COMMANDS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/cache_entries.h"

#define CACHE_EXIT_REFUSED 1 /* told on standard output */
#define CACHE_EXIT_USAGE   100
#define CACHE_EXIT_SYSTEM  111

#define CACHE_NO_SIZE (-1)

/** What is asked for, and what it is asked of. */
typedef struct cache_request_t {
    const retrace_config_t *config;
    const char *build_id; /* of `remove` */
    int64_t size_mb;      /* of `trim`; CACHE_NO_SIZE: by CacheSize */
    bool json;
    int top; /* descriptor of CacheDir */
    worker_cache_hold_t *hold;
    apr_pool_t *pool;
} cache_request_t;

/**
 * Each writes to standard output.
 * @param pcode  the exit code; written only on success
 * @return when the cache cannot be looked at; err says why
 */
apr_status_t cache_show(int *pcode, const cache_request_t *request, retrace_error_t *err);
apr_status_t cache_list(int *pcode, const cache_request_t *request, retrace_error_t *err);
apr_status_t cache_trim(int *pcode, const cache_request_t *request, retrace_error_t *err);
apr_status_t cache_remove(int *pcode, const cache_request_t *request, retrace_error_t *err);
apr_status_t cache_verify(int *pcode, const cache_request_t *request, retrace_error_t *err);

#endif
