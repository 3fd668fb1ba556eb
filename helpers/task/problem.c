/* SPDX-License-Identifier: Apache-2.0 */
/* See problem.h. */
#include "helpers/task/problem.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "lib/fs.h"

#define CORE        "coredump"
#define KERNEL_DUMP "vmcore"

static apr_status_t open_core(task_source_t *source, int dir, retrace_error_t *err, apr_pool_t *p)
{
    int i;

    for (i = 0; i < TASK_PACKINGS; i++) {
        const char *name = apr_pstrcat(p, CORE, task_packing_suffix((task_packing_t)i), NULL);

        if (retrace_fs_exists(dir, name)) {
            return task_core_open(&source->core, &source->packing, &source->core_bytes, dir, name,
                                  err);
        }
    }
    return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE),
                        retrace_fs_exists(dir, KERNEL_DUMP)
                            ? "%s holds a kernel dump, which this program does not send"
                            : "%s holds no core",
                        source->name);
}

static apr_status_t read_members(task_source_t *source, int dir, retrace_error_t *err,
                                 apr_pool_t *p)
{
    int i;

    for (i = 0; i < TASK_MEMBERS; i++) {
        const char *name = task_member_name((task_member_t)i);
        apr_status_t rv =
            retrace_fs_read(&source->members[i], NULL, dir, name, TASK_SMALL_MAX, err, p);

        if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

apr_status_t task_problem_open(task_source_t *source, retrace_error_t *err, apr_pool_t *p)
{
    task_source_t found = *source;
    int dir = -1;
    apr_status_t rv =
        retrace_fs_open_dir(&dir, AT_FDCWD, apr_pstrcat(p, source->name, "/", NULL), err);

    if (rv == APR_SUCCESS) {
        rv = open_core(&found, dir, err, p);
        if (rv == APR_SUCCESS) {
            task_source_own(found.core, p);
            rv = read_members(&found, dir, err, p);
        }
        (void)close(dir);
    }
    if (rv == APR_SUCCESS) {
        *source = found;
    }
    return task_exit_as(TASK_EXIT_SOURCE, rv, err);
}
