/* SPDX-License-Identifier: Apache-2.0 */
/* See process.h. */
#include "helpers/task/process.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

typedef struct keeper_t {
    char *text;
    apr_size_t used;
} keeper_t;

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                   const task_process_t *process, int pipe_end)
{
    sigset_t none;
    sigset_t pipes;
    int code = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    sigemptyset(&none);
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    if (code == 0 && process->is_silent) {
        code = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (code == 0 && process->out >= 0) {
        code = posix_spawn_file_actions_adddup2(actions, process->out, STDOUT_FILENO);
    }
    else if (code == 0 && process->keeps_complaints) {
        code = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (code == 0) {
        code = posix_spawn_file_actions_adddup2(
            actions, pipe_end,
            process->out >= 0 || process->keeps_complaints ? STDERR_FILENO : STDOUT_FILENO);
    }
    if (code == 0) {
        code = posix_spawnattr_setsigmask(attributes, &none);
    }
    if (code == 0) {
        code = posix_spawnattr_setsigdefault(attributes, &pipes);
    }
    if (code == 0) {
        code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return code;
}

static apr_status_t start(pid_t *ppid, const task_process_t *process, int pipe_end,
                          retrace_error_t *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code;

    if (posix_spawn_file_actions_init(&actions) != 0) {
        return retrace_fail(err, APR_ENOMEM, "start %s", process->argv[0]);
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return retrace_fail(err, APR_ENOMEM, "start %s", process->argv[0]);
    }
    code = prepare(&actions, &attributes, process, pipe_end);
    if (code == 0) {
        /* posix_spawnp changes neither the texts nor the array. */
        code = posix_spawnp(ppid, process->argv[0], &actions, &attributes,
                            (char *const *)(intptr_t)process->argv, environ);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? APR_SUCCESS : retrace_fail(err, code, "start %s", process->argv[0]);
}

/* Of what is asked for and what has to be kept in time. By a clock that nobody sets. */
typedef struct watch_t {
    const task_process_t *process;
    int64_t end_ms;
    int64_t look_ms; /* when may_go_on is asked next */
} watch_t;

static apr_status_t look_around(watch_t *watch)
{
    int64_t now_ms = retrace_clock_ms();

    if (now_ms >= watch->end_ms) {
        return APR_TIMEUP;
    }
    if (watch->process->may_go_on == NULL || now_ms < watch->look_ms) {
        return APR_SUCCESS;
    }
    watch->look_ms = now_ms + TASK_PROCESS_LOOK_MS;
    return watch->process->may_go_on(watch->process->baton) ? APR_SUCCESS : APR_EINTR;
}

/* Until there is something to read; one that never stops writing is looked after, too.
 * @return APR_TIMEUP  max_ms are over; APR_EINTR  it is to end */
static apr_status_t wait_output(int fd, watch_t *watch)
{
    struct pollfd source = { .fd = fd, .events = POLLIN };
    int rc = 0;

    do {
        apr_status_t rv = look_around(watch);
        int64_t until_ms = watch->process->may_go_on != NULL && watch->look_ms < watch->end_ms
            ? watch->look_ms
            : watch->end_ms;
        int64_t left_ms = until_ms - retrace_clock_ms();

        if (rv != APR_SUCCESS) {
            return rv;
        }
        left_ms = left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : left_ms;
        rc = poll(&source, 1, (int)left_ms);
    }
    while (rc == 0 || (rc < 0 && errno == EINTR));
    return rc > 0 ? APR_SUCCESS : errno;
}

/* Until the other end is closed. */
static apr_status_t keep(keeper_t *keeper, int fd, const task_process_t *process)
{
    int64_t now_ms = retrace_clock_ms();
    watch_t watch = { process, now_ms + process->max_ms, now_ms + TASK_PROCESS_LOOK_MS };
    char dropped[4096];

    for (;;) {
        apr_size_t room = TASK_OUTPUT_MAX - keeper->used;
        apr_status_t rv = wait_output(fd, &watch);
        ssize_t got;

        if (rv != APR_SUCCESS) {
            return rv;
        }
        got = room > 0 ? read(fd, keeper->text + keeper->used, room)
                       : read(fd, dropped, sizeof(dropped));
        if (got <= 0) {
            return APR_SUCCESS;
        }
        keeper->used += room > 0 ? (apr_size_t)got : 0;
    }
}

/* It may have something to put in order. */
static void end_gently(pid_t pid, int fd)
{
    const task_process_t patient = { .max_ms = TASK_PROCESS_END_MS };
    keeper_t nothing = { .used = TASK_OUTPUT_MAX };

    (void)kill(pid, SIGTERM);
    (void)keep(&nothing, fd, &patient);
}

static apr_status_t finish(pid_t pid, int fd, apr_status_t rv, const char *name,
                           retrace_error_t *err)
{
    int status = 0;

    if (rv == APR_EINTR) {
        end_gently(pid, fd);
    }
    if (rv != APR_SUCCESS) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (rv == APR_EINTR) {
        return retrace_fail(err, rv, "%s was ended", name);
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "%s took too long", name);
    }
    if (WIFSIGNALED(status)) {
        return retrace_fail(err, APR_INCOMPLETE, "signal %d has ended %s", WTERMSIG(status), name);
    }
    if (WEXITSTATUS(status) != 0) {
        return retrace_fail(err, APR_EGENERAL, "%s failed", name);
    }
    return APR_SUCCESS;
}

apr_status_t task_process_run(const char **pkept, const task_process_t *process,
                              retrace_error_t *err, apr_pool_t *p)
{
    keeper_t keeper = { .text = apr_palloc(p, TASK_OUTPUT_MAX + 1) };
    int ends[2];
    pid_t pid = -1;
    apr_status_t rv;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return retrace_fail(err, errno, "start %s", process->argv[0]);
    }
    rv = start(&pid, process, ends[1], err);
    (void)close(ends[1]);
    if (rv == APR_SUCCESS) {
        rv = finish(pid, ends[0], keep(&keeper, ends[0], process), process->argv[0], err);
        keeper.text[keeper.used] = '\0';
        *pkept = keeper.text;
    }
    (void)close(ends[0]);
    return rv;
}
