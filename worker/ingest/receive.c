/* SPDX-License-Identifier: Apache-2.0 */
/* See receive.h. */
#include "worker/ingest/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/id.h"
#include "lib/queue.h"
#include "lib/spool.h"
#include "lib/upload_form.h"
#include "worker/ingest/answer.h"
#include "worker/ingest/archive.h"
#include "worker/ingest/core_stream.h"
#include "worker/ingest/external.h"
#include "worker/ingest/forecast.h"
#include "worker/ingest/lockdown.h"
#include "worker/ingest/request.h"
#include "worker/ingest/task_dir.h"

#define EXIT_PROTOCOL 111

/* What came with the header block belongs to the body. */
typedef struct upload_t {
    int in;
    int64_t left; /* bytes of the body that were not handed out yet */
    char ahead[INGEST_REQUEST_MAX];
    size_t ahead_at;
    size_t ahead_length;
} upload_t;

typedef struct receiver_t {
    int out;
    const retrace_config_t *config;
    const retrace_spool_t *spool;
    ingest_request_t request;
    upload_t upload;
    retrace_reservation_t *reservation;
    ingest_task_t task;
    apr_pool_t *pool;
} receiver_t;

/* --- Listening to httpd -------------------------------------------------------------------- */

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    ssize_t got;

    do {
        if (poll(&ready, 1, INGEST_IDLE_S * 1000) <= 0) {
            return -1;
        }
        got = read(fd, buffer, size);
    }
    while (got < 0 && (errno == EINTR || errno == EAGAIN));
    return got;
}

static bool read_request(receiver_t *r)
{
    upload_t *upload = &r->upload;
    size_t used = 0;
    size_t length = 0;
    ssize_t got;

    while (length == 0) {
        if (used == sizeof(upload->ahead)) {
            return false;
        }
        got = read_some(upload->in, upload->ahead + used, sizeof(upload->ahead) - used);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
        length = ingest_request_length(upload->ahead, used);
    }
    upload->ahead_at = length;
    upload->ahead_length = used;
    return ingest_request_parse(&r->request, upload->ahead, length);
}

/* --- The reader ---------------------------------------------------------------------------- */

static ssize_t read_body(void *baton, void *buffer, size_t size)
{
    upload_t *upload = baton;
    size_t ahead = upload->ahead_length - upload->ahead_at;
    ssize_t got;

    if (upload->left == 0) {
        return 0;
    }
    if ((int64_t)size > upload->left) {
        size = (size_t)upload->left;
    }
    if (ahead > 0) {
        got = (ssize_t)(ahead < size ? ahead : size);
        memcpy(buffer, upload->ahead + upload->ahead_at, (size_t)got);
        upload->ahead_at += (size_t)got;
    }
    else {
        got = read_some(upload->in, buffer, size);
    }
    if (got <= 0) {
        return -1; /* the sender is gone before the announced length */
    }
    upload->left -= got;
    return got;
}

/* What the reader holds is all that it could misuse. */
static void keep_only_files(const receiver_t *r)
{
    const int others[] = {
        r->out,         r->task.crash,      r->reservation->lock, r->reservation->directory,
        r->spool->root, r->spool->incoming, r->spool->queue,      r->spool->running
    };
    size_t i;

    closelog();
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)close(others[i]);
    }
}

/* The label says whether it is an archive; how it is packed is told by its magic number. */
static ingest_read_fn choose_reader(const ingest_request_t *request)
{
    const retrace_content_type_t *type = retrace_content_type_find(request->content);

    return type != NULL && type->form == RETRACE_FORM_CORE ? ingest_core_read : ingest_archive_read;
}

/* Sound data of the greatest size needs a fraction of it, however it is packed. */
static unsigned int cpu_limit_s(const retrace_config_t *config)
{
    int64_t limit_s = INGEST_CPU_S + config->max_unpacked_mb / INGEST_CPU_MB;

    return limit_s < INGEST_WALL_S ? (unsigned int)limit_s : INGEST_WALL_S;
}

static void run_reader(receiver_t *r, int verdict_fd, pid_t keeper)
{
    struct rlimit file_size = { (rlim_t)(r->config->max_unpacked_mb * RETRACE_MIB),
                                (rlim_t)(r->config->max_unpacked_mb * RETRACE_MIB) };
    ingest_limits_t limits = { .max_unpacked_bytes = r->config->max_unpacked_mb * RETRACE_MIB,
                               .max_small_bytes = r->config->max_small_file_kb * RETRACE_KIB,
                               .min_free_bytes = r->config->min_storage_left_mb * RETRACE_MIB,
                               .required = r->config->required_files };
    ingest_verdict_t verdict;

    keep_only_files(r);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != keeper
        || setrlimit(RLIMIT_FSIZE, &file_size) != 0
        || !ingest_lockdown_reader(cpu_limit_s(r->config), INGEST_MEMORY)) {
        _exit(EXIT_PROTOCOL);
    }
    choose_reader (&r->request)(&verdict, read_body, &r->upload, r->task.files, &limits);
    if (write(verdict_fd, &verdict, sizeof(verdict)) != (ssize_t)sizeof(verdict)) {
        _exit(EXIT_PROTOCOL);
    }
    _exit(0);
}

/* --- The keeper ---------------------------------------------------------------------------- */

static bool wait_for_verdict(ingest_verdict_t *verdict, int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    ingest_verdict_t whole;
    struct timespec now;
    time_t deadline;
    int left_s = INGEST_WALL_S;
    int rc;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    deadline = now.tv_sec + INGEST_WALL_S;
    do {
        rc = poll(&ready, 1, left_s * 1000);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        left_s = (int)(deadline - now.tv_sec);
    }
    while (rc < 0 && errno == EINTR && left_s > 0);
    /* All of it or nothing: a taken-over reader may send less. */
    if (rc > 0 && read(fd, &whole, sizeof(whole)) == (ssize_t)sizeof(whole)) {
        *verdict = whole;
        return true;
    }
    return false;
}

/* What the reader says is data from a process that has seen hostile bytes. */
static void distrust(ingest_verdict_t *verdict)
{
    char *at;

    verdict->sentence[sizeof(verdict->sentence) - 1] = '\0';
    verdict->members &= (UINT32_C(1) << INGEST_MEMBERS) - 1;
    for (at = verdict->sentence; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '%') {
            *at = '?';
        }
    }
    if (verdict->status != 201 && (verdict->status < 400 || verdict->status > 507)) {
        verdict->status = 500;
    }
}

/* Whoever packs little so that it takes long to unpack shall know why. The first signal counts. */
static void explain_end(ingest_verdict_t *verdict, int wait_status)
{
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGXCPU) {
        verdict->status = 413;
        snprintf(verdict->sentence, sizeof(verdict->sentence),
                 "the upload takes too long to unpack");
    }
}

static void follow_reader(ingest_verdict_t *verdict, pid_t reader, int verdict_fd)
{
    bool is_told = wait_for_verdict(verdict, verdict_fd);
    int wait_status = 0;

    (void)kill(reader, SIGKILL);
    (void)waitpid(reader, &wait_status, 0);
    if (is_told) {
        distrust(verdict);
    }
    else {
        explain_end(verdict, wait_status);
    }
}

static void read_upload(ingest_verdict_t *verdict, receiver_t *r)
{
    int channel[2];
    pid_t keeper = getpid();
    pid_t reader;

    memset(verdict, 0, sizeof(*verdict));
    verdict->status = 500;
    snprintf(verdict->sentence, sizeof(verdict->sentence), "the server could not read the upload");
    if (pipe2(channel, O_CLOEXEC) != 0) {
        return;
    }
    reader = fork();
    if (reader == 0) {
        (void)close(channel[0]);
        run_reader(r, channel[1], keeper);
    }
    (void)close(channel[1]);
    /* Only the reader holds httpd's pipe now: when it ends, httpd gets EPIPE instead of waiting. */
    (void)close(r->upload.in);
    if (reader > 0) {
        follow_reader(verdict, reader, channel[0]);
    }
    (void)close(channel[0]);
}

/* It holds no slot from now on, and its crash data may have to outlive a restart of the machine,
 * with which any other task would fail. The entry goes first: a waiting task that has one would be
 * started. */
static apr_status_t admit_waiting(receiver_t *r, ingest_member_set_t members, retrace_error_t *err)
{
    apr_status_t rv = ingest_task_sync(&r->task, members, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_queue_remove(r->spool, r->reservation->id, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_queue_admit(r->spool, r->reservation, err);
    }
    if (rv == APR_SUCCESS && (fsync(r->spool->queue) != 0 || fsync(r->spool->root) != 0)) {
        syslog(LOG_ERR, "task %s may not survive a loss of power: %s",
               retrace_id_format(r->reservation->id).text, strerror(errno));
    }
    return rv;
}

/* A task whose id nobody learns would only be in the way, and run twice when the client tries again. */
static bool is_heard(int out)
{
    struct pollfd end = { .fd = out, .events = 0 };

    return poll(&end, 1, 0) == 0;
}

static apr_status_t accept_upload(receiver_t *r, ingest_member_set_t members, retrace_error_t *err)
{
    char line[INGEST_LINE_MAX];
    int64_t estimate_s = ingest_forecast(r->spool, r->task.crash, r->config, r->pool);
    apr_status_t rv = ingest_task_remove_unused(&r->task, members, err);

    if (rv == APR_SUCCESS && !is_heard(r->out)) {
        rv = retrace_fail(err, EPIPE, "httpd does not wait for the answer any more");
    }
    if (rv == APR_SUCCESS) {
        rv = r->request.managed ? admit_waiting(r, members, err)
                                : retrace_queue_admit(r->spool, r->reservation, err);
    }
    if (rv == APR_SUCCESS) {
        snprintf(line, sizeof(line), "201 %s %s %lld", retrace_id_format(r->reservation->id).text,
                 r->task.password, (long long)estimate_s);
        ingest_say(r->out, line);
    }
    return rv;
}

static void receive_body(receiver_t *r)
{
    ingest_verdict_t verdict = { 0 };
    retrace_error_t err;
    apr_status_t rv;

    rv = ingest_task_make(&r->task, r->reservation->directory, &r->request, r->config, &err,
                          r->pool);
    if (rv == APR_SUCCESS) {
        ingest_say(r->out, "go");
        read_upload(&verdict, r);
        if (verdict.status == 201) {
            rv = accept_upload(r, verdict.members, &err);
        }
    }
    if (rv == APR_SUCCESS && verdict.status == 201) {
        return;
    }
    /* The slot is free before the client hears of it and tries again. */
    (void)retrace_queue_release(r->spool, r->reservation, NULL);
    if (rv != APR_SUCCESS) {
        ingest_say_failure(r->out, &err);
        return;
    }
    ingest_say_reason(r->out, verdict.status, verdict.sentence);
}

/* --- Before the first byte of the body ------------------------------------------------------- */

static bool length_is_allowed(receiver_t *r)
{
    char sentence[INGEST_LINE_MAX];

    if (r->request.length <= r->config->max_packed_mb * RETRACE_MIB) {
        return true;
    }
    snprintf(sentence, sizeof(sentence), "The upload is larger than the limit of %lld MB.",
             (long long)r->config->max_packed_mb);
    ingest_say_refusal(r->out, 413, sentence);
    return false;
}

/* The file takes the place of the pipe: httpd may write no more, and need not. */
static bool take_directory(receiver_t *r)
{
    ingest_refusal_t refusal = { 0 };
    retrace_error_t err;
    int fd = -1;

    if (r->request.directory[0] == '\0') {
        return true;
    }
    if (ingest_external_open(&fd, &r->request.length, &refusal, &r->request, r->config)) {
        if (dup2(fd, r->upload.in) < 0) {
            (void)ingest_refuse(&refusal, 500, "take the file in the directory: %s",
                                strerror(errno));
        }
        (void)close(fd);
        r->upload.ahead_at = r->upload.ahead_length;
    }
    if (refusal.status == 500) {
        (void)retrace_fail(&err, APR_EGENERAL, "%s", refusal.sentence);
        ingest_say_failure(r->out, &err);
    }
    else if (refusal.status != 0) {
        ingest_say_reason(r->out, refusal.status, refusal.sentence);
    }
    return refusal.status == 0;
}

static bool reserve(receiver_t *r)
{
    retrace_queue_limits_t limits = {
        .max_tasks = r->config->max_parallel_tasks + r->config->max_queued_tasks,
        .min_free_bytes = r->config->min_storage_left_mb * RETRACE_MIB
    };
    char sentence[INGEST_LINE_MAX];
    retrace_error_t err;
    apr_status_t rv = retrace_queue_reserve(&r->reservation, r->spool, &limits, r->request.client,
                                            r->request.length, &err, r->pool);

    if (rv == APR_SUCCESS) {
        return true;
    }
    if (rv == APR_EBUSY) {
        ingest_say_refusal(r->out, 503, "The server is fully occupied; try again later.");
    }
    else if (APR_STATUS_IS_ENOSPC(rv)) {
        snprintf(sentence, sizeof(sentence),
                 "The server has too little free space: at least %lld MB must be left.",
                 (long long)r->config->min_storage_left_mb);
        ingest_say_refusal(r->out, 507, sentence);
    }
    else {
        ingest_say_failure(r->out, &err);
    }
    return false;
}

int ingest_receive(int in, int out, const retrace_config_t *config, apr_pool_t *p)
{
    receiver_t r = { .out = out, .config = config, .upload = { .in = in }, .pool = p };
    retrace_error_t err;

    (void)signal(SIGPIPE, SIG_IGN);
    if (!read_request(&r)) {
        return EXIT_PROTOCOL;
    }
    if (retrace_spool_open(&r.spool, config->save_dir, &err, p) != APR_SUCCESS) {
        ingest_say_failure(out, &err);
        return 0;
    }
    if (length_is_allowed(&r) && take_directory(&r) && reserve(&r)) {
        r.upload.left = r.request.length;
        if (!ingest_lockdown_keeper()) {
            (void)retrace_queue_release(r.spool, r.reservation, NULL);
            return EXIT_PROTOCOL;
        }
        receive_body(&r);
    }
    return 0;
}
