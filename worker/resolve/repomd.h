/* SPDX-License-Identifier: Apache-2.0 */
/* repomd.xml: which files the metadata of a repository consists of. Nothing of it is signed: what it
 * leads to is checked before it is used. */
#ifndef RETRACE_WORKER_REPOMD_H
#define RETRACE_WORKER_REPOMD_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/checksum.h"
#include "lib/error.h"

#define WORKER_REPOMD_MAX_BYTES (1024 * 1024)
#define WORKER_LOCATION_MAX     512 /* bytes of a path below the repository */

/** Is this a path below the repository: relative, plain (worker/path.h), without names that begin with
 * a dot? */
bool worker_location_is_plain(const char *location);

/** One file of the metadata. */
typedef struct worker_repomd_file_t {
    const char *location; /* below the repository; NULL: repomd.xml has none */
    retrace_checksum_t checksum;
} worker_repomd_file_t;

typedef struct worker_repomd_t {
    worker_repomd_file_t primary;
    worker_repomd_file_t filelists;
} worker_repomd_t;

/**
 * Read repomd.xml.
 * @param prepomd  in p; written only on success, with both files
 * @return APR_EINVAL  it is damaged, or names no primary or no filelists that can be used
 */
apr_status_t worker_repomd_parse(worker_repomd_t **prepomd, const char *text, size_t length,
                                 retrace_error_t *err, apr_pool_t *p);

#endif
