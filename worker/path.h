/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that come from a core or from a file that it led to. Pure: nothing is looked up. */
#ifndef RETRACE_WORKER_PATH_H
#define RETRACE_WORKER_PATH_H

#include <apr_pools.h>
#include <stdbool.h>

/** Absolute, at most 4095 bytes, printable, and without empty, "." and ".." components. */
bool worker_path_is_plain(const char *path);

/** Is a plain path below this directory? "/usr2" is not below "/usr". */
bool worker_path_is_below(const char *path, const char *directory);

/** The directory of a plain path, "/" for one at the top, in p. */
const char *worker_path_directory(const char *path, apr_pool_t *p);

/** What follows the last '/'. */
const char *worker_path_name(const char *path);

/**
 * A relative path as seen from a directory, with "." and ".." worked out by name.
 * @return in p; not plain when it climbs above the root
 */
const char *worker_path_join(const char *directory, const char *relative, apr_pool_t *p);

#endif
