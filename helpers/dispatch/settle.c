/* SPDX-License-Identifier: Apache-2.0 */
/* See settle.h. */
#include "helpers/dispatch/settle.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"

settle_verdict_t settle_decide(const settle_facts_t *facts)
{
    if (!facts->exists) {
        return SETTLE_GONE;
    }
    if (facts->is_unusable) {
        return SETTLE_UNUSABLE;
    }
    if (facts->is_locked) {
        return SETTLE_BUSY;
    }
    if (facts->is_final) {
        return SETTLE_FINISHED;
    }
    if (facts->is_cancelled) {
        return SETTLE_CANCELLED;
    }
    if (facts->is_waiting) {
        return SETTLE_WAITING;
    }
    if (!facts->is_same_boot) {
        return SETTLE_REBOOTED;
    }
    return facts->attempts >= DISPATCH_MAX_ATTEMPTS ? SETTLE_EXHAUSTED : SETTLE_START;
}

static const char *read_small(int task, const char *name, apr_pool_t *scratch)
{
    const char *text = "";

    (void)retrace_fs_read(&text, NULL, task, name, RETRACE_SMALL_MAX, NULL, scratch);
    return text;
}

static int read_attempts(int task, apr_pool_t *scratch)
{
    return (int)apr_atoi64(read_small(task, RETRACE_FILE_ATTEMPTS, scratch));
}

/* What cannot be read now is asked again: see settle_look. */
static bool is_of_this_boot(int task, settle_facts_t *facts, apr_pool_t *scratch)
{
    const char *stored = "";
    apr_status_t rv = retrace_fs_read(&stored, NULL, task, RETRACE_FILE_BOOT_ID, RETRACE_SMALL_MAX,
                                      NULL, scratch);

    if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
        facts->is_locked = true;
    }
    return rv == APR_SUCCESS && strcmp(stored, retrace_spool_boot_id(scratch)) == 0;
}

void settle_look(settle_facts_t *facts, const retrace_spool_t *spool, uint32_t id,
                 apr_pool_t *scratch)
{
    int task = -1;
    apr_status_t rv = retrace_spool_open_task(&task, spool->root, id, NULL);

    memset(facts, 0, sizeof(*facts));
    facts->exists = !APR_STATUS_IS_ENOENT(rv);
    if (rv != APR_SUCCESS) {
        /* No descriptors, no memory: that says nothing about the task. */
        facts->is_locked = rv == EMFILE || rv == ENFILE || rv == ENOMEM;
        facts->is_unusable = !facts->is_locked;
        return;
    }
    facts->is_final = retrace_fs_exists(task, RETRACE_FILE_FINISHED);
    facts->is_locked = retrace_fs_is_locked(task, RETRACE_FILE_LOCK);
    facts->is_same_boot = is_of_this_boot(task, facts, scratch);
    facts->is_waiting = retrace_fs_exists(task, RETRACE_FILE_WAITING);
    facts->is_cancelled = retrace_fs_exists(task, RETRACE_FILE_CANCEL);
    facts->attempts = read_attempts(task, scratch);
    (void)close(task);
}

bool settle_is_cancelled(const retrace_spool_t *spool, uint32_t id)
{
    int task = -1;
    bool is_cancelled;

    if (retrace_spool_open_task(&task, spool->root, id, NULL) != APR_SUCCESS) {
        return false;
    }
    is_cancelled = retrace_fs_exists(task, RETRACE_FILE_CANCEL);
    (void)close(task);
    return is_cancelled;
}

static apr_status_t finish_and_clean(int task, const char *reason, retrace_error_t *err,
                                     apr_pool_t *scratch)
{
    apr_status_t rv = APR_SUCCESS;

    if (reason != NULL) {
        rv = retrace_spool_finish(task, NULL, 0, reason, err);
    }
    else if (!retrace_fs_exists(task, RETRACE_FILE_FINISHED)) {
        rv = retrace_fail(err, APR_EINVAL, "the task has not ended");
    }
    return rv == APR_SUCCESS ? retrace_spool_clean(task, err, scratch) : rv;
}

apr_status_t settle_task(const stats_task_t **pended, const retrace_spool_t *spool, uint32_t id,
                         const char *reason, retrace_error_t *err, apr_pool_t *p)
{
    const stats_task_t *ended = NULL;
    int task = -1;
    int lock = -1;
    apr_status_t rv = retrace_spool_open_task(&task, spool->root, id, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(&lock, task, RETRACE_FILE_LOCK, false, err);
        if (rv == APR_SUCCESS) {
            rv = finish_and_clean(task, reason, err, p);
            /* Under the lock: from now on its owner may delete it. */
            ended = stats_task_read(task, id, p);
            (void)close(lock);
        }
        (void)close(task);
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        rv = APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        *pended = ended;
    }
    return rv;
}

apr_status_t settle_count_attempt(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err,
                                  apr_pool_t *scratch)
{
    int task = -1;
    apr_status_t rv = retrace_spool_open_task(&task, spool->root, id, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_spool_write_number(task, RETRACE_FILE_ATTEMPTS,
                                        read_attempts(task, scratch) + 1, err);
        (void)close(task);
    }
    return rv;
}
