/* SPDX-License-Identifier: Apache-2.0 */
/* See mock_call.h. */
#include "worker/environment/mock_call.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "worker/text.h"

#define PIECE   4096
#define STEP_MS 200 /* between two looks whether it has ended */
#define KILL_MS 5000

/* --- Starting it ------------------------------------------------------------------------------ */

static void push_all(apr_array_header_t *list, const char *const *words)
{
    while (words != NULL && *words != NULL) {
        APR_ARRAY_PUSH(list, const char *) = *words++;
    }
}

/* "--" always: mock would take options of the command for its own. */
static char *const *command_line(const worker_mock_t *mock, const char *const *verb,
                                 const char *const *words, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 128, sizeof(const char *));
    const char *const first[] = { mock->program, "-r", mock->config,
                                  apr_pstrcat(p, "--resultdir=", mock->results, NULL), NULL };

    push_all(list, first);
    push_all(list, verb);
    if (words != NULL) {
        APR_ARRAY_PUSH(list, const char *) = "--";
        push_all(list, words);
    }
    APR_ARRAY_PUSH(list, const char *) = NULL;
    return (char *const *)list->elts;
}

/* Between fork and exec. SUDO_UID and its like must not come from anywhere: mock believes them. */
static void become_mock(const worker_mock_t *mock, char *const *argv, int output)
{
    static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                               "HOME=/nonexistent", "LC_ALL=C.UTF-8", "TERM=dumb",
                                               NULL };
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0
        || setpgid(0, 0) != 0) {
        _exit(126);
    }
    (void)signal(SIGPIPE, SIG_DFL); /* mock ends by it when we die */
    (void)umask(022);               /* with ours the chroot's own user could not enter it */
    /* For the limits, and as the one way to end it. */
    (void)(mock->cgroup != NULL && worker_cgroup_enter(mock->cgroup, 0));
    execve(argv[0], argv, (char *const *)environment);
    _exit(127);
}

apr_status_t worker_mock_check(const char *program, retrace_error_t *err)
{
    return access(program, X_OK) == 0
        ? APR_SUCCESS
        : retrace_fail(err, errno, "run %s: must this user be in the group mock?", program);
}

static apr_status_t start(pid_t *ppid, int *pfd, const worker_mock_t *mock, char *const *argv,
                          retrace_error_t *err)
{
    int ends[2];
    pid_t pid;

    apr_status_t rv = worker_mock_check(argv[0], err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return retrace_fail(err, errno, "make a pipe");
    }
    pid = fork();
    if (pid == 0) {
        become_mock(mock, argv, ends[1]);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return retrace_fail(err, errno, "start %s", argv[0]);
    }
    *ppid = pid;
    *pfd = ends[0];
    return APR_SUCCESS;
}

/* --- Waiting for it --------------------------------------------------------------------------- */

/* The last bytes of all that came. */
typedef struct tail_t {
    char text[2 * WORKER_MOCK_MESSAGES];
    size_t length;
} tail_t;

static void keep(tail_t *tail, const char *data, size_t length)
{
    if (tail->length + length > sizeof(tail->text)) {
        size_t drop = tail->length - (WORKER_MOCK_MESSAGES - length);

        memmove(tail->text, tail->text + drop, tail->length - drop);
        tail->length -= drop;
    }
    memcpy(tail->text + tail->length, data, length);
    tail->length += length;
}

/* @return false when there is no more for now, or at all; then *pfd is closed */
static bool read_piece(tail_t *tail, int *pfd, int wait_ms)
{
    struct pollfd polled = { .fd = *pfd, .events = POLLIN };
    char piece[PIECE];
    ssize_t got;

    if (*pfd < 0) {
        (void)poll(NULL, 0, wait_ms);
        return false;
    }
    if (poll(&polled, 1, wait_ms) <= 0) {
        return false;
    }
    got = read(*pfd, piece, sizeof(piece));
    if (got <= 0) {
        (void)close(*pfd);
        *pfd = -1;
        return false;
    }
    keep(tail, piece, (size_t)got);
    return true;
}

/* What mock has started may hold the pipe for longer than mock lives. */
static bool wait_until(int *pstatus, pid_t pid, tail_t *tail, int *pfd, int64_t deadline)
{
    do {
        (void)read_piece(tail, pfd, *pfd < 0 ? STEP_MS / 10 : STEP_MS);
        if (waitpid(pid, pstatus, WNOHANG) == pid) {
            while (*pfd >= 0 && read_piece(tail, pfd, 0)) {
            }
            return true;
        }
    }
    while (retrace_clock_ms() < deadline);
    return false;
}

/* It may be out of our reach (EPERM); then it lives on, and the next call for this chroot ends it. */
static bool end_it(int *pstatus, pid_t pid, tail_t *tail, int *pfd)
{
    (void)kill(-pid, SIGTERM);
    if (wait_until(pstatus, pid, tail, pfd, retrace_clock_ms() + KILL_MS)) {
        return true;
    }
    (void)kill(-pid, SIGKILL);
    return wait_until(pstatus, pid, tail, pfd, retrace_clock_ms() + KILL_MS);
}

apr_status_t worker_mock_call(worker_mock_end_t *end, const worker_mock_t *mock,
                              const char *const *verb, const char *const *words,
                              unsigned int wall_s, retrace_error_t *err, apr_pool_t *p)
{
    tail_t *tail = apr_pcalloc(p, sizeof(*tail));
    int64_t deadline = retrace_clock_ms() + (int64_t)wall_s * 1000;
    size_t skip;
    int status = 0;
    int fd = -1;
    pid_t pid = 0;
    apr_status_t rv = start(&pid, &fd, mock, command_line(mock, verb, words, p), err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    end->is_late = !wait_until(&status, pid, tail, &fd, deadline);
    if (end->is_late && !end_it(&status, pid, tail, &fd)) {
        status = SIGKILL;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    skip = tail->length > WORKER_MOCK_MESSAGES ? tail->length - WORKER_MOCK_MESSAGES : 0;
    end->messages = worker_text_clean(tail->text + skip, tail->length - skip, p);
    end->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return APR_SUCCESS;
}

/* --- What came of it -------------------------------------------------------------------------- */

typedef struct code_t {
    int code;
    const char *text;
} code_t;

const char *worker_mock_code_text(int code)
{
    static const code_t codes[] = {
        { 1, "mock failed; must this user be in the group mock?" },
        { 3, "mock does not like its configuration" },
        { WORKER_MOCK_CODE_PACKAGES, "the package manager failed" },
        { 50, "mock has nothing to copy" },
        { WORKER_MOCK_CODE_LOCKED, "another mock is at work in the chroot" },
        { 126, "mock cannot be started" },
        { 127, "mock cannot be executed" },
    };
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code) {
            return codes[i].text;
        }
    }
    return "mock failed";
}

#define FIRST_SIGNAL 192 /* 256 - n, from mock without a container; 128 + n from a shell */

void worker_mock_judge(worker_sandbox_result_t *result, int code, unsigned int took_s,
                       unsigned int limit_s, bool is_full)
{
    result->end = WORKER_SANDBOX_EXITED;
    result->exit_code = code;
    if (code != 0 && is_full) {
        result->end = WORKER_SANDBOX_OUTPUT;
    }
    else if (code != 0 && took_s >= limit_s) {
        result->end = WORKER_SANDBOX_TIME;
    }
    else if (code > 128) {
        result->end = WORKER_SANDBOX_SIGNALLED;
        result->signal = code >= FIRST_SIGNAL ? 256 - code : code - 128;
        if (code == 255) { /* from a container: of which signal it does not tell */
            result->signal = SIGKILL;
        }
    }
}
