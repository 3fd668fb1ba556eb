/* SPDX-License-Identifier: Apache-2.0 */
/* X-CoreFileDirectory: an upload that is on this machine already, the only file of a directory that
 * the client names. */
#ifndef RETRACE_INGEST_EXTERNAL_H
#define RETRACE_INGEST_EXTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "worker/ingest/refusal.h"
#include "worker/ingest/request.h"

/**
 * Open that file: below one of the ExternalDirs, without a symbolic link on the way (openat2(2)),
 * and only with AllowExternalDir. What it begins with must fit the content type.
 * @param pfd      for reading, close-on-exec; the caller closes it. Written only on success
 * @param plength  its size at this moment; written only on success
 * @param refusal  says why not: 403, 404, 409, 413, 501, or 500 for what is the server's failure
 */
bool ingest_external_open(int *pfd, int64_t *plength, ingest_refusal_t *refusal,
                          const ingest_request_t *request, const retrace_config_t *config);

#endif
