/* SPDX-License-Identifier: Apache-2.0 */
/* One upload from httpd's pipe to a task. Two processes: the keeper owns the directory and talks to
 * httpd, the reader sees the uploaded bytes and can do nothing but write into files that the keeper
 * has opened (lockdown.h). */
#ifndef RETRACE_INGEST_RECEIVE_H
#define RETRACE_INGEST_RECEIVE_H

#include <apr_pools.h>

#include "lib/config.h"

#define INGEST_IDLE_S 60         /* seconds without a byte: the sender is gone */
#define INGEST_WALL_S (6 * 3600) /* seconds for one upload in all */
#define INGEST_CPU_S  60         /* RLIMIT_CPU of the reader, seconds, … */
#define INGEST_CPU_MB 8          /* … and one more for each so many MB of MaxUnpackedSize */
#define INGEST_MEMORY (512UL * 1024 * 1024) /* RLIMIT_AS of the reader, bytes */

/**
 * Serve one upload: reads `in`, writes the reply lines to `out` (architecture: `go` or a refusal,
 * then `201 <id> <password> <estimate>` or a refusal).
 * @return 0 when the protocol was kept to the end, whatever the verdict; 111 when it could not be
 */
int ingest_receive(int in, int out, const retrace_config_t *config, apr_pool_t *p);

#endif
