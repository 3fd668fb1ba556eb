/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine knows about itself and its files. */
#ifndef RETRACE_TASK_SYSTEM_H
#define RETRACE_TASK_SYSTEM_H

#include <apr_pools.h>

/** PRETTY_NAME of /etc/os-release, in p; NULL when there is none. */
const char *task_system_release(apr_pool_t *p);

/**
 * A value in the text of an os-release file (os-release(5)), without its quotes. Pure.
 * @return in p; NULL when the key is not there
 */
const char *task_system_value(const char *text, const char *key, apr_pool_t *p);

#endif
