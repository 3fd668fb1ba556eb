/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of files as repositories tell them: SHA-1 and the SHA-2 family. MD5 proves nothing. */
#ifndef RETRACE_CHECKSUM_H
#define RETRACE_CHECKSUM_H

#include <stdbool.h>

#include "lib/error.h"

#define RETRACE_CHECKSUM_DIGITS 128 /* of the longest one */

typedef struct retrace_checksum_t {
    const char *type;                         /* static: sha1, sha256, …; NULL: none */
    char digits[RETRACE_CHECKSUM_DIGITS + 1]; /* hexadecimal, lower-case */
} retrace_checksum_t;

/**
 * Take over a checksum.
 * @param type  as repodata and metalinks spell it: "sha", "sha256", "sha-512", …
 * @return false for an unknown type, or when these are not as many digits as it has: then it is none
 */
bool retrace_checksum_parse(retrace_checksum_t *checksum, const char *type, const char *digits);

/** How many bits it has; 0 for none. The more, the better. */
int retrace_checksum_bits(const retrace_checksum_t *checksum);

/**
 * Has the file this checksum? Reads all of it, from its beginning; if it has, it is there again.
 * @return APR_EINVAL  it has another one
 *         other       it cannot be read
 */
apr_status_t retrace_checksum_verify(const retrace_checksum_t *checksum, int fd,
                                     retrace_error_t *err);

#endif
