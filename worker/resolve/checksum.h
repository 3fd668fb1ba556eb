/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a file is the one that metadata name. */
#ifndef RETRACE_WORKER_CHECKSUM_H
#define RETRACE_WORKER_CHECKSUM_H

#include "lib/error.h"
#include "worker/resolve/repomd.h"

/**
 * Compare a file with its checksum, from its beginning; then it is at its beginning again.
 * @return APR_EINVAL  it is another file
 *         other       it cannot be read
 */
apr_status_t worker_checksum_verify(int fd, const worker_checksum_t *checksum,
                                    retrace_error_t *err);

#endif
