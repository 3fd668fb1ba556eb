/* SPDX-License-Identifier: Apache-2.0 */
/* See cgroup.h: the group of one task from its making to its removal, for both kinds of
 * cgroup_private.h. */
#include "worker/cgroup_private.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCS     "cgroup.procs"
#define KILL_MS   2000 /* how long killed processes may take to be gone */
#define KILL_STEP 2

struct worker_cgroup_t {
    const worker_cgroup_kind_t *kind;
    const char *name;
    int parents[CGROUP_DIRS]; /* -1 where there is none */
    int dirs[CGROUP_DIRS];
    int procs[CGROUP_DIRS]; /* of the groups, open for writing: see worker_cgroup_enter */
    int64_t earlier_ooms;
    apr_pool_t *pool;
};

static void close_all(int *fds)
{
    int i;

    for (i = 0; i < CGROUP_DIRS; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
}

/* Signal every process of the group. @return how many there were */
static int kill_listed(int dir)
{
    char text[16384];
    const char *at = text;
    char *end;
    int count = 0;

    if (dir < 0 || !worker_cgroup_read(text, sizeof(text), dir, PROCS)) {
        return 0;
    }
    for (;;) {
        long pid = strtol(at, &end, 10);

        if (end == at) {
            return count;
        }
        at = end;
        /* 0 stands for a process of a foreign namespace, and would mean ourselves to kill(2). */
        if (pid > 1 && pid != (long)getpid()) {
            kill((pid_t)pid, SIGKILL);
            count++;
        }
    }
}

static int kill_once(const worker_cgroup_t *group)
{
    int count = 0;
    int i;

    if (group->kind->kill != NULL && group->dirs[CGROUP_MEMORY] >= 0) {
        worker_cgroup_write(group->dirs[CGROUP_MEMORY], group->kind->kill, "1");
    }
    for (i = 0; i < CGROUP_DIRS; i++) {
        count += kill_listed(group->dirs[i]);
    }
    return count;
}

/* A fork bomb is faster than reading a list of its processes: in v1 it is frozen for that time. */
static void kill_all(const worker_cgroup_t *group)
{
    const struct timespec step = { 0, KILL_STEP * 1000000 };
    int freezer = group->dirs[CGROUP_FREEZER];
    int waited;

    for (waited = 0; waited < KILL_MS; waited += KILL_STEP) {
        int count;

        if (freezer >= 0) {
            worker_cgroup_write(freezer, "freezer.state", "FROZEN");
        }
        count = kill_once(group);
        if (freezer >= 0) {
            worker_cgroup_write(freezer, "freezer.state", "THAWED");
        }
        if (count == 0) {
            return;
        }
        nanosleep(&step, NULL);
    }
}

/* A process leaves the list a moment before its group may go. */
static void remove_dirs(const worker_cgroup_t *group)
{
    const struct timespec step = { 0, KILL_STEP * 1000000 };
    int i;

    for (i = 0; i < CGROUP_DIRS; i++) {
        int waited = 0;

        while (group->parents[i] >= 0 && waited < KILL_MS
               && unlinkat(group->parents[i], group->name, AT_REMOVEDIR) != 0 && errno == EBUSY) {
            nanosleep(&step, NULL);
            waited += KILL_STEP;
        }
    }
}

static void open_dirs(worker_cgroup_t *group)
{
    int i;

    for (i = 0; i < CGROUP_DIRS; i++) {
        if (group->parents[i] >= 0) {
            group->dirs[i] = openat(group->parents[i], group->name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
    }
}

static void remove_old(worker_cgroup_t *group)
{
    open_dirs(group);
    kill_all(group);
    close_all(group->dirs);
    remove_dirs(group);
}

static apr_status_t open_parents(worker_cgroup_t *group, const worker_cgroup_place_t *place,
                                 retrace_error_t *err)
{
    int i;

    for (i = 0; i < CGROUP_DIRS; i++) {
        if (place->parents[i] == NULL) {
            continue;
        }
        group->parents[i] = open(place->parents[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group->parents[i] < 0) {
            return retrace_fail(err, APR_ENOTIMPL, "cannot open control group %s: errno %d",
                                place->parents[i], errno);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t make_dirs(worker_cgroup_t *group, retrace_error_t *err)
{
    int i;

    for (i = 0; i < CGROUP_DIRS; i++) {
        if (group->parents[i] < 0) {
            continue;
        }
        /* One that could not be removed is used again. */
        if (mkdirat(group->parents[i], group->name, 0755) != 0 && errno != EEXIST) {
            return retrace_fail(err, APR_ENOTIMPL, "cannot make control group %s: errno %d",
                                group->name, errno);
        }
    }
    open_dirs(group);
    for (i = 0; i < CGROUP_DIRS; i++) {
        if (group->parents[i] < 0) {
            continue;
        }
        group->procs[i] = openat(group->dirs[i], PROCS, O_WRONLY | O_CLOEXEC);
        if (group->procs[i] < 0) {
            return retrace_fail(err, APR_ENOTIMPL, "cannot use control group %s: errno %d",
                                group->name, errno);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t set_limits(const worker_cgroup_t *group, int64_t memory_bytes,
                               unsigned int processes, retrace_error_t *err)
{
    const worker_cgroup_kind_t *kind = group->kind;
    int memory = group->dirs[CGROUP_MEMORY];
    int pids = group->dirs[CGROUP_PIDS] >= 0 ? group->dirs[CGROUP_PIDS] : memory;
    char bytes[32];
    char count[32];

    snprintf(bytes, sizeof(bytes), "%lld", (long long)memory_bytes);
    snprintf(count, sizeof(count), "%u", processes);
    if (memory_bytes > 0 && !worker_cgroup_write(memory, kind->memory_limit, bytes)) {
        return retrace_fail(err, APR_ENOTIMPL, "cannot limit the memory of control group %s",
                            group->name);
    }
    if (processes > 0 && !worker_cgroup_write(pids, "pids.max", count)) {
        return retrace_fail(err, APR_ENOTIMPL, "cannot limit the processes of control group %s",
                            group->name);
    }
    /* Swap accounting and common death are not there on every kernel. */
    if (memory_bytes > 0) {
        worker_cgroup_write(memory, kind->memory_no_swap,
                            kind->memory_no_swap_value != NULL ? kind->memory_no_swap_value
                                                               : bytes);
    }
    if (kind->oom_together != NULL) {
        worker_cgroup_write(memory, kind->oom_together, "1");
    }
    return APR_SUCCESS;
}

/* Being allowed to write the file is not all: v2 also looks at where the process comes from. */
static apr_status_t try_to_enter(const worker_cgroup_t *group, retrace_error_t *err)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(worker_cgroup_enter(group, 0) ? 0 : 1);
    }
    if (pid < 0) {
        return retrace_fail(err, errno, "start a process");
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        return retrace_fail(err, APR_ENOTIMPL, "cannot move a process to control group %s",
                            group->name);
    }
    return APR_SUCCESS;
}

static int64_t count_ooms(const worker_cgroup_t *group)
{
    char text[1024];
    const char *at;

    if (!worker_cgroup_read(text, sizeof(text), group->dirs[CGROUP_MEMORY],
                            group->kind->oom_counts)) {
        return 0;
    }
    for (at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, "oom_kill ", 9) == 0) {
            return strtoll(at + 9, NULL, 10);
        }
    }
    return 0;
}

static apr_status_t clean_up(void *data)
{
    worker_cgroup_t *group = data;

    kill_all(group);
    close_all(group->procs);
    close_all(group->dirs);
    remove_dirs(group);
    close_all(group->parents);
    return APR_SUCCESS;
}

static worker_cgroup_t *make_group(const worker_cgroup_kind_t *kind, const char *name,
                                   apr_pool_t *p)
{
    worker_cgroup_t *group = apr_pcalloc(p, sizeof(*group));
    int i;

    group->kind = kind;
    group->name = apr_pstrdup(p, name);
    group->pool = p;
    for (i = 0; i < CGROUP_DIRS; i++) {
        group->parents[i] = -1;
        group->dirs[i] = -1;
        group->procs[i] = -1;
    }
    return group;
}

apr_status_t worker_cgroup_create(worker_cgroup_t **pgroup, const char *root, const char *path,
                                  const char *name, int64_t memory_bytes, unsigned int processes,
                                  retrace_error_t *err, apr_pool_t *p)
{
    worker_cgroup_place_t place;
    worker_cgroup_t *group;
    apr_status_t rv;

    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
        return retrace_fail(err, APR_EINVAL, "%s is not the name of a control group", name);
    }
    rv = worker_cgroup_find(&place, root, path, err, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    group = make_group(place.kind, name, p);
    apr_pool_cleanup_register(p, group, clean_up, apr_pool_cleanup_null);
    rv = open_parents(group, &place, err);
    if (rv == APR_SUCCESS) {
        remove_old(group);
        rv = make_dirs(group, err);
    }
    if (rv == APR_SUCCESS) {
        rv = set_limits(group, memory_bytes, processes, err);
    }
    if (rv == APR_SUCCESS) {
        rv = try_to_enter(group, err);
    }
    if (rv != APR_SUCCESS) {
        worker_cgroup_destroy(group);
        return rv;
    }
    group->earlier_ooms = count_ooms(group);
    *pgroup = group;
    return APR_SUCCESS;
}

bool worker_cgroup_enter(const worker_cgroup_t *group, pid_t pid)
{
    char digits[24];
    size_t at = sizeof(digits);
    int i;

    do {
        digits[--at] = (char)('0' + pid % 10);
        pid /= 10;
    }
    while (pid > 0);
    for (i = 0; i < CGROUP_DIRS; i++) {
        if (group->procs[i] >= 0 && write(group->procs[i], digits + at, sizeof(digits) - at) < 0) {
            return false;
        }
    }
    return true;
}

bool worker_cgroup_was_oom(const worker_cgroup_t *group)
{
    return count_ooms(group) > group->earlier_ooms;
}

int64_t worker_cgroup_peak_bytes(const worker_cgroup_t *group)
{
    char text[32];

    if (!worker_cgroup_read(text, sizeof(text), group->dirs[CGROUP_MEMORY],
                            group->kind->memory_peak)) {
        return -1;
    }
    return strtoll(text, NULL, 10);
}

void worker_cgroup_destroy(worker_cgroup_t *group)
{
    apr_pool_cleanup_run(group->pool, group, clean_up);
}
