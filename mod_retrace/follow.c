/* SPDX-License-Identifier: Apache-2.0 */
/* See follow.h. The client may hang up at any time: the task does not notice. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/follow.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <http_log.h>
#include <http_protocol.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/spool.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/task.h"
#include "mod_retrace/wait.h"

APLOG_USE_MODULE(retrace);

#define TELL_EVERY_MS 5000
#define STOP_GRACE_MS 10000 /* a stopping httpd waits for the task this long */
#define PIECE         8192  /* bytes that are written at once */
#define BURST         128   /* pieces, before others get the thread */
#define STATUS_LINE   "X-Task-Status: "

typedef enum part_t {
    PART_LOG,       /* as it grows */
    PART_BACKTRACE, /* behind the final state */
    PART_END
} part_t;

typedef struct follow_t {
    mr_task_t task;
    part_t part;
    int file;        /* the log, or the backtrace; -1: not open yet */
    apr_off_t sent;  /* bytes of it */
    int64_t told_ms; /* when the state was last told */
    int64_t stop_ms; /* when httpd began to stop; 0: it does not */
    bool is_stopping;
} follow_t;

/* --- What there is to do --------------------------------------------------------------------- */

static int open_file(const follow_t *follow, const char *name)
{
    return openat(follow->task.directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static void close_file(follow_t *follow)
{
    if (follow->file >= 0) {
        (void)close(follow->file);
    }
    follow->file = -1;
    follow->sent = 0;
}

static bool has_more(const follow_t *follow)
{
    struct stat info;

    return follow->file >= 0 && fstat(follow->file, &info) == 0 && info.st_size > follow->sent;
}

static bool is_final(const follow_t *follow)
{
    return retrace_task_is_final(mr_task_state(&follow->task));
}

static bool is_due(void *baton, int64_t now_ms, bool stopping)
{
    follow_t *follow = baton;

    if (stopping && follow->stop_ms == 0) {
        follow->stop_ms = now_ms;
    }
    follow->is_stopping = stopping && now_ms - follow->stop_ms >= STOP_GRACE_MS;
    if (follow->file < 0 && follow->part == PART_LOG) {
        follow->file = open_file(follow, RETRACE_FILE_WORKER_LOG);
    }
    return follow->is_stopping || follow->part != PART_LOG || has_more(follow) || is_final(follow)
        || mr_task_is_gone(&follow->task) || now_ms - follow->told_ms >= TELL_EVERY_MS;
}

/* --- Doing it -------------------------------------------------------------------------------- */

static void tell_state(follow_t *follow, request_rec *r, retrace_task_state_t state)
{
    follow->told_ms = retrace_clock_ms();
    (void)ap_rprintf(r, STATUS_LINE "%s\n", retrace_task_status_word(state));
}

/* Writes what has been added to the file, as far as the client reads.
 * @return true when all of it is written */
static bool write_file(follow_t *follow, request_rec *r)
{
    char piece[PIECE];
    ssize_t got;
    int i;

    for (i = 0; i < BURST && mr_wait_can_write(r); i++) {
        got = follow->file >= 0 ? pread(follow->file, piece, sizeof(piece), follow->sent) : 0;
        if (got <= 0) {
            return true;
        }
        if (ap_rwrite(piece, (int)got, r) < 0 || ap_rflush(r) < 0) {
            r->connection->aborted = 1;
            return true;
        }
        follow->sent += got;
    }
    return false;
}

static bool is_same_file(int fd, int other)
{
    struct stat a;
    struct stat b;

    return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino;
}

/* The live log has got its final name; or a new one was written, because it could not be continued. */
static void take_final_log(follow_t *follow)
{
    int final = open_file(follow, RETRACE_FILE_LOG);

    if (final >= 0 && follow->file >= 0 && is_same_file(final, follow->file)) {
        (void)close(final);
    }
    else if (final >= 0) {
        close_file(follow);
        follow->file = final;
    }
}

/* The log is written whole before the task is final: whoever sees the end of the task first, and then
 * the end of the log, has seen all of it. */
static void write_log(follow_t *follow, request_rec *r)
{
    retrace_task_state_t state = mr_task_state(&follow->task);

    if (retrace_task_is_final(state)) {
        take_final_log(follow);
    }
    if (!write_file(follow, r)) {
        return;
    }
    if (!retrace_task_is_final(state)) {
        if (retrace_clock_ms() - follow->told_ms >= TELL_EVERY_MS) {
            tell_state(follow, r, state);
            mr_task_wake_dispatcher(r, &follow->task);
        }
        return;
    }
    tell_state(follow, r, state);
    close_file(follow);
    follow->part = PART_END;
    if (state == RETRACE_TASK_SUCCEEDED) {
        follow->file = open_file(follow, RETRACE_FILE_BACKTRACE);
        follow->part = PART_BACKTRACE;
    }
}

static bool act(void *baton, request_rec *r)
{
    follow_t *follow = baton;

    if (mr_task_is_gone(&follow->task)) {
        return true; /* somebody has removed it: nothing can be said of how it ended */
    }
    if (follow->part == PART_LOG) {
        write_log(follow, r);
    }
    if (follow->part == PART_BACKTRACE && write_file(follow, r)) {
        follow->part = PART_END;
    }
    (void)ap_rflush(r);
    return follow->part == PART_END || follow->is_stopping;
}

static const mr_wait_kind_t follow_kind = { is_due, act, false };

/* --- Beginning ------------------------------------------------------------------------------- */

/* A client without a User-Agent is an old one, which reads to the end of the body before it tells
 * anybody the id. */
bool mr_follow_is_wanted(request_rec *r)
{
    const char *header = apr_table_get(r->headers_in, "X-Task-Sync");

    return (header != NULL && strcmp(header, "1") == 0) || mr_query_number(r, "sync", 1) == 1
        || (mr_server_of(r->server)->config->synchronous_default
            && apr_table_get(r->headers_in, "User-Agent") != NULL);
}

static apr_status_t end_follow(void *data)
{
    follow_t *follow = data;

    close_file(follow);
    mr_task_close(&follow->task);
    return APR_SUCCESS;
}

static follow_t *begin(request_rec *r, uint32_t id)
{
    follow_t *follow = apr_pcalloc(r->pool, sizeof(*follow));
    retrace_error_t err;

    follow->task = (mr_task_t){ .id = id, .root = -1, .directory = -1 };
    follow->file = -1;
    follow->told_ms = retrace_clock_ms();
    if (mr_task_open(&follow->task, mr_server_of(r->server)->config, &err) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, RETRACE_LOGNO(0014) "%s", err.text);
        return NULL;
    }
    apr_pool_cleanup_register(r->pool, follow, end_follow, apr_pool_cleanup_null);
    return follow;
}

int mr_follow(request_rec *r, uint32_t id)
{
    follow_t *follow = begin(r, id);
    int result = DECLINED;

    mr_reply_headers(r, HTTP_CREATED, MR_TYPE_TEXT);
    /* Sent before mr_wait could say so. */
    apr_table_setn(r->headers_out, "Connection", "close");
    if (follow != NULL) {
        (void)ap_rflush(r); /* the id: the client may hang up from here on */
        result = mr_wait(r, &follow_kind, follow);
    }
    /* Too many wait: the body ends here, and the client asks for the state. */
    return result != DECLINED ? result : OK;
}
