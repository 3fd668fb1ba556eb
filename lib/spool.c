/* SPDX-License-Identifier: Apache-2.0 */
/* See spool.h. */
#include "lib/spool.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/id.h"

#define LOG_LINE_MAX 4096

static apr_status_t close_spool(void *data)
{
    const retrace_spool_t *spool = data;

    (void)close(spool->running);
    (void)close(spool->queue);
    (void)close(spool->incoming);
    (void)close(spool->root);
    return APR_SUCCESS;
}

/* Without SGID the upload's files would get our group, and httpd could not read the results. */
static apr_status_t check_incoming(const retrace_spool_t *spool, retrace_error_t *err)
{
    struct stat root;
    struct stat incoming;

    if (fstat(spool->root, &root) != 0 || fstat(spool->incoming, &incoming) != 0) {
        return retrace_fail(err, errno, "look at %s", spool->path);
    }
    if (root.st_uid == incoming.st_uid && incoming.st_uid != geteuid()) {
        return retrace_fail(err, APR_EACCES,
                            "%s belongs to user %ld: run this as that user (runuser -u)",
                            spool->path, (long)root.st_uid);
    }
    if (incoming.st_uid != geteuid() || incoming.st_gid != root.st_gid
        || (incoming.st_mode & S_ISGID) == 0) {
        return retrace_fail(err, APR_EACCES,
                            "%s/.incoming must belong to this user and to the group of %s, with "
                            "mode 2710 (chown, then chmod 2710, as root)",
                            spool->path, spool->path);
    }
    return APR_SUCCESS;
}

apr_status_t retrace_spool_open(const retrace_spool_t **pspool, const char *path,
                                retrace_error_t *err, apr_pool_t *p)
{
    retrace_spool_t *spool = apr_palloc(p, sizeof(*spool));
    apr_status_t rv;

    spool->path = apr_pstrdup(p, path);
    spool->incoming = spool->queue = spool->running = -1;
    rv = retrace_fs_open_dir(&spool->root, AT_FDCWD, path, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, spool, close_spool, apr_pool_cleanup_null);
    rv = retrace_fs_open_dir(&spool->incoming, spool->root, RETRACE_DIR_INCOMING, err);
    if (rv == APR_SUCCESS) {
        rv = check_incoming(spool, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&spool->queue, spool->root, RETRACE_DIR_QUEUE, 0750, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&spool->running, spool->root, RETRACE_DIR_RUNNING, 0750, err);
    }
    if (rv == APR_SUCCESS) {
        *pspool = spool;
    }
    return rv;
}

apr_status_t retrace_spool_open_task(int *pfd, int root, uint32_t id, retrace_error_t *err)
{
    retrace_id_text_t name = retrace_id_format(id);

    return retrace_fs_open_dir(pfd, root, name.text, err);
}

static bool has_entry(int root, const char *directory, uint32_t id)
{
    char name[32];

    snprintf(name, sizeof(name), "%s/%s", directory, retrace_id_format(id).text);
    return retrace_fs_exists(root, name);
}

retrace_task_state_t retrace_spool_task_state(int root, int task, uint32_t id)
{
    if (retrace_fs_exists(task, RETRACE_FILE_FINISHED)) {
        return retrace_fs_exists(task, RETRACE_FILE_BACKTRACE) ? RETRACE_TASK_SUCCEEDED
                                                               : RETRACE_TASK_FAILED;
    }
    if (has_entry(root, RETRACE_DIR_RUNNING, id)) {
        return RETRACE_TASK_RUNNING;
    }
    return retrace_fs_exists(task, RETRACE_FILE_WAITING) ? RETRACE_TASK_WAITING
                                                         : RETRACE_TASK_QUEUED;
}

int retrace_spool_task_stage(int task, apr_pool_t *scratch)
{
    const char *text = NULL;
    char *end = NULL;
    apr_int64_t stage;

    if (retrace_fs_read(&text, NULL, task, RETRACE_FILE_STATUS, RETRACE_SMALL_MAX, NULL, scratch)
        != APR_SUCCESS) {
        return -1;
    }
    stage = apr_strtoi64(text, &end, 10);
    return end != text && stage >= 0 && stage < RETRACE_STAGES ? (int)stage : -1;
}

static apr_status_t write_number(int task, const char *name, apr_int64_t number, bool durable,
                                 retrace_error_t *err)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%" APR_INT64_T_FMT "\n", number);

    return retrace_fs_replace(task, name, text, (apr_size_t)length, 0640, durable, err);
}

apr_status_t retrace_spool_set_stage(int task, retrace_task_stage_t stage, retrace_error_t *err)
{
    return write_number(task, RETRACE_FILE_STATUS, stage, false, err);
}

apr_status_t retrace_spool_write_number(int task, const char *name, apr_int64_t number,
                                        retrace_error_t *err)
{
    return write_number(task, name, number, false, err);
}

static void blank_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static int format_line(char *line, size_t size, char level, const char *format, va_list args)
{
    struct tm when;
    time_t now = time(NULL);
    size_t used = 0;
    int length;

    if (gmtime_r(&now, &when) != NULL) {
        used = strftime(line, size, "[%Y-%m-%d %H:%M:%S] ", &when);
    }
    used += (size_t)snprintf(line + used, size - used, "[%c] ", level);
    length = vsnprintf(line + used, size - used - 1, format, args);
    if (length < 0) {
        length = 0;
    }
    used += (size_t)length < size - used - 1 ? (size_t)length : size - used - 2;
    line[used] = '\0';
    blank_controls(line);
    line[used++] = '\n';
    line[used] = '\0';
    return (int)used;
}

/* Adds a line if the log then has no more than `max` bytes. */
static apr_status_t add_line(int task, off_t max, char level, const char *format, va_list args)
{
    char line[LOG_LINE_MAX];
    struct stat info;
    apr_status_t rv = APR_ENOSPC;
    int length = format_line(line, sizeof(line), level, format, args);
    int fd = openat(task, RETRACE_FILE_WORKER_LOG,
                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &info) == 0 && info.st_size + length <= max) {
        rv = retrace_fs_write_all(fd, line, (apr_size_t)length);
    }
    (void)close(fd);
    return rv;
}

void retrace_spool_log(int task, char level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* A log that cannot be written must not fail the task: the backtrace is what counts. Room is
     * left for the last line, which says how the task ended. */
    (void)add_line(task, RETRACE_LOG_MAX - LOG_LINE_MAX, level, format, args);
    va_end(args);
}

static apr_status_t add_last_line(int task, char level, const char *format, ...)
{
    va_list args;
    apr_status_t rv;

    va_start(args, format);
    rv = add_line(task, RETRACE_LOG_MAX, level, format, args);
    va_end(args);
    return rv;
}

/* Returns once the log is complete under its final name and on the disk. */
static apr_status_t publish_log(int task, const char *reason, bool failed, retrace_error_t *err)
{
    int fd;
    int rc;

    if (retrace_fs_exists(task, RETRACE_FILE_LOG)) {
        return APR_SUCCESS;
    }
    if (add_last_line(task, failed ? 'E' : 'I', "%s", reason) != APR_SUCCESS
        || (fd = openat(task, RETRACE_FILE_WORKER_LOG, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
        /* The log could not be continued: the reason must still be told. */
        return retrace_fs_replace(task, RETRACE_FILE_LOG, reason, strlen(reason), 0640, true, err);
    }
    rc = fsync(fd);
    (void)close(fd);
    if (rc != 0 || renameat(task, RETRACE_FILE_WORKER_LOG, task, RETRACE_FILE_LOG) != 0
        || fsync(task) != 0) {
        return retrace_fail(err, errno, "publish %s", RETRACE_FILE_LOG);
    }
    return APR_SUCCESS;
}

apr_status_t retrace_spool_finish(int task, const char *backtrace, apr_size_t length,
                                  const char *reason, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    bool failed;

    if (retrace_fs_exists(task, RETRACE_FILE_FINISHED)) {
        return APR_SUCCESS;
    }
    if (backtrace != NULL) {
        rv = retrace_fs_replace(task, RETRACE_FILE_BACKTRACE, backtrace, length, 0640, true, err);
    }
    /* A worker that died right after publishing its backtrace has succeeded. */
    failed = !retrace_fs_exists(task, RETRACE_FILE_BACKTRACE);
    if (rv == APR_SUCCESS) {
        rv = publish_log(task, reason, failed, err);
    }
    if (rv == APR_SUCCESS) {
        rv = write_number(task, RETRACE_FILE_STATUS,
                          failed ? RETRACE_STAGE_FAIL : RETRACE_STAGE_SUCCESS, false, err);
    }
    if (rv == APR_SUCCESS) {
        rv = write_number(task, RETRACE_FILE_FINISHED, (apr_int64_t)time(NULL), true, err);
    }
    return rv;
}

apr_status_t retrace_spool_clean(int task, retrace_error_t *err, apr_pool_t *scratch)
{
    static const char *const leftovers[] = { RETRACE_FILE_WORKER_LOG, RETRACE_FILE_BOOT_ID,
                                             RETRACE_FILE_ATTEMPTS, RETRACE_FILE_CANCEL };
    retrace_task_type_t type = retrace_spool_task_type(task, scratch);
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    if (type != RETRACE_TASK_DEBUG && !retrace_task_type_is_interactive(type)) {
        rv = retrace_fs_remove(task, RETRACE_DIR_CRASH, err);
    }
    for (i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]) && rv == APR_SUCCESS; i++) {
        rv = retrace_fs_remove(task, leftovers[i], err);
    }
    return rv == APR_SUCCESS ? retrace_fs_remove_unfinished(task, err) : rv;
}

retrace_task_type_t retrace_spool_task_type(int task, apr_pool_t *scratch)
{
    const char *text = NULL;

    (void)retrace_fs_read(&text, NULL, task, RETRACE_FILE_TYPE, RETRACE_SMALL_MAX, NULL, scratch);
    return retrace_task_type_parse(text);
}

const char *retrace_spool_boot_id(apr_pool_t *p)
{
    char buffer[64];
    ssize_t length;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return "";
    }
    length = read(fd, buffer, sizeof(buffer));
    (void)close(fd);
    return length > 0 ? apr_pstrmemdup(p, buffer, (apr_size_t)length) : "";
}
