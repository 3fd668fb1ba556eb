/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-task-edit SETTINGS ACTION [ID [KEY]]: small changes, as the spool's owner: cancel or delete
 * a task, set one of its values, hand over statistics. Started by the setuid helper's verbs of the
 * same names; but `start`, for a managed task, is the admin's alone. */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "helpers/task_key.h"
#include "lib/config.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/privileges.h"
#include "lib/queue.h"
#include "lib/spool.h"

#define EXIT_NO_TASK     66 /* there is no such task */
#define EXIT_NOT_WAITING 73 /* only a managed task that nobody has started can be started */
#define EXIT_FULL        74 /* nobody has taken earlier deliveries of statistics */
#define EXIT_BUSY        75 /* the task has not ended: it must be cancelled first */
#define EXIT_USAGE       100
#define EXIT_SYSTEM      111

#define SET_TRIES      3
#define SET_LOCK       "set.lock" /* one writer of values at a time */
#define VALUE_MAX      4096       /* bytes of a value or of one delivery of statistics */
#define MAX_DELIVERIES 1000       /* that wait for the dispatcher: httpd must not fill the disk */

typedef struct edit_t {
    const retrace_spool_t *spool;
    uint32_t id;
    const char *key;
    apr_pool_t *pool;
} edit_t;

typedef struct action_t {
    const char *name;
    int arguments; /* after the action */
    apr_status_t (*run)(const edit_t *edit, int task, retrace_error_t *err);
} action_t;

/* --- Actions ------------------------------------------------------------------------------- */

static bool is_final(const edit_t *edit, int task)
{
    return retrace_task_is_final(retrace_spool_task_state(edit->spool->root, task, edit->id));
}

/* Also one that waits to be started. */
static apr_status_t queue_task(const edit_t *edit, int task, retrace_error_t *err)
{
    apr_status_t rv = retrace_fs_remove(task, RETRACE_FILE_WAITING, err);

    return rv == APR_SUCCESS ? retrace_queue_ensure(edit->spool, edit->id, err) : rv;
}

/* The dispatcher does it: it alone knows the worker. */
static apr_status_t cancel(const edit_t *edit, int task, retrace_error_t *err)
{
    int fd;

    if (is_final(edit, task)) {
        return APR_SUCCESS;
    }
    fd = openat(task, RETRACE_FILE_CANCEL, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) {
        return retrace_fail(err, errno, "mark the task");
    }
    (void)close(fd);
    return queue_task(edit, task, err);
}

/* Its crash data was synced when it came, so that no restart of the machine has harmed it; from now
 * on it is a task as any other. In this order: a kill in between leaves a task that waits, or one
 * that the next status request queues. */
static apr_status_t start(const edit_t *edit, int task, retrace_error_t *err)
{
    const char *boot_id = retrace_spool_boot_id(edit->pool);
    apr_status_t rv;

    if (retrace_spool_task_state(edit->spool->root, task, edit->id) != RETRACE_TASK_WAITING) {
        return retrace_fail(err, APR_EMISMATCH, "task %s does not wait to be started",
                            retrace_id_format(edit->id).text);
    }
    rv = retrace_fs_replace(task, RETRACE_FILE_BOOT_ID, boot_id, strlen(boot_id), 0640, true, err);
    return rv == APR_SUCCESS ? queue_task(edit, task, err) : rv;
}

/* First out of sight, whole; a kill in between leaves what retrace_queue_sweep removes. */
static apr_status_t delete_task(const edit_t *edit, int task, retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(edit->id);
    int lock = -1;
    apr_status_t rv;

    if (!is_final(edit, task)) {
        return retrace_fail(err, APR_EBUSY, "task %s has not ended", name.text);
    }
    rv = retrace_fs_lock(&lock, task, RETRACE_FILE_LOCK, false, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = retrace_queue_remove(edit->spool, edit->id, err);
    if (rv == APR_SUCCESS
        && renameat(edit->spool->root, name.text, edit->spool->incoming, name.text) != 0) {
        rv = retrace_fail(err, errno, "delete task %s", name.text);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_remove(edit->spool->incoming, name.text, err);
    }
    (void)close(lock);
    return rv;
}

static apr_status_t read_input(char *buffer, apr_size_t size, apr_size_t *plength,
                               retrace_error_t *err)
{
    apr_size_t used = 0;
    ssize_t got;

    while ((got = read(STDIN_FILENO, buffer + used, size - used)) > 0) {
        used += (apr_size_t)got;
        if (used == size) {
            return retrace_fail(err, APR_EINVAL, "the value is longer than %d bytes", VALUE_MAX);
        }
    }
    *plength = used;
    return got == 0 ? APR_SUCCESS : retrace_fail(err, errno, "read the value");
}

/* Whoever ends the task removes what is unfinished there, ours included. */
static apr_status_t replace_value(const edit_t *edit, int task, const char *value,
                                  apr_size_t length, retrace_error_t *err)
{
    apr_status_t rv = APR_ENOENT;
    int tries;

    for (tries = 0; tries < SET_TRIES && APR_STATUS_IS_ENOENT(rv); tries++) {
        rv = retrace_fs_replace(task, edit->key, value, length, 0640, true, err);
    }
    return APR_STATUS_IS_ENOENT(rv) ? APR_EGENERAL : rv; /* not the task is missing */
}

static apr_status_t set_value(const edit_t *edit, int task, retrace_error_t *err)
{
    char value[VALUE_MAX + 1];
    apr_size_t length = 0;
    int lock = -1;
    apr_status_t rv = read_input(value, sizeof(value), &length, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(&lock, task, SET_LOCK, true, err);
    }
    if (rv == APR_SUCCESS) {
        rv = replace_value(edit, task, value, length, err);
        (void)close(lock);
    }
    return rv;
}

static apr_status_t check_room(int directory, retrace_error_t *err)
{
    int entries = 0;
    apr_status_t rv = retrace_fs_count(&entries, directory, MAX_DELIVERIES, err);

    if (rv == APR_SUCCESS && entries >= MAX_DELIVERIES) {
        rv = retrace_fail(err, EDQUOT, "%d deliveries wait for the dispatcher", entries);
    }
    return rv;
}

/* A delivery is a file of its own, which the dispatcher takes into the statistics and removes. */
static apr_status_t count(const edit_t *edit, int task, retrace_error_t *err)
{
    char value[VALUE_MAX + 1];
    apr_size_t length = 0;
    int directory = -1;
    apr_status_t rv = read_input(value, sizeof(value), &length, err);

    (void)task;
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&directory, edit->spool->root, RETRACE_DIR_COUNTS, 0750, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = check_room(directory, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_replace(
            directory,
            apr_psprintf(edit->pool, "%" APR_TIME_T_FMT ".%ld", apr_time_now(), (long)getpid()),
            value, length, 0640, false, err);
    }
    (void)close(directory);
    return rv;
}

static const action_t actions[] = {
    { "cancel", 1, cancel }, { "start", 1, start }, { "delete", 1, delete_task },
    { "set", 2, set_value }, { "count", 0, count },
};

/* --- Choosing ------------------------------------------------------------------------------ */

static const action_t *find_action(edit_t *edit, int argc, char *argv[])
{
    size_t i;

    for (i = 0; argc >= 3 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        const action_t *action = &actions[i];

        if (strcmp(action->name, argv[2]) != 0 || argc != 3 + action->arguments) {
            continue;
        }
        if (action->arguments > 0 && !retrace_id_parse(argv[3], &edit->id)) {
            return NULL;
        }
        edit->key = action->arguments > 1 ? task_key_find(argv[4]) : "";
        return edit->key != NULL ? action : NULL;
    }
    return NULL;
}

static apr_status_t run_action(const action_t *action, edit_t *edit, const char *config_path,
                               retrace_error_t *err)
{
    const retrace_config_t *config = NULL;
    int task = -1;
    apr_status_t rv = retrace_config_read(&config, config_path, err, edit->pool);

    if (rv == APR_SUCCESS) {
        rv = retrace_spool_open(&edit->spool, config->save_dir, err, edit->pool);
    }
    if (rv == APR_SUCCESS && action->arguments > 0) {
        rv = retrace_spool_open_task(&task, edit->spool->root, edit->id, err);
    }
    if (rv == APR_SUCCESS) {
        rv = action->run(edit, task, err);
    }
    if (task >= 0) {
        (void)close(task);
    }
    return rv;
}

static int exit_code(apr_status_t rv)
{
    if (rv == APR_SUCCESS) {
        return EXIT_SUCCESS;
    }
    if (rv == APR_EBUSY) {
        return EXIT_BUSY;
    }
    if (rv == APR_EMISMATCH) {
        return EXIT_NOT_WAITING;
    }
    if (rv == EDQUOT) {
        return EXIT_FULL;
    }
    return APR_STATUS_IS_ENOENT(rv) ? EXIT_NO_TASK : EXIT_SYSTEM;
}

int main(int argc, char *argv[])
{
    retrace_error_t err;
    edit_t edit = { 0 };
    const action_t *action = find_action(&edit, argc, argv);
    apr_status_t rv;

    if (action == NULL) {
        fprintf(stderr,
                "usage: retrace-task-edit SETTINGS cancel ID | start ID | delete ID | set ID KEY "
                "| count\n");
        return EXIT_USAGE;
    }
    openlog("retrace-task-edit", LOG_PID, LOG_DAEMON);
    if (!retrace_privileges_reset_process() || apr_initialize() != APR_SUCCESS
        || apr_pool_create(&edit.pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    rv = run_action(action, &edit, argv[1], &err);
    if (rv != APR_SUCCESS) {
        syslog(LOG_ERR, "%s: %s", action->name, err.text);
        fprintf(stderr, "retrace-task-edit: %s\n", err.text);
    }
    apr_pool_destroy(edit.pool);
    apr_terminate();
    return exit_code(rv);
}
