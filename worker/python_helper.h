/* SPDX-License-Identifier: Apache-2.0 */
/* CPython's helper for gdb, as a distribution packages it: the one that belongs to the Python of a
 * core, if this machine has it and nobody but root can have written it. */
#ifndef RETRACE_WORKER_PYTHON_HELPER_H
#define RETRACE_WORKER_PYTHON_HELPER_H

#include <apr_pools.h>

#include "lib/error.h"
#include "worker/core.h"

/** "3.11" for python3.11, libpython3.11.so.1.0, python3.11d-gdb.py and the like; NULL for any other
 * name. Pure. */
const char *worker_python_version_of(const char *name, apr_pool_t *p);

/** The version of the Python that a core is of; NULL when it is of none. Pure. */
const char *worker_python_version(const worker_core_t *core, apr_pool_t *p);

/**
 * Find the helper of a version. Code of another version would read the wrong fields.
 * @param ppath    real path, in p; written only on success
 * @param pattern  glob(7), with alternatives in braces; of several the last one counts
 * @return APR_NOTFOUND  there is none of this version
 *         APR_EINVAL    there is, but it or a directory above it is not root's alone to write
 */
apr_status_t worker_python_helper(const char **ppath, const char *pattern, const char *version,
                                  retrace_error_t *err, apr_pool_t *p);

#endif
