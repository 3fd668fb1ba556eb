/* SPDX-License-Identifier: Apache-2.0 */
/* Which of this machine's debuggers reads a core: GdbPath for cores that could have been made here,
 * for others one that knows their architecture. Asked before gdb sees a core, because one that does
 * not know it may well print a backtrace: of what it takes the bytes for. */
#ifndef RETRACE_WORKER_GDB_CHOICE_H
#define RETRACE_WORKER_GDB_CHOICE_H

#include <apr_pools.h>
#include <stdbool.h>

#include "lib/config.h"
#include "lib/error.h"

/**
 * May a gdb that was built for this machine alone be given such a core? Yes for the machine's own
 * architecture and its 32-bit one. Pure.
 * @param host  the machine, as uname(2) names it
 * @param arch  of a core, as worker_core_t names it
 */
bool worker_gdb_is_native(const char *host, const char *arch);

/** gdb's name of an architecture (`set architecture`); NULL for one that it cannot be asked for. */
const char *worker_gdb_architecture(const char *arch);

/** Does the list that `complete set architecture NAME` prints hold the name itself? Pure. */
bool worker_gdb_lists(const char *list, const char *name);

/**
 * Choose: GdbPath for a native core; else the first of GdbMultiarchPath and GdbPath that is there
 * and says that it knows the architecture. For an architecture that they cannot be asked for, the
 * first that is there.
 * @param pgdb  its path; written only on success
 * @param host, arch  as above
 * @return APR_ENOTIMPL  none knows it; err names the options
 */
apr_status_t worker_gdb_choose(const char **pgdb, const char *host, const char *arch,
                               const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p);

#endif
