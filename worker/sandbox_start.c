/* SPDX-License-Identifier: Apache-2.0 */
/* See sandbox_start.h. Between fork and execve only async-signal-safe functions are called. */
#include "worker/sandbox_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/sandbox_private.h"

#define STATUS_FD  WORKER_SANDBOX_STATUS_FD
#define FIRST_FREE (STATUS_FD + 1)
#define FIRST_HIGH 16 /* descriptors are collected from here on, then put in their places */
#define OPEN_FILES 1024

enum { INPUT, OUTPUT, MESSAGES, FILTER, STATUS, PLACES };

typedef struct start_t {
    const worker_sandbox_t *sandbox;
    const char *const *argv;
    rlim_t threads; /* RLIM_INFINITY: none of our own */
    int places[PLACES];
    pid_t parent;
} start_t;

static void give_up(const char *what)
{
    char text[128];
    int length;

    length =
        snprintf(text, sizeof(text), "%c%s: errno %d", WORKER_SANDBOX_START_FAILED, what, errno);
    if (write(STATUS_FD, text, (size_t)length) < 0) {
        _exit(126);
    }
    _exit(127);
}

static bool limit(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit now;

    if (getrlimit(resource, &now) != 0) {
        return false;
    }
    now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
    now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
    return setrlimit(resource, &now) == 0;
}

/* The soft limit of CPU time ends a program by SIGXCPU, which tells us why; one that has learnt to
 * live with it meets the hard one. */
static bool limit_all(const start_t *start)
{
    const worker_sandbox_limits_t *limits = &start->sandbox->limits;
    bool done = limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES);

    if (done && limits->memory_bytes > 0) {
        done = limit(RLIMIT_AS, (rlim_t)limits->memory_bytes, (rlim_t)limits->memory_bytes);
    }
    if (done && limits->file_bytes > 0) {
        done = limit(RLIMIT_FSIZE, (rlim_t)limits->file_bytes, (rlim_t)limits->file_bytes);
    }
    if (done && limits->cpu_s > 0) {
        done = limit(RLIMIT_CPU, limits->cpu_s, (rlim_t)limits->cpu_s + 1);
    }
    if (done && start->threads != RLIM_INFINITY) {
        done = limit(RLIMIT_NPROC, start->threads, start->threads);
    }
    return done;
}

static void reset_signals(void)
{
    struct sigaction fresh;
    sigset_t none;
    int i;

    memset(&fresh, 0, sizeof(fresh));
    fresh.sa_handler = SIG_DFL;
    for (i = 1; i < NSIG; i++) {
        sigaction(i, &fresh, NULL); /* fails for SIGKILL, SIGSTOP and libc's own */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_the_rest(void)
{
    long end = OPEN_FILES * 64;
    int fd;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, FIRST_FREE, ~0U, 0) == 0) {
        return;
    }
#endif
    for (fd = FIRST_FREE; fd < end; fd++) {
        close(fd);
    }
}

static void put_in_places(const start_t *start)
{
    int i;

    for (i = 0; i < PLACES; i++) {
        if (dup2(start->places[i], i) < 0) {
            _exit(127);
        }
    }
}

static void become_bwrap(const start_t *start)
{
    const worker_sandbox_t *sandbox = start->sandbox;

    put_in_places(start);
    reset_signals();
    /* Its own group, so that whatever bwrap forks can be found until it has a session. */
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        give_up("prepare a process");
    }
    if (getppid() != start->parent) {
        _exit(127);
    }
    if (sandbox->cgroup != NULL && !worker_cgroup_enter(sandbox->cgroup, 0)) {
        give_up("enter the control group");
    }
    if (!limit_all(start)) {
        give_up("set resource limits");
    }
    close_the_rest();
    execve(start->argv[0], (char *const *)start->argv, (char *const *)sandbox->environment);
    give_up("execute bwrap");
}

/* RLIMIT_NPROC counts all threads of the user on this machine, so it can only be a margin over what
 * is there now. It stands in for the pids limit of a group. */
static rlim_t count_threads_of_user(void)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    rlim_t count = 0;

    if (processes == NULL) {
        return RLIM_INFINITY;
    }
    while ((entry = readdir(processes)) != NULL) {
        char path[300];
        struct stat info;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/task", entry->d_name);
        if (fstatat(dirfd(processes), path, &info, 0) == 0 && info.st_uid == getuid()) {
            count += info.st_nlink > 2 ? (rlim_t)info.st_nlink - 2 : 1;
        }
    }
    closedir(processes);
    return count;
}

static rlim_t choose_thread_limit(const worker_sandbox_t *sandbox)
{
    rlim_t now;

    if (sandbox->cgroup != NULL || sandbox->limits.processes == 0) {
        return RLIM_INFINITY;
    }
    now = count_threads_of_user();
    return now == RLIM_INFINITY ? now : now + sandbox->limits.processes;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* A pipe: ours never blocks, theirs is high enough not to be in the way. */
static bool make_pipe(int *pours, int *ptheirs)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    *pours = ends[0];
    *ptheirs = fcntl(ends[1], F_DUPFD_CLOEXEC, FIRST_HIGH);
    close(ends[1]);
    return *ptheirs >= 0 && fcntl(*pours, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_high(int *pfd, int fd)
{
    if (fd < 0) {
        return false;
    }
    *pfd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_HIGH);
    return *pfd >= 0;
}

static bool prepare_descriptors(start_t *start, worker_sandbox_child_t *child, int filter_fd)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool done = open_high(&start->places[INPUT], nothing);

    close_if_open(&nothing);
    return done && open_high(&start->places[FILTER], filter_fd)
        && make_pipe(&child->output, &start->places[OUTPUT])
        && make_pipe(&child->messages, &start->places[MESSAGES])
        && make_pipe(&child->status, &start->places[STATUS]);
}

apr_status_t worker_sandbox_start(worker_sandbox_child_t *child, const worker_sandbox_t *sandbox,
                                  const char *const *argv, int filter_fd, retrace_error_t *err)
{
    start_t start = { sandbox, argv, RLIM_INFINITY, { -1, -1, -1, -1, -1 }, getpid() };
    worker_sandbox_child_t made = { -1, -1, -1, -1 };
    apr_status_t rv = APR_SUCCESS;
    int i;

    start.threads = choose_thread_limit(sandbox);
    if (prepare_descriptors(&start, &made, filter_fd)) {
        made.pid = fork();
    }
    if (made.pid == 0) {
        become_bwrap(&start);
    }
    if (made.pid < 0) {
        rv = retrace_fail(err, errno, "start %s", argv[0]);
        close_if_open(&made.output);
        close_if_open(&made.messages);
        close_if_open(&made.status);
    }
    else {
        setpgid(made.pid, made.pid); /* whoever is first, the child or we */
        *child = made;
    }
    for (i = 0; i < PLACES; i++) {
        close_if_open(&start.places[i]);
    }
    return rv;
}
