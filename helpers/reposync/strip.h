/* SPDX-License-Identifier: Apache-2.0 */
/* A package reduced to what a retrace uses: the original lead, signature and header, and a payload of the
 * files that have build-ids. The header's signature is still good and has the digest of each file. */
#ifndef RETRACE_REPOSYNC_STRIP_H
#define RETRACE_REPOSYNC_STRIP_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

#define REPOSYNC_STRIP_MAX_FILES 500000 /* of a package */

/**
 * Is this entry of a payload kept? Pure.
 * @param path   absolute
 * @param start  of a regular file's content; NULL for a symbolic link
 */
bool reposync_strip_keeps(const char *path, const char *start, size_t length);

/**
 * Write the reduced package.
 * @param pdropped  how many files it lacks; 0: the original is as good, or smaller
 * @param to        an empty file, open for writing; not closed
 * @param from      a verified package; not closed
 * @return APR_EINVAL  the package cannot be read, or its header has no SHA-2 checksums of its files, which
 *                     workers could not check then: it must stay whole
 *         other       `to` cannot be written
 */
apr_status_t reposync_strip(int *pdropped, int to, int from, retrace_error_t *err,
                            apr_pool_t *scratch);

#endif
