/* SPDX-License-Identifier: Apache-2.0 */
/* A control group of one task below the group that the admin handed over (option CgroupPath):
 * memory and processes limited, everything in it killed at once. cgroup v2 where it has the
 * controllers, else v1, else none. See cgroups(7). */
#ifndef RETRACE_WORKER_CGROUP_H
#define RETRACE_WORKER_CGROUP_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define WORKER_CGROUP_ROOT "/sys/fs/cgroup"

typedef struct worker_cgroup_t worker_cgroup_t;

/**
 * Make the group `<root>[/<controller>]<path>/<name>`, replacing one that a dead worker left.
 * @param pgroup  in p; written only on success; gone with worker_cgroup_destroy or with p
 * @param root    WORKER_CGROUP_ROOT (tests have their own)
 * @param path    CgroupPath, absolute; NULL or empty: this process's own group (v2 only, from
 *                /proc/self/cgroup), as under a service with Delegate=yes
 * @return APR_ENOTIMPL  there is no group that this user may use; err says why
 */
apr_status_t worker_cgroup_create(worker_cgroup_t **pgroup, const char *root, const char *path,
                                  const char *name, int64_t memory_bytes, unsigned int processes,
                                  retrace_error_t *err, apr_pool_t *p);

/** Move a process (a fresh child of ours) into the group. Async-signal-safe: may be called between
 * fork and exec, with 0 for the caller itself. */
bool worker_cgroup_enter(const worker_cgroup_t *group, pid_t pid);

/** Has the out-of-memory killer struck in it? */
bool worker_cgroup_was_oom(const worker_cgroup_t *group);

/** The most memory that it has used, bytes; -1 unknown. */
int64_t worker_cgroup_peak_bytes(const worker_cgroup_t *group);

/** Kill whatever is in it (SIGKILL) and remove it. */
void worker_cgroup_destroy(worker_cgroup_t *group);

#endif
