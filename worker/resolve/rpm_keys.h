/* SPDX-License-Identifier: Apache-2.0 */
/* The public keys of a release, from a file below GPGKeyDir. */
#ifndef RETRACE_WORKER_RPM_KEYS_H
#define RETRACE_WORKER_RPM_KEYS_H

#include <apr_pools.h>
#include <rpm/rpmkeyring.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "lib/config.h"
#include "lib/error.h"

#define WORKER_KEYS_MAX_BYTES (1024 * 1024) /* of a file of keys */

/** Must packages of this release be signed? Not those of rawhide. */
bool worker_keys_are_required(const retrace_config_t *config, const char *release);

/**
 * Add the keys of a file to a keyring, but those that were revoked. Keys that have expired are added:
 * releases outlive their keys. Whether their signatures count is up to librpm.
 * @param info  what the file was that they are from
 * @return APR_EINVAL  it holds no such key
 *         APR_EACCES  others may write it
 */
apr_status_t worker_keys_load(rpmKeyring keyring, struct stat *info, const char *path,
                              retrace_error_t *err, apr_pool_t *p);

#endif
