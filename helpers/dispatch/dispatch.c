/* SPDX-License-Identifier: Apache-2.0 */
/* See dispatch.h. One round: reap, see to the index, adopt what a dead dispatcher left, end what is
 * overdue, start what is due; then sleep until something happens or the heartbeat is due. */
#include "helpers/dispatch/dispatch.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "helpers/dispatch/indexer.h"
#include "helpers/dispatch/settle.h"
#include "helpers/dispatch/stats.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/queue.h"

#define CANCELLED        "Cancelled by its owner"
#define FAILURE_PAUSE_MS 1000

typedef struct worker_slot_t {
    engine_job_t job;
    int64_t deadline_s; /* monotonic */
    const char *killed; /* why we killed it; NULL: we did not */
} worker_slot_t;

typedef struct dispatcher_t {
    const retrace_spool_t *spool;
    const retrace_config_t *config;
    const char *config_path;
    const engine_t *engine;
    stats_t *stats;
    indexer_t *indexer;
    apr_array_header_t *slots; /* of worker_slot_t */
    bool has_failed;           /* in this round: pause before the next one */
    int foreign;               /* running entries whose lock somebody holds who is not our child */
    int children;              /* signalfd for SIGCHLD */
    int changes;               /* inotify on the queue */
    const char *too_long;      /* the sentence for a task that exceeds MaxTaskRuntime */
    apr_pool_t *round;         /* cleared after each round */
} dispatcher_t;

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* The edge: what goes wrong with one task is logged here, and the round goes on. */
static void report(dispatcher_t *d, uint32_t id, const retrace_error_t *err)
{
    d->has_failed = true;
    syslog(LOG_ERR, "task %s: %s", retrace_id_format(id).text, err->text);
}

/* Recorded before its entry goes: a dispatcher that dies in between leaves the entry to the next,
 * which records it again, and the database knows it then. */
static void settle(dispatcher_t *d, uint32_t id, const char *reason)
{
    const stats_task_t *ended = NULL;
    retrace_error_t err;
    apr_status_t rv = settle_task(&ended, d->spool, id, reason, &err, d->round);

    if (rv == APR_SUCCESS) {
        if (ended != NULL) {
            stats_record(d->stats, ended, now_s());
        }
        rv = retrace_queue_remove(d->spool, id, &err);
    }
    if (rv != APR_SUCCESS) {
        report(d, id, &err);
    }
}

static worker_slot_t *find_slot(const dispatcher_t *d, uint32_t id)
{
    int i;

    for (i = 0; i < d->slots->nelts; i++) {
        if (APR_ARRAY_IDX(d->slots, i, worker_slot_t).job.id == id) {
            return &APR_ARRAY_IDX(d->slots, i, worker_slot_t);
        }
    }
    return NULL;
}

/* --- Reaping ------------------------------------------------------------------------------- */

static const char *end_reason(const dispatcher_t *d, const worker_slot_t *slot,
                              const engine_end_t *end)
{
    if (slot->killed != NULL) {
        return slot->killed;
    }
    if (end->signal != 0) {
        return apr_psprintf(d->round, "The worker was killed by signal %d", end->signal);
    }
    return apr_psprintf(d->round, "The worker ended with code %d and without a result",
                        end->exit_code);
}

static void reap(dispatcher_t *d)
{
    engine_end_t end;
    int i;

    while (d->engine->poll(&end)) {
        for (i = 0; i < d->slots->nelts; i++) {
            worker_slot_t slot = APR_ARRAY_IDX(d->slots, i, worker_slot_t);

            if (slot.job.handle == end.handle) {
                if (end.exit_code != 0) {
                    d->engine->tidy(slot.job.id, d->config, d->config_path, d->round);
                }
                settle(d, slot.job.id, end_reason(d, &slot, &end));
                APR_ARRAY_IDX(d->slots, i, worker_slot_t) =
                    *(worker_slot_t *)apr_array_pop(d->slots);
                break;
            }
        }
    }
}

/* --- Adopting ------------------------------------------------------------------------------ */

static const char *verdict_reason(settle_verdict_t verdict)
{
    switch (verdict) {
    case SETTLE_REBOOTED:
        return "The server restarted, send it again";
    case SETTLE_CANCELLED:
        return CANCELLED;
    case SETTLE_EXHAUSTED:
        return "The dispatcher died while this task ran, as often as it was tried";
    default:
        return NULL;
    }
}

/* An admin has changed the owner of its directory, say: it must not hold a slot for that. */
static void give_up(dispatcher_t *d, uint32_t id)
{
    retrace_error_t err;

    (void)retrace_fail(&err, APR_EACCES, "its directory cannot be opened, it leaves the queue");
    report(d, id, &err);
    (void)retrace_queue_remove(d->spool, id, NULL);
}

/* Brings a task that must not be started to its end. @return true for one that may be */
static bool may_start(dispatcher_t *d, uint32_t id)
{
    settle_facts_t facts;
    settle_verdict_t verdict;

    settle_look(&facts, d->spool, id, d->round);
    verdict = settle_decide(&facts);
    if (verdict == SETTLE_BUSY) {
        d->foreign++;
    }
    else if (verdict == SETTLE_WAITING) {
        (void)retrace_queue_remove(d->spool, id, NULL);
    }
    else if (verdict == SETTLE_UNUSABLE) {
        give_up(d, id);
    }
    else if (verdict != SETTLE_START) {
        d->engine->tidy(id, d->config, d->config_path, d->round);
        settle(d, id, verdict_reason(verdict));
    }
    return verdict == SETTLE_START;
}

/* An entry of `running/` that no worker of ours stands for: its dispatcher died. */
static void adopt(dispatcher_t *d, uint32_t id)
{
    retrace_error_t err;

    if (may_start(d, id) && retrace_queue_put_back(d->spool, id, &err) != APR_SUCCESS) {
        report(d, id, &err);
    }
}

static void adopt_orphans(dispatcher_t *d)
{
    apr_array_header_t *running = NULL;
    int i;

    d->foreign = 0;
    if (retrace_queue_list_running(&running, d->spool, NULL, d->round) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < running->nelts; i++) {
        uint32_t id = APR_ARRAY_IDX(running, i, retrace_queue_entry_t).id;

        if (find_slot(d, id) == NULL) {
            adopt(d, id);
        }
    }
}

/* --- Starting and ending ------------------------------------------------------------------- */

static const char *reason_to_kill(const dispatcher_t *d, const worker_slot_t *slot)
{
    if (settle_is_cancelled(d->spool, slot->job.id)) {
        return CANCELLED;
    }
    return now_s() >= slot->deadline_s ? d->too_long : NULL;
}

static void end_unwanted(dispatcher_t *d)
{
    int i;

    for (i = 0; i < d->slots->nelts; i++) {
        worker_slot_t *slot = &APR_ARRAY_IDX(d->slots, i, worker_slot_t);

        if (slot->killed == NULL) {
            slot->killed = reason_to_kill(d, slot);
            if (slot->killed != NULL) {
                d->engine->cancel(&slot->job);
            }
        }
    }
}

static apr_status_t start_worker(dispatcher_t *d, uint32_t id, retrace_error_t *err)
{
    worker_slot_t slot = { .job = { .id = id } };
    apr_status_t rv = retrace_queue_claim(d->spool, id, err);

    if (rv == APR_SUCCESS) {
        rv = settle_count_attempt(d->spool, id, err, d->round);
    }
    if (rv == APR_SUCCESS) {
        rv = d->engine->submit(&slot.job, d->config, d->config_path, err, d->round);
    }
    if (rv == APR_SUCCESS) {
        slot.deadline_s = now_s() + d->config->max_task_runtime_s;
        APR_ARRAY_PUSH(d->slots, worker_slot_t) = slot;
    }
    return rv;
}

static void start_task(dispatcher_t *d, uint32_t id)
{
    retrace_error_t err;

    if (find_slot(d, id) != NULL) {
        /* `start` made the entry while we moved it. */
        (void)retrace_fs_remove(d->spool->queue, retrace_id_format(id).text, NULL);
        return;
    }
    if (may_start(d, id) && start_worker(d, id, &err) != APR_SUCCESS) {
        report(d, id, &err);
        settle(d, id, apr_pstrcat(d->round, "The worker could not be started: ", err.text, NULL));
    }
}

static void start_due(dispatcher_t *d)
{
    apr_array_header_t *running = NULL;
    apr_array_header_t *due = NULL;
    int next;

    if (retrace_queue_list_due(&due, d->spool, NULL, d->round) != APR_SUCCESS
        || retrace_queue_list_running(&running, d->spool, NULL, d->round) != APR_SUCCESS) {
        return;
    }
    while (due->nelts > 0 && d->slots->nelts + d->foreign < d->config->max_parallel_tasks) {
        next = retrace_queue_next(due, running);
        start_task(d, APR_ARRAY_IDX(due, next, retrace_queue_entry_t).id);
        APR_ARRAY_PUSH(running, retrace_queue_entry_t) =
            APR_ARRAY_IDX(due, next, retrace_queue_entry_t);
        APR_ARRAY_IDX(due, next, retrace_queue_entry_t) =
            *(retrace_queue_entry_t *)apr_array_pop(due);
    }
}

static bool has_work(dispatcher_t *d)
{
    apr_array_header_t *due = NULL;

    return d->slots->nelts > 0 || d->foreign > 0 || indexer_has_work(d->indexer, d->round)
        || (retrace_queue_list_due(&due, d->spool, NULL, d->round) == APR_SUCCESS
            && due->nelts > 0);
}

/* --- Waiting ------------------------------------------------------------------------------- */

static void beat(const dispatcher_t *d)
{
    int fd = openat(d->spool->root, RETRACE_FILE_HEARTBEAT,
                    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd >= 0) {
        (void)futimens(fd, NULL);
        (void)close(fd);
    }
}

/* Milliseconds until something is due by the clock. */
static int wait_ms(const dispatcher_t *d)
{
    int64_t wait_s = RETRACE_HEARTBEAT_S;
    int64_t now = now_s();
    int i;

    if (d->foreign > 0) {
        return 20; /* a lock that is dropped makes no noise */
    }
    for (i = 0; i < d->slots->nelts; i++) {
        int64_t left = APR_ARRAY_IDX(d->slots, i, worker_slot_t).deadline_s - now;

        wait_s = left < wait_s ? left : wait_s;
    }
    return wait_s <= 0 ? 100 : (int)(wait_s * 1000);
}

static void drain(int fd)
{
    char buffer[4096];

    while (read(fd, buffer, sizeof(buffer)) > 0) {
    }
}

static void wait_for_change(const dispatcher_t *d)
{
    struct pollfd watched[] = { { .fd = d->children, .events = POLLIN },
                                { .fd = d->changes, .events = POLLIN } };

    if (d->has_failed) {
        /* A full disk, say: what failed is tried again, and its own traces must not wake us. */
        (void)poll(NULL, 0, FAILURE_PAUSE_MS);
    }
    if (poll(watched, 2, d->has_failed ? 0 : wait_ms(d)) > 0) {
        drain(d->children);
        drain(d->changes);
    }
}

static apr_status_t watch(dispatcher_t *d, retrace_error_t *err)
{
    sigset_t child;
    char path[64];

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, NULL) != 0) {
        return retrace_fail(err, errno, "block SIGCHLD");
    }
    d->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    d->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (d->children < 0 || d->changes < 0) {
        return retrace_fail(err, errno, "watch the queue");
    }
    /* An upload that is admitted moves into the spool; `start` and `cancel` close an entry; `sweep`
     * touches the queue. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", d->spool->root);
    if (inotify_add_watch(d->changes, path, IN_MOVED_TO) < 0) {
        return retrace_fail(err, errno, "watch the spool");
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", d->spool->queue);
    if (inotify_add_watch(d->changes, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB) < 0) {
        return retrace_fail(err, errno, "watch the queue");
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", d->spool->running);
    if (inotify_add_watch(d->changes, path, IN_CLOSE_WRITE) < 0) {
        return retrace_fail(err, errno, "watch the running tasks");
    }
    return APR_SUCCESS;
}

/* Once per boot: what the self-test found then still holds. */
static void test_engine(const dispatcher_t *d)
{
    const char *tested = "";

    (void)retrace_fs_read(&tested, NULL, d->spool->root, RETRACE_FILE_SANDBOX_OK, RETRACE_SMALL_MAX,
                          NULL, d->round);
    if (strcmp(tested, retrace_spool_boot_id(d->round)) != 0 || tested[0] == '\0') {
        d->engine->test(d->config, d->config_path, d->round);
    }
}

static void run_until_idle(dispatcher_t *d)
{
    bool is_last;

    for (;;) {
        apr_pool_clear(d->round);
        d->has_failed = false;
        beat(d);
        reap(d);
        indexer_round(d->indexer, d->round);
        adopt_orphans(d);
        drain(d->changes); /* our own moves; all others are listed below */
        end_unwanted(d);
        start_due(d);
        is_last = !has_work(d);
        stats_round(d->stats, is_last, now_s());
        if (is_last) {
            return; /* what has come meanwhile is met after the lock is dropped */
        }
        wait_for_change(d);
    }
}

apr_status_t dispatch_run(const retrace_spool_t *spool, const retrace_config_t *config,
                          const char *config_path, const engine_t *engine, retrace_error_t *err,
                          apr_pool_t *p)
{
    dispatcher_t d = { .spool = spool,
                       .config = config,
                       .config_path = config_path,
                       .engine = engine,
                       .children = -1,
                       .changes = -1 };
    int lock = -1;
    apr_status_t rv;

    d.stats = stats_make(spool, config, p);
    d.indexer = indexer_make(config, config_path, p);
    d.slots = apr_array_make(p, 8, sizeof(worker_slot_t));
    d.too_long = apr_psprintf(p, "Killed: it took longer than MaxTaskRuntime (%ld s)",
                              (long)config->max_task_runtime_s);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* see engine_local.c */
    apr_pool_create(&d.round, p);
    do {
        rv = retrace_fs_lock(&lock, spool->root, RETRACE_FILE_DISPATCH_LOCK, false, err);
        if (rv == APR_SUCCESS && d.changes < 0) {
            rv = watch(&d, err);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        (void)retrace_queue_sweep(spool, NULL, d.round);
        beat(&d);
        test_engine(&d);
        run_until_idle(&d);
        (void)close(lock);
        /* Whoever queued a task while we held the lock has relied on us. */
    }
    while (has_work(&d));
    return APR_SUCCESS;
}
