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
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/id.h"
#include "lib/queue.h"
#include "lib/secret.h"
#include "lib/spool.h"
#include "worker/ingest/archive.h"
#include "worker/ingest/lockdown.h"
#include "worker/ingest/request.h"

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
    int crash; /* the directory `crash/` */
    int files[INGEST_MEMBERS];
    char password[RETRACE_PASSWORD_MAX + 1];
    apr_pool_t *pool;
} receiver_t;

/* --- Talking to httpd ---------------------------------------------------------------------- */

static void say(int out, const char *line)
{
    char text[INGEST_LINE_MAX];
    int length = snprintf(text, sizeof(text), "%.*s\n", INGEST_LINE_MAX - 2, line);

    /* If nobody listens, the client is gone: the task goes on or is removed all the same. */
    (void)retrace_fs_write_all(out, text, (apr_size_t)length);
}

static void say_refusal(int out, int status, const char *sentence)
{
    char line[INGEST_LINE_MAX];

    snprintf(line, sizeof(line), "%d %s", status, sentence);
    say(out, line);
}

/* The reader's reasons are clauses: "the archive is truncated". */
static void say_verdict(int out, const ingest_verdict_t *verdict)
{
    char sentence[INGEST_SENTENCE_MAX + 32];

    snprintf(sentence, sizeof(sentence), "%s%s", verdict->sentence,
             verdict->sentence[0] != '\0' ? "." : "The upload was refused.");
    if (sentence[0] >= 'a' && sentence[0] <= 'z') {
        sentence[0] = (char)(sentence[0] - 'a' + 'A');
    }
    say_refusal(out, verdict->status, sentence);
}

/* The edge: our own failures are logged here, and the client hears no more than that. */
static void say_failure(int out, const retrace_error_t *err)
{
    syslog(LOG_ERR, "upload refused with 500: %s", err->text);
    say_refusal(out, 500, "The server could not store the upload.");
}

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
        r->out,         r->crash,           r->reservation->lock, r->reservation->directory,
        r->spool->root, r->spool->incoming, r->spool->queue,      r->spool->running
    };
    size_t i;

    closelog();
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)close(others[i]);
    }
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
        || !ingest_lockdown_reader(INGEST_CPU_S, INGEST_MEMORY)) {
        _exit(EXIT_PROTOCOL);
    }
    ingest_archive_read(&verdict, read_body, &r->upload, r->files, &limits);
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
    if (verdict->status < 201 || verdict->status > 507) {
        verdict->status = 500;
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
        if (wait_for_verdict(verdict, channel[0])) {
            distrust(verdict);
        }
        (void)kill(reader, SIGKILL);
        (void)waitpid(reader, NULL, 0);
    }
    (void)close(channel[0]);
}

static apr_status_t open_files(receiver_t *r, retrace_error_t *err)
{
    apr_status_t rv;
    int i;

    rv = retrace_fs_make_dir(&r->crash, r->reservation->directory, RETRACE_DIR_CRASH, 0700, err);
    for (i = 0; i < INGEST_MEMBERS && rv == APR_SUCCESS; i++) {
        const char *name = ingest_member_rule(i)->name;

        r->files[i] =
            openat(r->crash, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (r->files[i] < 0) {
            rv = retrace_fail(err, errno, "make %s", name);
        }
    }
    return rv;
}

static apr_status_t remove_unused(const receiver_t *r, ingest_member_set_t used,
                                  retrace_error_t *err)
{
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        if (!INGEST_HAS(used, i) && unlinkat(r->crash, ingest_member_rule(i)->name, 0) != 0) {
            return retrace_fail(err, errno, "remove %s", ingest_member_rule(i)->name);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t write_small(const receiver_t *r, const char *name, const char *text,
                                mode_t mode, retrace_error_t *err)
{
    return retrace_fs_replace(r->reservation->directory, name, text, strlen(text), mode, true, err);
}

/* Everything that a task has beside its crash data. Written, and on the disk, before the upload
 * begins: then there is nothing else that the fsync would have to wait for, and no loss of power
 * can leave a task that answers to no password. */
static apr_status_t write_task(receiver_t *r, retrace_error_t *err)
{
    retrace_secret_digest_t digest;
    char type[4];
    int results = -1;
    apr_status_t rv;

    snprintf(type, sizeof(type), "%d\n", (int)r->request.type);
    if (!retrace_secret_password(r->password, (size_t)r->config->task_password_length)
        || !retrace_secret_digest(&digest, r->password)) {
        return retrace_fail(err, APR_EGENERAL, "make a password");
    }
    rv = write_small(r, RETRACE_FILE_PASSWORD, digest.text, 0640, err);
    if (rv == APR_SUCCESS) {
        rv = write_small(r, RETRACE_FILE_TYPE, type, 0640, err);
    }
    if (rv == APR_SUCCESS) {
        rv = write_small(r, RETRACE_FILE_BOOT_ID, retrace_spool_boot_id(r->pool), 0640, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&results, r->reservation->directory, RETRACE_DIR_RESULTS, 0750,
                                 err);
    }
    if (results >= 0) {
        (void)close(results);
    }
    return rv;
}

static apr_status_t accept_upload(receiver_t *r, ingest_member_set_t members, retrace_error_t *err)
{
    char line[INGEST_LINE_MAX];
    apr_status_t rv = remove_unused(r, members, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_queue_admit(r->spool, r->reservation, err);
    }
    if (rv == APR_SUCCESS) {
        snprintf(line, sizeof(line), "201 %s %s %d", retrace_id_format(r->reservation->id).text,
                 r->password, INGEST_ESTIMATE_S);
        say(r->out, line);
    }
    return rv;
}

static void receive_body(receiver_t *r)
{
    ingest_verdict_t verdict = { 0 };
    retrace_error_t err;
    apr_status_t rv;

    rv = write_task(r, &err);
    if (rv == APR_SUCCESS) {
        rv = open_files(r, &err);
    }
    if (rv == APR_SUCCESS) {
        say(r->out, "go");
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
        say_failure(r->out, &err);
        return;
    }
    say_verdict(r->out, &verdict);
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
    say_refusal(r->out, 413, sentence);
    return false;
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
        say_refusal(r->out, 503, "The server is fully occupied; try again later.");
    }
    else if (APR_STATUS_IS_ENOSPC(rv)) {
        snprintf(sentence, sizeof(sentence),
                 "The server has too little free space: at least %lld MB must be left.",
                 (long long)r->config->min_storage_left_mb);
        say_refusal(r->out, 507, sentence);
    }
    else {
        say_failure(r->out, &err);
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
    r.upload.left = r.request.length;
    if (retrace_spool_open(&r.spool, config->save_dir, &err, p) != APR_SUCCESS) {
        say_failure(out, &err);
        return 0;
    }
    if (length_is_allowed(&r) && reserve(&r)) {
        if (!ingest_lockdown_keeper()) {
            (void)retrace_queue_release(r.spool, r.reservation, NULL);
            return EXIT_PROTOCOL;
        }
        receive_body(&r);
    }
    return 0;
}
