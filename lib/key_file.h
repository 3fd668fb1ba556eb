/* SPDX-License-Identifier: Apache-2.0 */
/* Which file of GPGKeyDir holds the public keys of a release. */
#ifndef RETRACE_KEY_FILE_H
#define RETRACE_KEY_FILE_H

#include <apr_pools.h>

#include "lib/error.h"

/**
 * Find the file of keys of a release: `<distribution>-<version>`, else `<distribution>`.
 * @param ppath    in p; written only on success
 * @param release  name of the release's directory
 * @return APR_ENOENT  there is neither
 *         any other   whether there is one cannot be told
 */
apr_status_t retrace_key_file_find(const char **ppath, const char *gpg_key_dir, const char *release,
                                   retrace_error_t *err, apr_pool_t *p);

#endif
