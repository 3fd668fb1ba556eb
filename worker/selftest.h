/* SPDX-License-Identifier: Apache-2.0 */
/* Can this machine make a sandbox at all, or with RetraceEnvironment = mock, run mock? Asked once per
 * boot, so that an admin reads one sentence in the spool instead of a failure per task. */
#ifndef RETRACE_WORKER_SELFTEST_H
#define RETRACE_WORKER_SELFTEST_H

#include <apr_pools.h>

#include "lib/config.h"
#include "lib/error.h"

/**
 * Try the sandbox, and leave the answer in SaveDir: `sandbox_ok` with the boot's id, or the
 * sentence in `dispatcher_error`.
 * @return as worker_sandbox_check or worker_mock_check
 */
apr_status_t worker_selftest(const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p);

#endif
