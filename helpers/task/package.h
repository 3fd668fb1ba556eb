/* SPDX-License-Identifier: Apache-2.0 */
/* Which package a program of this machine belongs to, by rpm(8) or dpkg-query(1). */
#ifndef RETRACE_TASK_PACKAGE_H
#define RETRACE_TASK_PACKAGE_H

#include <apr_pools.h>

/**
 * Ask the package manager that is here.
 * @param path  absolute
 * @return name-[epoch:]version-release, in p; NULL when nobody knows
 */
const char *task_package_of(const char *path, apr_pool_t *p);

#endif
