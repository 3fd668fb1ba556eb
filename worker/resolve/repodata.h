/* SPDX-License-Identifier: Apache-2.0 */
/* What the metadata of a repository (primary.xml, filelists.xml) say about packages and their build-ids,
 * collected in memory. The path of a file in its package is not among it: links are there without
 * their targets. */
#ifndef RETRACE_WORKER_REPODATA_H
#define RETRACE_WORKER_REPODATA_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/repodata.h"
#include "worker/resolve/source.h"

#define WORKER_REPODATA_MAX_KEYS (8 * 1000 * 1000)
#define WORKER_BUILD_ID_DIGITS   128

/** The files that metadata consist of. */
typedef struct worker_repomd_t {
    retrace_repodata_list_t primary;
    retrace_repodata_list_t filelists;
} worker_repomd_t;

/**
 * Read repomd.xml. Nothing of it is signed: what it leads to is checked before it is used.
 * @param prepomd  in p; written only on success, with both files
 * @return APR_EINVAL  it is damaged, or names no primary or no filelists that can be used
 */
apr_status_t worker_repomd_parse(worker_repomd_t **prepomd, const char *text, size_t length,
                                 retrace_error_t *err, apr_pool_t *p);

/** A package as primary.xml names it. */
typedef struct worker_remote_t {
    const char *name;
    const char *epoch; /* digits; "" for none */
    const char *version;
    const char *release;
    const char *arch;
    const char *source;   /* name of its source package; "" unknown */
    const char *location; /* below the repository, plain */
    retrace_checksum_t checksum;
    int64_t size; /* bytes */
} worker_remote_t;

/** A file that can be looked for, in a package. */
typedef struct worker_remote_key_t {
    const unsigned char *key; /* bytes of a build-id; of a dwz file its name */
    unsigned short length;
    unsigned short kind; /* worker_file_kind_t; debug information may turn out to be a dwz file */
    int package;         /* its place in `packages` */
} worker_remote_key_t;

typedef struct worker_repodata_t {
    apr_array_header_t *packages; /* of worker_remote_t: those that are new */
    apr_array_header_t *keys;     /* of worker_remote_key_t: of these packages, not sorted */
    apr_hash_t *kept;             /* checksum → anything: packages that were known before */
    int skipped;                  /* packages whose location is not a plain path */
    const apr_hash_t *known;
    apr_hash_t *by_checksum; /* checksum → int *: place in `packages`, + 1 */
    apr_pool_t *pool;
} worker_repodata_t;

/**
 * @param known  checksum → location of packages that are known already: they are not collected again.
 *               Must live as long as p
 */
worker_repodata_t *worker_repodata_make(const apr_hash_t *known, apr_pool_t *p);

/**
 * Collect from primary.xml; then from filelists.xml.
 * @param fd  packed or not, from its beginning
 * @return APR_EINVAL  damaged, or more than a limit allows
 */
apr_status_t worker_repodata_primary(worker_repodata_t *data, int fd, retrace_error_t *err);
apr_status_t worker_repodata_filelists(worker_repodata_t *data, int fd, retrace_error_t *err);

/** In the order of their keys, for the index; none is there twice. */
void worker_repodata_sort(worker_repodata_t *data);

/** A build-id's bytes. @return how many, 0 when it is none. @param bytes  WORKER_BUILD_ID_DIGITS / 2 */
size_t worker_build_id_bytes(unsigned char *bytes, const char *hex);

/**
 * Load the metadata of a repository.
 * @param pdata       in p; written only on success
 * @param repository  its directory, open
 * @return APR_EINVAL  a file is damaged, another one than repomd.xml says, or exceeds a limit
 *         other       a file cannot be read
 */
apr_status_t worker_repodata_load(worker_repodata_t **pdata, int repository,
                                  const worker_repomd_t *repomd, const apr_hash_t *known,
                                  retrace_error_t *err, apr_pool_t *p);

#endif
