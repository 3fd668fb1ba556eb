/* SPDX-License-Identifier: Apache-2.0 */
/* What a trusted program of this machine prints: `bwrap --help`, `ld.so --list`. Not for anything
 * that reads an upload: that is what sandbox.h is for. */
#ifndef RETRACE_WORKER_CAPTURE_H
#define RETRACE_WORKER_CAPTURE_H

#include <apr_pools.h>

#include "lib/error.h"

#define WORKER_CAPTURE_BYTES  (1024 * 1024) /* more than that is a failure */
#define WORKER_CAPTURE_WAIT_S 20            /* and so is a longer silence */

/**
 * Run a program with an empty environment, no input and no standard error.
 * @param ptext  its standard output, in p, NUL-terminated; written only on success
 * @param argv   argv[0] is its absolute path; NULL at the end
 * @return APR_EGENERAL  it ended with another code than 0, or printed too much
 *         other         it cannot be run, or was silent for too long
 */
apr_status_t worker_capture(const char **ptext, const char *const *argv, retrace_error_t *err,
                            apr_pool_t *p);

#endif
