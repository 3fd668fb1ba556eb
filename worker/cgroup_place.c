/* SPDX-License-Identifier: Apache-2.0 */
/* Which control groups this machine has, and where ours may be made (see cgroup_private.h).
 * v2 is mounted at the root itself, or beside v1's controllers in its directory "unified"; there it
 * is of use only if it has the controllers. */
#include "worker/cgroup_private.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_GROUP   "/proc/self/cgroup"
#define SUPERVISORS "supervisors" /* group of the processes that make groups, see make_room */

const worker_cgroup_kind_t worker_cgroup_v1 = {
    .controllers = { "memory", "pids", "freezer" },
    .memory_limit = "memory.limit_in_bytes",
    .memory_no_swap = "memory.memsw.limit_in_bytes",
    .memory_peak = "memory.max_usage_in_bytes",
    .oom_counts = "memory.oom_control",
};

const worker_cgroup_kind_t worker_cgroup_v2 = {
    .controllers = { "" },
    .memory_limit = "memory.max",
    .memory_no_swap = "memory.swap.max",
    .memory_no_swap_value = "0",
    .memory_peak = "memory.peak",
    .oom_counts = "memory.events",
    .oom_together = "memory.oom.group",
    .kill = "cgroup.kill",
};

bool worker_cgroup_write(int dir, const char *name, const char *value)
{
    size_t length = strlen(value);
    int fd = openat(dir, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool done;

    if (fd < 0) {
        return false;
    }
    done = write(fd, value, length) == (ssize_t)length;
    return close(fd) == 0 && done;
}

bool worker_cgroup_read(char *text, size_t size, int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return false;
    }
    got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got >= 0;
}

bool worker_cgroup_has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    const char *at = words;

    while (*at != '\0') {
        size_t here = strcspn(at, " \n");

        if (here == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at += here + strspn(at + here, " \n");
    }
    return false;
}

static bool has_controllers(const char *dir, const char *name, apr_pool_t *p)
{
    char words[512];

    return worker_cgroup_read(words, sizeof(words), AT_FDCWD, apr_pstrcat(p, dir, "/", name, NULL))
        && worker_cgroup_has_word(words, "memory") && worker_cgroup_has_word(words, "pids");
}

static bool enable_controllers(const char *dir, apr_pool_t *p)
{
    return has_controllers(dir, "cgroup.subtree_control", p)
        || worker_cgroup_write(AT_FDCWD, apr_pstrcat(p, dir, "/cgroup.subtree_control", NULL),
                               "+memory +pids");
}

/* A v2 group with processes of its own cannot hand controllers down, and under a service with
 * Delegate=yes ours are in it: they move to a group beside those of the tasks. */
static void make_room(const char *dir, apr_pool_t *p)
{
    const char *aside = apr_pstrcat(p, dir, "/" SUPERVISORS, NULL);
    const char *procs = apr_pstrcat(p, aside, "/cgroup.procs", NULL);
    char *words = apr_palloc(p, 16384);
    char *state = NULL;
    const char *pid;

    if (mkdir(aside, 0755) != 0 && errno != EEXIST) {
        return;
    }
    if (worker_cgroup_read(words, 16384, AT_FDCWD, apr_pstrcat(p, dir, "/cgroup.procs", NULL))) {
        for (pid = apr_strtok(words, "\n", &state); pid != NULL;
             pid = apr_strtok(NULL, "\n", &state)) {
            worker_cgroup_write(AT_FDCWD, procs, pid);
        }
    }
}

/* The path of this process's group in v2; NULL when there is none that could be used. */
static const char *own_group(apr_pool_t *p)
{
    static const char aside[] = "/" SUPERVISORS;
    char *text = apr_palloc(p, 8192);
    char *line;
    size_t length;

    if (!worker_cgroup_read(text, 8192, AT_FDCWD, OWN_GROUP)) {
        return NULL;
    }
    line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (line == NULL) {
        return NULL;
    }
    line = strchr(line, '/');
    line[strcspn(line, "\n")] = '\0';
    length = strlen(line);
    if (length >= sizeof(aside) && strcmp(line + length - (sizeof(aside) - 1), aside) == 0) {
        line[length - (sizeof(aside) - 1)] = '\0';
    }
    return strcmp(line, "/") == 0 ? NULL : line;
}

static apr_status_t find_v2(worker_cgroup_place_t *place, const char *root, const char *path,
                            retrace_error_t *err, apr_pool_t *p)
{
    const char *group = path != NULL && path[0] != '\0' ? path : own_group(p);
    const char *dir;

    if (group == NULL) {
        return retrace_fail(err, APR_ENOTIMPL, "this process has no control group of its own");
    }
    dir = apr_pstrcat(p, root, group, NULL);
    if (access(dir, W_OK | X_OK) != 0) {
        return retrace_fail(err, APR_ENOTIMPL, "control group %s is not ours", dir);
    }
    if (!has_controllers(dir, "cgroup.controllers", p)) {
        return retrace_fail(err, APR_ENOTIMPL,
                            "control group %s has no memory and pids controllers", dir);
    }
    if (!enable_controllers(dir, p)) {
        make_room(dir, p);
        if (!enable_controllers(dir, p)) {
            return retrace_fail(err, APR_ENOTIMPL,
                                "control group %s cannot hand its controllers down", dir);
        }
    }
    place->kind = &worker_cgroup_v2;
    place->parents[CGROUP_MEMORY] = dir;
    return APR_SUCCESS;
}

static apr_status_t find_v1(worker_cgroup_place_t *place, const char *root, const char *path,
                            retrace_error_t *err, apr_pool_t *p)
{
    int i;

    if (path == NULL || path[0] == '\0') {
        return retrace_fail(err, APR_ENOTIMPL, "control groups of version 1 need a CgroupPath");
    }
    for (i = 0; i < CGROUP_DIRS; i++) {
        const char *dir = apr_pstrcat(p, root, "/", worker_cgroup_v1.controllers[i], path, NULL);

        place->parents[i] = access(dir, W_OK | X_OK) == 0 ? dir : NULL;
        if (place->parents[i] == NULL && i != CGROUP_FREEZER) {
            return retrace_fail(err, APR_ENOTIMPL, "control group %s is not ours", dir);
        }
    }
    place->kind = &worker_cgroup_v1;
    return APR_SUCCESS;
}

apr_status_t worker_cgroup_find(worker_cgroup_place_t *place, const char *root, const char *path,
                                retrace_error_t *err, apr_pool_t *p)
{
    const char *beside = apr_pstrcat(p, root, "/unified", NULL);

    memset(place, 0, sizeof(*place));
    if (path != NULL && path[0] != '\0' && (path[0] != '/' || strstr(path, "/..") != NULL)) {
        return retrace_fail(err, APR_ENOTIMPL, "%s is not the path of a control group", path);
    }
    if (access(apr_pstrcat(p, root, "/cgroup.controllers", NULL), F_OK) == 0) {
        return find_v2(place, root, path, err, p);
    }
    if (has_controllers(beside, "cgroup.controllers", p)) {
        return find_v2(place, beside, path, err, p);
    }
    return find_v1(place, root, path, err, p);
}
