/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoints of one task. httpd reads the spool through its group, and writes nothing there. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <http_log.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/secret.h"
#include "lib/spool.h"
#include "mod_retrace/helper.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

APLOG_USE_MODULE(retrace);

#define START_PAUSE_S 10 /* seconds between two attempts of a child to wake a dead dispatcher */

static bool password_matches(request_rec *r, int task)
{
    const char *sent = apr_table_get(r->headers_in, "X-Task-Password");
    const char *stored = NULL;
    apr_size_t length = 0;

    if (sent == NULL
        || retrace_fs_read(&stored, &length, task, RETRACE_FILE_PASSWORD, RETRACE_SMALL_MAX, NULL,
                           r->pool)
            != APR_SUCCESS) {
        return false;
    }
    return retrace_secret_matches(stored, length, sent);
}

static int serve_found(request_rec *r, uint32_t id, int root, int task,
                       int (*endpoint)(request_rec *r, uint32_t id, int root, int task))
{
    if (!password_matches(r, task)) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "The password of this task is another one.");
    }
    return endpoint(r, id, root, task);
}

int mr_task_serve(request_rec *r, uint32_t id,
                  int (*endpoint)(request_rec *r, uint32_t id, int root, int task))
{
    const char *save_dir = mr_server_of(r->server)->config->save_dir;
    retrace_error_t err;
    int root = -1;
    int task = -1;
    int result;
    apr_status_t rv = retrace_fs_open_dir(&root, AT_FDCWD, save_dir, &err);

    if (rv != APR_SUCCESS) {
        return mr_reply_error(r, &err);
    }
    rv = retrace_spool_open_task(&task, root, id, &err);
    if (rv == APR_SUCCESS) {
        result = serve_found(r, id, root, task, endpoint);
        (void)close(task);
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        result = mr_reply_refusal(r, HTTP_NOT_FOUND, "There is no such task.");
    }
    else {
        result = mr_reply_error(r, &err);
    }
    (void)close(root);
    return result;
}

/* --- A dispatcher that died ------------------------------------------------------------------ */

static bool heartbeat_is_stale(int root)
{
    struct stat info;

    /* In both directions: somebody may have set the clock back. */
    return fstatat(root, RETRACE_FILE_HEARTBEAT, &info, AT_SYMLINK_NOFOLLOW) != 0
        || llabs((long long)(apr_time_sec(apr_time_now()) - info.st_mtime))
        > RETRACE_HEARTBEAT_STALE_S;
}

/* Each child tries at most once in START_PAUSE_S, however many clients ask. */
static bool may_start_now(mr_child_t *child, apr_time_t now)
{
    bool may = false;

    if (child->mutex == NULL) {
        return false;
    }
    apr_thread_mutex_lock(child->mutex);
    if (now - child->last_start >= apr_time_from_sec(START_PAUSE_S) || now < child->last_start) {
        child->last_start = now;
        may = true;
    }
    apr_thread_mutex_unlock(child->mutex);
    return may;
}

static void wake_dispatcher(request_rec *r, uint32_t id, int root)
{
    mr_server_t *server = mr_server_of(r->server);
    mr_helper_t *helper = NULL;
    retrace_error_t err;

    if (!heartbeat_is_stale(root) || !may_start_now(&server->child, r->request_time)) {
        return;
    }
    if (mr_helper_start(&helper, server, "start", id, false, &err, r->pool) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, RETRACE_LOGNO(0006) "%s", err.text);
    }
}

/* --- Endpoints ------------------------------------------------------------------------------- */

int mr_task_status(request_rec *r, uint32_t id, int root, int task)
{
    retrace_task_state_t state = retrace_spool_task_state(root, task, id);
    const char *word = retrace_task_status_word(state);
    const char *text = retrace_task_stage_text(retrace_spool_task_stage(task, r->pool));

    if (!retrace_task_is_final(state)) {
        wake_dispatcher(r, id, root);
    }
    apr_table_setn(r->headers_out, "X-Task-Status", word);
    return mr_reply_text(r, HTTP_OK, text != NULL ? text : word);
}

static int serve_result(request_rec *r, uint32_t id, int root, int task, const char *name,
                        const char *missing)
{
    struct stat info;
    int fd = -1;

    if (retrace_task_is_final(retrace_spool_task_state(root, task, id))) {
        fd = openat(task, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return mr_reply_refusal(r, HTTP_NOT_FOUND, missing);
    }
    return mr_reply_file(r, fd, info.st_size);
}

int mr_task_backtrace(request_rec *r, uint32_t id, int root, int task)
{
    return serve_result(r, id, root, task, RETRACE_FILE_BACKTRACE,
                        "There is no backtrace: the task has not ended, or it failed.");
}

int mr_task_log(request_rec *r, uint32_t id, int root, int task)
{
    return serve_result(r, id, root, task, RETRACE_FILE_LOG,
                        "There is no log yet: the task has not ended.");
}
