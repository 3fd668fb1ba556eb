/* SPDX-License-Identifier: Apache-2.0 */
/* repomd.xml: which files the metadata of a repository consists of. Nothing of it is signed: what it
 * leads to is checked before it is used. */
#ifndef RETRACE_WORKER_REPOMD_H
#define RETRACE_WORKER_REPOMD_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define WORKER_REPOMD_MAX_BYTES (1024 * 1024)
#define WORKER_CHECKSUM_HEX_MAX 128 /* digits: sha512 */
#define WORKER_LOCATION_MAX     512 /* bytes of a path below the repository */

/** A checksum as metadata name it: of one of the types below, lower-case hexadecimal. */
typedef struct worker_checksum_t {
    const char *type; /* sha256, sha512, sha384, sha224, sha1 */
    const char *hex;
} worker_checksum_t;

/** Is this a checksum of a known type, with as many digits? `sha` is taken for sha1. Pure.
 * @param checksum  in p; written only on success */
bool worker_checksum_parse(worker_checksum_t *checksum, const char *type, const char *hex,
                           apr_pool_t *p);

/** Is this a path below the repository: relative, plain (worker/path.h), without names that begin with
 * a dot? */
bool worker_location_is_plain(const char *location);

/** One file of the metadata. */
typedef struct worker_repomd_file_t {
    const char *location; /* below the repository; NULL: repomd.xml has none */
    worker_checksum_t checksum;
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
