/* SPDX-License-Identifier: Apache-2.0 */
/* A crash on this machine: its core, and what is known about it. */
#ifndef RETRACE_TASK_SOURCE_H
#define RETRACE_TASK_SOURCE_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/task/core.h"
#include "lib/error.h"

#define TASK_SMALL_MAX (100 * 1024) /* bytes of what is known: what servers take */

/** What may be known beside the core; the order is that in an upload. */
typedef enum task_member_t {
    TASK_MEMBER_EXECUTABLE,
    TASK_MEMBER_PACKAGE,
    TASK_MEMBER_OS_RELEASE,
    TASK_MEMBER_OS_RELEASE_IN_ROOTDIR,
    TASK_MEMBER_ROOTDIR,
    TASK_MEMBERS /* how many */
} task_member_t;

typedef struct task_source_t {
    const char *name; /* as the user knows it */
    int core;         /* at its start; -1 before it is open. Closed by the pool */
    int64_t core_bytes;
    task_packing_t packing;
    const char *members[TASK_MEMBERS]; /* NULL: not known */
    bool is_told;                      /* the user says something of it */
} task_source_t;

/** What the user says instead of what is found; NULL: nothing. */
typedef struct task_override_t {
    const char *members[TASK_MEMBERS];
} task_override_t;

/** The name of a member, in an upload and in a problem directory. */
const char *task_member_name(task_member_t member);

/** Is nothing known but the core? */
bool task_source_is_bare(const task_source_t *source);

/**
 * Open what the user names: a core file, a problem directory, or "coredumpctl:MATCH".
 * @param source  written only on success; in p, which closes the core
 * @return TASK_STATUS(TASK_EXIT_SOURCE) when it cannot be used
 */
apr_status_t task_source_open(task_source_t *source, const char *name,
                              const task_override_t *override, retrace_error_t *err, apr_pool_t *p);

/** Let the pool close a descriptor. */
void task_source_own(int fd, apr_pool_t *p);

#endif
