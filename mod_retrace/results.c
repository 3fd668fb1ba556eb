/* SPDX-License-Identifier: Apache-2.0 */
/* What a task leaves for its owner: backtrace, log, and the files of results/. */
#include "mod_retrace/mod_retrace.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/spool.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

#define KEY_MAX 64 /* characters of the name of a result */

/* @return -1 when there is no regular file of this name */
static int open_regular(apr_off_t *plength, int directory, const char *name)
{
    struct stat info;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *plength = info.st_size;
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

/* Nothing is served before the task has ended: finished_time comes last. */
static int serve_file(request_rec *r, const mr_task_t *task, int directory, const char *name,
                      const char *type, const char *missing)
{
    apr_off_t length = 0;
    int fd = -1;

    if (retrace_task_is_final(mr_task_state(task)) && directory >= 0) {
        fd = open_regular(&length, directory, name);
    }
    return fd >= 0 ? mr_reply_file(r, type, fd, length)
                   : mr_reply_refusal(r, HTTP_NOT_FOUND, missing);
}

static int serve_result(request_rec *r, const mr_task_t *task, const char *name, const char *type,
                        const char *missing)
{
    int results = -1;
    int result;

    (void)retrace_fs_open_dir(&results, task->directory, RETRACE_DIR_RESULTS, NULL);
    result = serve_file(r, task, results, name, type, missing);
    if (results >= 0) {
        (void)close(results);
    }
    return result;
}

int mr_task_backtrace(request_rec *r, const mr_task_t *task)
{
    if (mr_query_wants_json(r)) {
        return serve_result(r, task, RETRACE_RESULT_FRAMES, MR_TYPE_JSON,
                            "There is no backtrace in parts: the task has not ended, it failed, or "
                            "the server's gdb has no Python.");
    }
    return serve_file(r, task, task->directory, RETRACE_FILE_BACKTRACE, MR_TYPE_TEXT,
                      "There is no backtrace: the task has not ended, or it failed.");
}

/* The log as it is now. */
static int serve_live_log(request_rec *r, const mr_task_t *task)
{
    apr_off_t length = 0;
    int fd = open_regular(&length, task->directory, RETRACE_FILE_WORKER_LOG);

    if (fd < 0) { /* it may just have got its final name */
        fd = open_regular(&length, task->directory, RETRACE_FILE_LOG);
    }
    return fd >= 0 ? mr_reply_file(r, MR_TYPE_TEXT, fd, length)
                   : mr_reply_refusal(r, HTTP_NOT_FOUND,
                                      "There is no log yet: no worker has begun with the task.");
}

int mr_task_log(request_rec *r, const mr_task_t *task)
{
    if (mr_query_number(r, "follow", 1) == 1) {
        return serve_live_log(r, task);
    }
    return serve_file(r, task, task->directory, RETRACE_FILE_LOG, MR_TYPE_TEXT,
                      "There is no log yet: the task has not ended.");
}

int mr_task_exploitable(request_rec *r, const mr_task_t *task)
{
    return serve_result(r, task, RETRACE_RESULT_EXPLOITABLE, MR_TYPE_TEXT,
                        "There is no rating: the task has not ended, it failed, or nothing can be "
                        "said of this crash.");
}

static bool is_key(const char *key)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    return key[0] != '\0' && key[0] != '.' && key[0] != '-' && strlen(key) <= KEY_MAX
        && strspn(key, allowed) == strlen(key);
}

int mr_task_result(request_rec *r, const mr_task_t *task)
{
    static const char missing[] = "There is no such result.";
    static const char json[] = ".json";
    size_t length = strlen(task->key);
    bool is_json;

    if (!is_key(task->key)) {
        return mr_reply_refusal(r, HTTP_NOT_FOUND, missing);
    }
    is_json = length > strlen(json) && strcmp(task->key + length - strlen(json), json) == 0;
    return serve_result(r, task, task->key, is_json ? MR_TYPE_JSON : MR_TYPE_TEXT, missing);
}
