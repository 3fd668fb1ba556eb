/* SPDX-License-Identifier: Apache-2.0 */
/* See queue.h. What two processes could do at once is done under `queue.lock`; what a kill can
 * interrupt leaves an entry or a directory that retrace_queue_sweep recognises. */
#include "lib/queue.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/id.h"
#include "lib/secret.h"

#define ID_TRIES 50

/* --- Listing ------------------------------------------------------------------------------- */

/* A set of ids: the union of what several directories hold. */
static void add_id(apr_array_header_t *ids, uint32_t id)
{
    int i;

    for (i = 0; i < ids->nelts; i++) {
        if (APR_ARRAY_IDX(ids, i, uint32_t) == id) {
            return;
        }
    }
    APR_ARRAY_PUSH(ids, uint32_t) = id;
}

static bool add_if_id(void *baton, const char *name)
{
    uint32_t id = 0;

    if (retrace_id_parse(name, &id)) {
        add_id(baton, id);
    }
    return true;
}

static apr_status_t list_ids(apr_array_header_t *ids, int directory, retrace_error_t *err)
{
    return retrace_fs_each(directory, add_if_id, ids, err);
}

/* An entry's content: "<client> <bytes reserved>\n". */
static bool read_entry(retrace_queue_entry_t *entry, int64_t *preserved, int directory, uint32_t id)
{
    retrace_id_text_t name = retrace_id_format(id);
    char text[RETRACE_CLIENT_MAX + 32];
    struct stat info;
    long long reserved = 0;
    ssize_t length;
    int fd = openat(directory, name.text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    memset(entry, 0, sizeof(*entry));
    length = fstat(fd, &info) == 0 ? read(fd, text, sizeof(text) - 1) : -1;
    (void)close(fd);
    if (length < 0) {
        return false;
    }
    text[length] = '\0';
    if (sscanf(text, "%63s %lld", entry->client, &reserved) < 1) {
        snprintf(entry->client, sizeof(entry->client), "-");
    }
    entry->id = id;
    entry->since = apr_time_from_sec(info.st_mtim.tv_sec) + info.st_mtim.tv_nsec / 1000;
    if (preserved != NULL) {
        *preserved = reserved;
    }
    return true;
}

static apr_status_t list_entries(apr_array_header_t **pentries, const retrace_spool_t *spool,
                                 bool due, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(uint32_t));
    apr_array_header_t *entries = apr_array_make(p, 16, sizeof(retrace_queue_entry_t));
    int directory = due ? spool->queue : spool->running;
    apr_status_t rv = list_ids(ids, directory, err);
    int i;

    for (i = 0; i < ids->nelts && rv == APR_SUCCESS; i++) {
        uint32_t id = APR_ARRAY_IDX(ids, i, uint32_t);
        retrace_queue_entry_t entry;

        /* An upload that is not complete has an entry, but no directory yet. */
        if (due && !retrace_fs_exists(spool->root, retrace_id_format(id).text)) {
            continue;
        }
        if (read_entry(&entry, NULL, directory, id)) {
            APR_ARRAY_PUSH(entries, retrace_queue_entry_t) = entry;
        }
    }
    if (rv == APR_SUCCESS) {
        *pentries = entries;
    }
    return rv;
}

apr_status_t retrace_queue_list_due(apr_array_header_t **pentries, const retrace_spool_t *spool,
                                    retrace_error_t *err, apr_pool_t *p)
{
    return list_entries(pentries, spool, true, err, p);
}

apr_status_t retrace_queue_list_running(apr_array_header_t **pentries, const retrace_spool_t *spool,
                                        retrace_error_t *err, apr_pool_t *p)
{
    return list_entries(pentries, spool, false, err, p);
}

static int running_of(const apr_array_header_t *running, const char *client)
{
    int count = 0;
    int i;

    for (i = 0; i < running->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(running, i, retrace_queue_entry_t).client, client) == 0) {
            count++;
        }
    }
    return count;
}

int retrace_queue_next(const apr_array_header_t *due, const apr_array_header_t *running)
{
    int best = -1;
    int best_count = 0;
    int i;

    for (i = 0; i < due->nelts; i++) {
        const retrace_queue_entry_t *entry = &APR_ARRAY_IDX(due, i, retrace_queue_entry_t);
        int count = running_of(running, entry->client);

        if (best < 0 || count < best_count
            || (count == best_count
                && entry->since < APR_ARRAY_IDX(due, best, retrace_queue_entry_t).since)) {
            best = i;
            best_count = count;
        }
    }
    return best;
}

/* --- Dead uploads -------------------------------------------------------------------------- */

static apr_status_t remove_name(int directory, uint32_t id, retrace_error_t *err)
{
    return retrace_fs_remove(directory, retrace_id_format(id).text, err);
}

static bool upload_is_alive(const retrace_spool_t *spool, uint32_t id)
{
    char name[RETRACE_ID_LEN + sizeof("/" RETRACE_FILE_LOCK)];

    snprintf(name, sizeof(name), "%s/%s", retrace_id_format(id).text, RETRACE_FILE_LOCK);
    return retrace_fs_is_locked(spool->incoming, name);
}

static apr_status_t sweep_incoming(const retrace_spool_t *spool, retrace_error_t *err,
                                   apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(uint32_t));
    apr_status_t rv = list_ids(ids, spool->incoming, err);
    int i;

    for (i = 0; i < ids->nelts && rv == APR_SUCCESS; i++) {
        uint32_t id = APR_ARRAY_IDX(ids, i, uint32_t);

        if (!upload_is_alive(spool, id)) {
            rv = remove_name(spool->incoming, id, err);
        }
    }
    return rv;
}

static apr_status_t sweep_queue(const retrace_spool_t *spool, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(uint32_t));
    apr_status_t rv = list_ids(ids, spool->queue, err);
    int i;

    for (i = 0; i < ids->nelts && rv == APR_SUCCESS; i++) {
        uint32_t id = APR_ARRAY_IDX(ids, i, uint32_t);
        retrace_id_text_t name = retrace_id_format(id);

        /* In this order: the upload moves from the first place to the second. */
        if (!retrace_fs_exists(spool->incoming, name.text)
            && !retrace_fs_exists(spool->root, name.text)) {
            rv = remove_name(spool->queue, id, err);
        }
    }
    return rv;
}

static apr_status_t sweep(const retrace_spool_t *spool, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = sweep_incoming(spool, err, p);

    return rv == APR_SUCCESS ? sweep_queue(spool, err, p) : rv;
}

apr_status_t retrace_queue_sweep(const retrace_spool_t *spool, retrace_error_t *err, apr_pool_t *p)
{
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, spool->root, RETRACE_FILE_QUEUE_LOCK, true, err);

    if (rv == APR_SUCCESS) {
        rv = sweep(spool, err, p);
        (void)close(lock);
    }
    return rv;
}

/* --- Reserving ----------------------------------------------------------------------------- */

/* Bytes that uploads in progress have announced. What they have written by now is counted twice, on
 * the safe side: packed sizes stand for unpacked ones here. */
static int64_t sum_reserved(const retrace_spool_t *spool, const apr_array_header_t *ids)
{
    retrace_queue_entry_t entry;
    int64_t reserved = 0;
    int64_t sum = 0;
    int i;

    for (i = 0; i < ids->nelts; i++) {
        uint32_t id = APR_ARRAY_IDX(ids, i, uint32_t);

        if (retrace_fs_exists(spool->incoming, retrace_id_format(id).text)
            && read_entry(&entry, &reserved, spool->queue, id)) {
            sum += reserved;
        }
    }
    return sum;
}

static apr_status_t check_limits(const retrace_spool_t *spool, const retrace_queue_limits_t *limits,
                                 int64_t length, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 16, sizeof(uint32_t));
    apr_status_t rv;

    /* queue/ before running/: an entry that moves meanwhile is seen at least once. */
    rv = list_ids(ids, spool->queue, err);
    if (rv == APR_SUCCESS) {
        rv = list_ids(ids, spool->running, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (ids->nelts >= limits->max_tasks) {
        return retrace_fail(err, APR_EBUSY, "all %ld task slots are taken",
                            (long)limits->max_tasks);
    }
    if (retrace_fs_free_bytes(spool->root) - sum_reserved(spool, ids) - length
        < limits->min_free_bytes) {
        return retrace_fail(err, APR_ENOSPC, "too little space");
    }
    return APR_SUCCESS;
}

static bool id_is_taken(const retrace_spool_t *spool, const char *name)
{
    return retrace_fs_exists(spool->root, name) || retrace_fs_exists(spool->queue, name)
        || retrace_fs_exists(spool->running, name);
}

static apr_status_t make_directory(uint32_t *pid, const retrace_spool_t *spool,
                                   retrace_error_t *err)
{
    uint32_t id = 0;
    int tries;

    for (tries = 0; tries < ID_TRIES; tries++) {
        retrace_id_text_t name;

        if (!retrace_secret_id(&id)) {
            return retrace_fail(err, APR_EGENERAL, "the system gives no random numbers");
        }
        name = retrace_id_format(id);
        if (id_is_taken(spool, name.text)) {
            continue;
        }
        if (mkdirat(spool->incoming, name.text, 0750) == 0) {
            *pid = id;
            return APR_SUCCESS;
        }
        if (errno != EEXIST) {
            return retrace_fail(err, errno, "make a directory for the upload");
        }
    }
    return retrace_fail(err, APR_EEXIST, "no free task id was found");
}

static apr_status_t write_entry(const retrace_spool_t *spool, uint32_t id, const char *client,
                                int64_t length, retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(id);
    char text[RETRACE_CLIENT_MAX + 32];
    int used = snprintf(text, sizeof(text), "%.63s %lld\n", client, (long long)length);
    int fd =
        openat(spool->queue, name.text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    apr_status_t rv;

    /* Nobody reads it before the upload is complete, but under the lock: no need to publish it. */
    if (fd < 0) {
        return retrace_fail(err, errno, "queue task %s", name.text);
    }
    rv = retrace_fs_write_all(fd, text, (apr_size_t)used);
    (void)close(fd);
    return rv == APR_SUCCESS ? rv : retrace_fail(err, rv, "queue task %s", name.text);
}

static void close_reservation(const retrace_reservation_t *reservation)
{
    if (reservation->directory >= 0) {
        (void)close(reservation->directory);
    }
    if (reservation->lock >= 0) {
        (void)close(reservation->lock);
    }
}

static apr_status_t make_reservation(retrace_reservation_t *reservation,
                                     const retrace_spool_t *spool, const char *client,
                                     int64_t length, retrace_error_t *err)
{
    apr_status_t rv = make_directory(&reservation->id, spool, err);

    reservation->directory = reservation->lock = -1;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = retrace_spool_open_task(&reservation->directory, spool->incoming, reservation->id, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(&reservation->lock, reservation->directory, RETRACE_FILE_LOCK, false,
                             err);
    }
    if (rv == APR_SUCCESS) {
        rv = write_entry(spool, reservation->id, client, length, err);
    }
    if (rv != APR_SUCCESS) {
        (void)retrace_queue_release(spool, reservation, NULL);
        close_reservation(reservation);
    }
    return rv;
}

apr_status_t retrace_queue_reserve(retrace_reservation_t **preservation,
                                   const retrace_spool_t *spool,
                                   const retrace_queue_limits_t *limits, const char *client,
                                   int64_t length, retrace_error_t *err, apr_pool_t *p)
{
    retrace_reservation_t *reservation = apr_pcalloc(p, sizeof(*reservation));
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, spool->root, RETRACE_FILE_QUEUE_LOCK, true, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sweep(spool, err, p);
    if (rv == APR_SUCCESS) {
        rv = check_limits(spool, limits, length, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = make_reservation(reservation, spool, client, length, err);
    }
    (void)close(lock);
    if (rv == APR_SUCCESS) {
        *preservation = reservation;
    }
    return rv;
}

apr_status_t retrace_queue_release(const retrace_spool_t *spool,
                                   const retrace_reservation_t *reservation, retrace_error_t *err)
{
    apr_status_t rv = remove_name(spool->incoming, reservation->id, err);

    return rv == APR_SUCCESS ? remove_name(spool->queue, reservation->id, err) : rv;
}

apr_status_t retrace_queue_admit(const retrace_spool_t *spool, retrace_reservation_t *reservation,
                                 retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(reservation->id);
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, spool->root, RETRACE_FILE_QUEUE_LOCK, true, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* Under the queue's lock nobody takes an upload without a lock of its own for dead. */
    (void)close(reservation->lock);
    reservation->lock = -1;
    if (renameat(spool->incoming, name.text, spool->root, name.text) != 0) {
        rv = retrace_fail(err, errno, "admit task %s", name.text);
    }
    (void)close(lock);
    return rv;
}

/* --- Moving -------------------------------------------------------------------------------- */

static apr_status_t move_entry(int from, int to, uint32_t id, retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(id);

    if (renameat(from, name.text, to, name.text) != 0) {
        return retrace_fail(err, errno, "move the queue entry of task %s", name.text);
    }
    return APR_SUCCESS;
}

apr_status_t retrace_queue_claim(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err)
{
    return move_entry(spool->queue, spool->running, id, err);
}

/* Under the lock: whoever counts looks at queue/ first, and would miss an entry that moves
 * there. */
apr_status_t retrace_queue_put_back(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err)
{
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, spool->root, RETRACE_FILE_QUEUE_LOCK, true, err);

    if (rv == APR_SUCCESS) {
        rv = move_entry(spool->running, spool->queue, id, err);
        (void)close(lock);
    }
    return rv;
}

apr_status_t retrace_queue_remove(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err)
{
    apr_status_t rv = remove_name(spool->queue, id, err);

    return rv == APR_SUCCESS ? remove_name(spool->running, id, err) : rv;
}

apr_status_t retrace_queue_ensure(const retrace_spool_t *spool, uint32_t id, retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(id);
    retrace_task_state_t state;
    int task = -1;
    int fd;
    apr_status_t rv = retrace_spool_open_task(&task, spool->root, id, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    state = retrace_spool_task_state(spool->root, task, id);
    if (!retrace_task_is_final(state) && state != RETRACE_TASK_WAITING) {
        if (!retrace_fs_is_locked(spool->root, RETRACE_FILE_DISPATCH_LOCK)) {
            /* Nobody runs it: a service manager only looks at queue/. */
            (void)retrace_queue_put_back(spool, id, NULL);
        }
        /* Opened for writing even if it is there: the close wakes a dispatcher that watches. */
        fd = openat(spool->running, name.text, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            fd = openat(spool->queue, name.text, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
        }
        if (fd < 0) {
            rv = retrace_fail(err, errno, "queue task %s", name.text);
        }
        else {
            (void)close(fd);
        }
    }
    (void)close(task);
    return rv;
}
