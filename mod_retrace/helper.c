/* SPDX-License-Identifier: Apache-2.0 */
/* See helper.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/helper.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/id.h"

#define PIPE_BYTES (1024 * 1024) /* so that neither side waits for the other at each 64 KiB */

static void close_fd(int *pfd)
{
    if (*pfd >= 0) {
        (void)close(*pfd);
        *pfd = -1;
    }
}

static void remember(mr_child_t *child, pid_t pid)
{
    if (child->mutex != NULL) {
        apr_thread_mutex_lock(child->mutex);
        APR_ARRAY_PUSH(child->helpers, pid_t) = pid;
        apr_thread_mutex_unlock(child->mutex);
    }
}

void mr_helper_sweep(mr_child_t *child)
{
    int i;

    if (child->mutex == NULL) {
        return;
    }
    apr_thread_mutex_lock(child->mutex);
    for (i = child->helpers->nelts - 1; i >= 0; i--) {
        if (waitpid(APR_ARRAY_IDX(child->helpers, i, pid_t), NULL, WNOHANG) != 0) {
            APR_ARRAY_IDX(child->helpers, i, pid_t) = *(pid_t *)apr_array_pop(child->helpers);
        }
    }
    apr_thread_mutex_unlock(child->mutex);
}

bool mr_helper_is_time(mr_child_t *child, apr_time_t *plast, int pause_s)
{
    apr_time_t now = apr_time_now();
    bool is = false;

    if (child->mutex == NULL) {
        return false;
    }
    apr_thread_mutex_lock(child->mutex);
    if (now - *plast >= apr_time_from_sec(pause_s) || now < *plast) {
        *plast = now;
        is = true;
    }
    apr_thread_mutex_unlock(child->mutex);
    return is;
}

/* @return false when it has not ended in time */
static bool reap(pid_t pid, int *pstatus, int wait_ms)
{
    int waited_ms;
    pid_t rc;

    for (waited_ms = 0; waited_ms <= wait_ms; waited_ms++) {
        rc = waitpid(pid, pstatus, WNOHANG);
        if (rc != 0) {
            return true;
        }
        (void)poll(NULL, 0, 1);
    }
    return false;
}

int mr_helper_wait(mr_helper_t *helper, int wait_ms)
{
    int status = 0;
    int code = -1;

    if (helper->pid > 0) {
        if (!reap(helper->pid, &status, wait_ms)) {
            remember(&helper->server->child, helper->pid);
        }
        else if (WIFEXITED(status)) {
            code = WEXITSTATUS(status);
        }
    }
    helper->pid = 0;
    return code;
}

void mr_helper_leave(mr_helper_t *helper)
{
    close_fd(&helper->to);
    close_fd(&helper->from);
    remember(&helper->server->child, helper->pid);
    helper->left = helper->pid;
    helper->pid = 0;
}

static bool is_remembered(mr_child_t *child, pid_t pid)
{
    bool found = false;
    int i;

    if (child->mutex == NULL) {
        return false;
    }
    apr_thread_mutex_lock(child->mutex);
    for (i = 0; i < child->helpers->nelts && !found; i++) {
        found = APR_ARRAY_IDX(child->helpers, i, pid_t) == pid;
    }
    apr_thread_mutex_unlock(child->mutex);
    return found;
}

/* The request has been answered. Without another one nobody would sweep for a long time. */
static void sweep_left(const mr_helper_t *helper)
{
    mr_child_t *child = &helper->server->child;
    int waited_ms;

    for (waited_ms = 0; waited_ms <= MR_HELPER_REAP_MS; waited_ms++) {
        mr_helper_sweep(child);
        if (!is_remembered(child, helper->left)) {
            return;
        }
        (void)poll(NULL, 0, 1);
    }
}

static apr_status_t end_helper(void *data)
{
    mr_helper_t *helper = data;

    close_fd(&helper->to);
    close_fd(&helper->from);
    if (helper->left > 0) {
        sweep_left(helper);
    }
    (void)mr_helper_wait(helper, MR_HELPER_REAP_MS);
    return APR_SUCCESS;
}

static int spawn(mr_helper_t *helper, char *const argv[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *environment[] = { NULL };
    sigset_t none;
    sigset_t all;
    int rc;

    /* Worker threads run with signals blocked, and httpd ignores SIGPIPE: neither is for the
     * child. */
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    if (in >= 0) {
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    }
    else {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    rc = posix_spawn(&helper->pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

static apr_status_t start_with_pipes(mr_helper_t *helper, char *const argv[], bool input)
{
    int in[2] = { -1, -1 };
    int out[2] = { -1, -1 };
    int rc = 0;

    if ((input && pipe2(in, O_CLOEXEC) != 0) || pipe2(out, O_CLOEXEC) != 0) {
        rc = errno;
    }
    if (rc == 0) {
        if (input) {
            (void)fcntl(in[1], F_SETPIPE_SZ, PIPE_BYTES);
        }
        rc = spawn(helper, argv, in[0], out[1]);
    }
    close_fd(&in[0]);
    close_fd(&out[1]);
    helper->to = in[1];
    helper->from = out[0];
    if (rc != 0) {
        helper->pid = 0;
        close_fd(&helper->to);
        close_fd(&helper->from);
    }
    return rc;
}

apr_status_t mr_helper_start(mr_helper_t **phelper, mr_server_t *server, const char *verb,
                             uint32_t id, bool input, retrace_error_t *err, apr_pool_t *scope)
{
    mr_helper_t *helper = apr_pcalloc(scope, sizeof(*helper));
    char *path = apr_pstrcat(scope, server->config->program_dir, "/retrace-helper", NULL);
    retrace_id_text_t text = retrace_id_format(id);
    char *argv[4] = { path, apr_pstrdup(scope, verb), id != 0 ? text.text : NULL, NULL };
    apr_status_t rv;

    mr_helper_sweep(&server->child);
    helper->server = server;
    rv = start_with_pipes(helper, argv, input);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "start %s %s", path, verb);
    }
    apr_pool_cleanup_register(scope, helper, end_helper, apr_pool_cleanup_null);
    *phelper = helper;
    return APR_SUCCESS;
}

apr_status_t mr_helper_write(mr_helper_t *helper, const char *data, apr_size_t length)
{
    return retrace_fs_write_all(helper->to, data, length);
}

void mr_helper_close_input(mr_helper_t *helper)
{
    close_fd(&helper->to);
}

/* Moves the bytes after the line to the front, for the next call, and cuts the line. */
static bool take_line(mr_helper_t *helper, char *buffer, size_t used)
{
    char *end = memchr(buffer, '\n', used);

    if (end == NULL) {
        return false;
    }
    *end = '\0';
    helper->ahead = used - (size_t)(end - buffer) - 1;
    return true;
}

apr_status_t mr_helper_read_line(mr_helper_t *helper, int wait_ms)
{
    struct pollfd ready = { .fd = helper->from, .events = POLLIN };
    size_t used = helper->ahead;
    ssize_t got;
    int rc;

    if (used > 0) {
        memmove(helper->line, helper->line + strlen(helper->line) + 1, used);
    }
    while (!take_line(helper, helper->line, used)) {
        if (used == sizeof(helper->line)) {
            return APR_EOF;
        }
        do {
            rc = poll(&ready, 1, wait_ms);
        }
        while (rc < 0 && errno == EINTR);
        if (rc <= 0) {
            return rc == 0 ? APR_TIMEUP : errno;
        }
        got = read(helper->from, helper->line + used, sizeof(helper->line) - used);
        if (got <= 0) {
            return APR_EOF;
        }
        used += (size_t)got;
    }
    return APR_SUCCESS;
}
