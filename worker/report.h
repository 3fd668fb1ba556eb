/* SPDX-License-Identifier: Apache-2.0 */
/* The text that the client gets: what crashed and why, its threads, their backtraces, its files and
 * what was missing, registers and code around the crash. Pure but for memory. */
#ifndef RETRACE_WORKER_REPORT_H
#define RETRACE_WORKER_REPORT_H

#include <apr_pools.h>

#include "worker/claims.h"
#include "worker/core.h"
#include "worker/debugger_gdb.h"

/**
 * The whole report.
 * @param resolved  of worker_resolved_t
 * @return in p, valid UTF-8, ends with a newline
 */
const char *worker_report(const worker_core_t *core, const worker_claims_t *claims,
                          const apr_array_header_t *resolved, const worker_gdb_output_t *gdb,
                          apr_pool_t *p);

#endif
