/* SPDX-License-Identifier: Apache-2.0 */
/* Where the payload of an RPM package begins, and how it is compressed. */
#ifndef RETRACE_WORKER_RPM_PAYLOAD_H
#define RETRACE_WORKER_RPM_PAYLOAD_H

#include "lib/error.h"

/**
 * Find the payload behind the lead and the two headers. Its first bytes tell the compression, not the
 * header: retrace-server-reposync(8) compresses anew.
 * @param pfilter  of libarchive, as ARCHIVE_FILTER_ZSTD; ARCHIVE_FILTER_NONE for a bare cpio archive
 * @param fd       the package; stands at the payload afterwards
 * @return APR_EINVAL  it is no package, or has a compression that packages do not have
 */
apr_status_t worker_rpm_payload(int *pfilter, int fd, retrace_error_t *err);

#endif
