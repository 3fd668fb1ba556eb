/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a sandbox seen from outside: read its pipes, watch the clock, and leave nothing of it
 * alive. The processes are bwrap (our child), process 1 of the sandbox (bwrap's child, which bwrap
 * waits for without reaping it) and the program with its children. */
#include "worker/sandbox_private.h"

#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "worker/sandbox_start.h"

#define CHUNK        ((size_t)64 * 1024)
#define STATUS_BYTES 4096
#define LONGEST_WAIT 3600000 /* of one poll, ms */

enum { OUTPUT, MESSAGES, STATUS, STREAMS };

/* What came from one pipe. The text is kept up to max bytes and thrown away beyond. */
typedef struct stream_t {
    int fd; /* -1 after its end */
    char *text;
    size_t length;
    size_t room;
    size_t max;
    bool over;
} stream_t;

static void stream_end(stream_t *stream)
{
    if (stream->fd >= 0) {
        close(stream->fd);
        stream->fd = -1;
    }
}

/* With a NUL behind it. */
static bool stream_keep(stream_t *stream, const char *data, size_t length)
{
    if (length > stream->max - stream->length) {
        length = stream->max - stream->length;
        stream->over = true;
    }
    if (stream->length + length + 1 > stream->room) {
        size_t room = stream->room * 2 + length + 1;
        char *text = realloc(stream->text, room);

        if (text == NULL) {
            return false;
        }
        stream->text = text;
        stream->room = room;
    }
    memcpy(stream->text + stream->length, data, length);
    stream->length += length;
    stream->text[stream->length] = '\0';
    return true;
}

/* Take one piece of what is there. @return false when there is no more for now, or at all */
static bool stream_read(stream_t *stream)
{
    char piece[CHUNK];
    ssize_t got;

    do {
        got = read(stream->fd, piece, sizeof(piece));
    }
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return false;
    }
    if (got <= 0 || !stream_keep(stream, piece, (size_t)got)) {
        stream_end(stream);
        return false;
    }
    return true;
}

static int wait_ms(int64_t deadline)
{
    int64_t left;

    if (deadline < 0) {
        return -1;
    }
    left = deadline - retrace_clock_ms();
    if (left < 0) {
        return 0;
    }
    return left < LONGEST_WAIT ? (int)left + 1 : LONGEST_WAIT;
}

/* Read until bwrap has gone, which closes the status pipe: nothing in the sandbox has that one. A
 * program that closes its output and goes on is still waited for. */
static apr_status_t watch(worker_sandbox_run_t *run, stream_t *streams, int64_t deadline)
{
    struct pollfd polled[STREAMS];
    int i;

    while (streams[STATUS].fd >= 0) {
        for (i = 0; i < STREAMS; i++) {
            polled[i].fd = streams[i].fd;
            polled[i].events = POLLIN;
            polled[i].revents = 0;
        }
        if (poll(polled, STREAMS, wait_ms(deadline)) < 0 && errno != EINTR) {
            return errno;
        }
        for (i = 0; i < STREAMS; i++) {
            if (polled[i].revents != 0) {
                stream_read(&streams[i]);
            }
        }
        if (streams[OUTPUT].over) {
            run->over_output = true;
            break;
        }
        if (deadline >= 0 && retrace_clock_ms() >= deadline) {
            run->over_time = true;
            break;
        }
    }
    return APR_SUCCESS;
}

static int reap(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* Kill bwrap, then what it leaves to us. We are the subreaper, so process 1 of the sandbox is our
 * child once bwrap is dead, unless bwrap has reaped it; its death is complete only when the kernel
 * has killed all others of its namespace. Until it has a session it is in bwrap's process group. */
static int end_all(pid_t bwrap, pid_t first)
{
    siginfo_t info;
    int status;

    kill(-bwrap, SIGKILL);
    kill(bwrap, SIGKILL);
    status = reap(bwrap);
    memset(&info, 0, sizeof(info));
    if (first > 0 && waitid(P_PID, (id_t)first, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        kill(first, SIGKILL);
        reap(first);
    }
    kill(-bwrap, SIGKILL);
    while (waitpid(-bwrap, NULL, 0) > 0 || errno == EINTR) {
    }
    return status;
}

static void drain(stream_t *streams)
{
    int i;

    for (i = 0; i < STREAMS; i++) {
        while (streams[i].fd >= 0 && stream_read(&streams[i])) {
        }
        stream_end(&streams[i]);
    }
}

static apr_status_t free_text(void *text)
{
    free(text);
    return APR_SUCCESS;
}

/* The text, which is gone with the pool. */
static const char *take_text(stream_t *stream, apr_pool_t *p)
{
    if (stream->text == NULL) {
        return "";
    }
    apr_pool_cleanup_register(p, stream->text, free_text, apr_pool_cleanup_null);
    return stream->text;
}

static void open_streams(stream_t *streams, const worker_sandbox_child_t *child,
                         const worker_sandbox_limits_t *limits)
{
    memset(streams, 0, STREAMS * sizeof(*streams));
    streams[OUTPUT].fd = child->output;
    streams[OUTPUT].max = limits->output_bytes > 0 ? (size_t)limits->output_bytes : SIZE_MAX / 4;
    streams[MESSAGES].fd = child->messages;
    streams[MESSAGES].max = limits->message_bytes > 0 ? (size_t)limits->message_bytes : 0;
    streams[STATUS].fd = child->status;
    streams[STATUS].max = STATUS_BYTES;
}

static void take_results(worker_sandbox_run_t *run, stream_t *streams, apr_pool_t *p)
{
    run->output = take_text(&streams[OUTPUT], p);
    run->output_length = streams[OUTPUT].length;
    run->messages = take_text(&streams[MESSAGES], p);
    run->messages_length = streams[MESSAGES].length;
    run->status_text = take_text(&streams[STATUS], p);
}

static apr_status_t supervise(worker_sandbox_run_t *run, const worker_sandbox_t *sandbox,
                              const char *const *argv, int filter_fd, retrace_error_t *err,
                              apr_pool_t *p)
{
    worker_sandbox_child_t child;
    stream_t streams[STREAMS];
    int64_t begun = retrace_clock_ms();
    apr_status_t rv;

    rv = worker_sandbox_start(&child, sandbox, argv, filter_fd, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    open_streams(streams, &child, &sandbox->limits);
    rv = watch(run, streams,
               sandbox->limits.wall_s > 0 ? begun + (int64_t)sandbox->limits.wall_s * 1000 : -1);
    run->wait_status = end_all(child.pid, worker_sandbox_child_pid(streams[STATUS].text));
    drain(streams);
    run->wall_ms = retrace_clock_ms() - begun;
    take_results(run, streams, p);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "watch %s", argv[0]);
    }
    if (run->status_text[0] == WORKER_SANDBOX_START_FAILED) {
        return retrace_fail(err, APR_EGENERAL, "cannot %s", run->status_text + 1);
    }
    return APR_SUCCESS;
}

apr_status_t worker_sandbox_process(worker_sandbox_run_t **prun, const worker_sandbox_t *sandbox,
                                    const char *const *argv, int filter_fd, retrace_error_t *err,
                                    apr_pool_t *p)
{
    worker_sandbox_run_t *run = apr_pcalloc(p, sizeof(*run));
    int was_subreaper = 0;
    apr_status_t rv;

    if (prctl(PR_GET_CHILD_SUBREAPER, &was_subreaper) != 0
        || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return retrace_fail(err, errno, "become the reaper of the sandbox");
    }
    rv = supervise(run, sandbox, argv, filter_fd, err, p);
    prctl(PR_SET_CHILD_SUBREAPER, was_subreaper);
    if (rv == APR_SUCCESS) {
        *prun = run;
    }
    return rv;
}
