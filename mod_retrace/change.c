/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a task's password may do with it: cancel it, and delete it. The helper does it,
 * as the spool's owner. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <http_log.h>

#include "lib/id.h"
#include "mod_retrace/helper.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

APLOG_USE_MODULE(retrace);

/* Exit codes of retrace-task-edit(8). */
#define EDIT_DONE    0
#define EDIT_NO_TASK 66
#define EDIT_BUSY    75

#define EDIT_WAIT_MS 60000 /* to remove large crash data takes its time */

/* @return the helper's exit code, or -1 when it could not be started */
static int run_helper(request_rec *r, const mr_task_t *task, const char *verb, retrace_error_t *err)
{
    mr_helper_t *helper = NULL;
    int code;

    if (mr_helper_start(&helper, mr_server_of(r->server), verb, task->id, false, err, r->pool)
        != APR_SUCCESS) {
        return -1;
    }
    code = mr_helper_wait(helper, EDIT_WAIT_MS);
    (void)retrace_fail(err, APR_EGENERAL, "retrace-helper %s %s ended with code %d", verb,
                       retrace_id_format(task->id).text, code);
    return code;
}

static int answer(request_rec *r, const mr_task_t *task, const char *verb, const char *done)
{
    retrace_error_t err;

    switch (run_helper(r, task, verb, &err)) {
    case EDIT_DONE:
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, RETRACE_LOGNO(0012) "task %s: %s by its owner",
                      retrace_id_format(task->id).text, verb);
        return mr_reply_text(r, HTTP_OK, done);
    case EDIT_NO_TASK:
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "There is no such task.");
    case EDIT_BUSY:
        return mr_reply_refusal(r, HTTP_CONFLICT, "The task has not ended: cancel it first.");
    default:
        return mr_reply_error(r, &err);
    }
}

int mr_task_delete(request_rec *r, const mr_task_t *task)
{
    return answer(r, task, "delete", "The task is deleted.");
}

int mr_task_cancel(request_rec *r, const mr_task_t *task)
{
    if (retrace_task_is_final(mr_task_state(task))) {
        return mr_reply_refusal(r, HTTP_CONFLICT, "The task has ended already.");
    }
    return answer(r, task, "cancel", "The task will be cancelled.");
}
