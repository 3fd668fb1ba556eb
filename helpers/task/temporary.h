/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary files without a name: they are gone when they are closed, however the program ends. */
#ifndef RETRACE_TASK_TEMPORARY_H
#define RETRACE_TASK_TEMPORARY_H

#include "lib/error.h"

/**
 * A new file below TMPDIR, else below /var/tmp: crashes are large, and /tmp is often memory.
 * @param pfd  for reading and writing, close-on-exec; the caller closes it
 */
apr_status_t task_temporary_open(int *pfd, retrace_error_t *err);

#endif
