/* SPDX-License-Identifier: Apache-2.0 */
/* See source.h. */
#include "helpers/task/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/coredumpctl.h"
#include "helpers/task/exit.h"
#include "helpers/task/package.h"
#include "helpers/task/problem.h"
#include "helpers/task/system.h"

#define COREDUMPCTL "coredumpctl:"

static const char *const member_names[TASK_MEMBERS] = {
    [TASK_MEMBER_EXECUTABLE] = "executable",
    [TASK_MEMBER_PACKAGE] = "package",
    [TASK_MEMBER_OS_RELEASE] = "os_release",
    [TASK_MEMBER_OS_RELEASE_IN_ROOTDIR] = "os_release_in_rootdir",
    [TASK_MEMBER_ROOTDIR] = "rootdir",
};

const char *task_member_name(task_member_t member)
{
    return member_names[member];
}

bool task_source_is_bare(const task_source_t *source)
{
    int i;

    for (i = 0; i < TASK_MEMBERS; i++) {
        if (source->members[i] != NULL) {
            return false;
        }
    }
    return true;
}

static apr_status_t close_core(void *baton)
{
    (void)close((int)(intptr_t)baton);
    return APR_SUCCESS;
}

void task_source_own(int fd, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, (void *)(intptr_t)fd, close_core, apr_pool_cleanup_null);
}

static apr_status_t open_file(task_source_t *source, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = task_core_open(&source->core, &source->packing, &source->core_bytes, AT_FDCWD,
                                     source->name, err);

    if (rv == APR_SUCCESS) {
        task_source_own(source->core, p);
    }
    return rv;
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static apr_status_t open_kind(task_source_t *source, retrace_error_t *err, apr_pool_t *p)
{
    size_t prefix = strlen(COREDUMPCTL);

    if (strncmp(source->name, COREDUMPCTL, prefix) == 0) {
        return task_coredumpctl_open(source, source->name + prefix, err, p);
    }
    return is_directory(source->name) ? task_problem_open(source, err, p)
                                      : open_file(source, err, p);
}

/* Of a core that is of this machine, as far as one can tell: a problem of ABRT has its own, and may
 * come from elsewhere. A core of which the user says nothing goes alone. */
static void add_of_this_machine(task_source_t *source, apr_pool_t *p)
{
    const char **members = source->members;

    if (members[TASK_MEMBER_PACKAGE] == NULL && members[TASK_MEMBER_EXECUTABLE] != NULL) {
        members[TASK_MEMBER_PACKAGE] = task_package_of(members[TASK_MEMBER_EXECUTABLE], p);
    }
    if (!task_source_is_bare(source) && members[TASK_MEMBER_OS_RELEASE] == NULL) {
        members[TASK_MEMBER_OS_RELEASE] = task_system_release(p);
    }
}

apr_status_t task_source_open(task_source_t *source, const char *name,
                              const task_override_t *override, retrace_error_t *err, apr_pool_t *p)
{
    task_source_t found = { .name = name, .core = -1 };
    apr_status_t rv = open_kind(&found, err, p);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < TASK_MEMBERS; i++) {
        if (override->members[i] != NULL) {
            found.members[i] = override->members[i];
            found.is_told = true;
        }
    }
    if (!is_directory(name)) {
        add_of_this_machine(&found, p);
    }
    *source = found;
    return APR_SUCCESS;
}
