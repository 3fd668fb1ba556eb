/* SPDX-License-Identifier: Apache-2.0 */
/* See task.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/task.h"

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
#include "mod_retrace/guard.h"
#include "mod_retrace/helper.h"
#include "mod_retrace/late.h"
#include "mod_retrace/reply.h"

APLOG_USE_MODULE(retrace);

#define START_PAUSE_S 10 /* seconds between two attempts of a child to wake a dead dispatcher */

apr_status_t mr_task_open(mr_task_t *task, const retrace_config_t *config, retrace_error_t *err)
{
    apr_status_t rv = retrace_fs_open_dir(&task->root, AT_FDCWD, config->save_dir, err);

    if (rv != APR_SUCCESS) {
        return APR_STATUS_IS_ENOENT(rv) ? APR_EGENERAL : rv; /* that is no missing task */
    }
    rv = retrace_spool_open_task(&task->directory, task->root, task->id, err);
    if (rv != APR_SUCCESS) {
        mr_task_close(task);
    }
    return rv;
}

void mr_task_close(mr_task_t *task)
{
    if (task->directory >= 0) {
        (void)close(task->directory);
    }
    if (task->root >= 0) {
        (void)close(task->root);
    }
    task->directory = task->root = -1;
}

retrace_task_state_t mr_task_state(const mr_task_t *task)
{
    return retrace_spool_task_state(task->root, task->directory, task->id);
}

bool mr_task_is_gone(const mr_task_t *task)
{
    struct stat info;

    return fstat(task->directory, &info) != 0 || info.st_nlink == 0;
}

static bool password_matches(request_rec *r, const mr_task_t *task)
{
    const char *sent = apr_table_get(r->headers_in, "X-Task-Password");
    const char *stored = NULL;
    apr_size_t length = 0;

    if (sent == NULL
        || retrace_fs_read(&stored, &length, task->directory, RETRACE_FILE_PASSWORD,
                           RETRACE_SMALL_MAX, NULL, r->pool)
            != APR_SUCCESS) {
        return false;
    }
    return retrace_secret_matches(stored, length, sent);
}

static int serve_opened(request_rec *r, const mr_task_t *task,
                        int (*endpoint)(request_rec *r, const mr_task_t *task))
{
    if (!password_matches(r, task)) {
        mr_guard_note_failure(r);
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "The password of this task is another one.");
    }
    return endpoint(r, task);
}

int mr_task_serve(request_rec *r, mr_task_t *task,
                  int (*endpoint)(request_rec *r, const mr_task_t *task))
{
    retrace_error_t err;
    apr_status_t rv;
    int retry_s = mr_guard_throttle_s(r);
    int result;

    if (retry_s > 0) {
        return mr_late_refusal(r, retry_s);
    }
    rv = mr_task_open(task, mr_server_of(r->server)->config, &err);
    if (APR_STATUS_IS_ENOENT(rv)) {
        /* Guessing ids is the first half of guessing passwords. */
        mr_guard_note_failure(r);
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "There is no such task.");
    }
    if (rv != APR_SUCCESS) {
        return mr_reply_error(r, &err);
    }
    result = serve_opened(r, task, endpoint);
    mr_task_close(task);
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

void mr_task_wake_dispatcher(request_rec *r, const mr_task_t *task)
{
    mr_server_t *server = mr_server_of(r->server);
    mr_helper_t *helper = NULL;
    retrace_error_t err;

    /* A managed task waits for an admin, not for a dispatcher. */
    if (mr_task_state(task) == RETRACE_TASK_WAITING || !heartbeat_is_stale(task->root)
        || !mr_helper_is_time(&server->child, &server->child.last_start, START_PAUSE_S)) {
        return;
    }
    if (mr_helper_start(&helper, server, "start", task->id, false, &err, r->pool) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, RETRACE_LOGNO(0006) "%s", err.text);
        return;
    }
    mr_helper_leave(helper);
}
