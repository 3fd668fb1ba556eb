/* SPDX-License-Identifier: Apache-2.0 */
/* GET /<id>: the state of a task, as the text that clients compare or as JSON, at once or as soon as
 * it changes. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/estimate.h"
#include "lib/facts.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/spool.h"
#include "mod_retrace/load.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"
#include "mod_retrace/wait.h"

#define WAIT_MAX_S 55 /* libsoup's clients give up after 60 s without a byte */

/* --- JSON ------------------------------------------------------------------------------------ */

static void add_time(json_t *object, const char *key, const mr_task_t *task, const char *name,
                     apr_pool_t *p)
{
    const char *text = NULL;

    if (retrace_fs_read(&text, NULL, task->directory, name, RETRACE_SMALL_MAX, NULL, p)
        == APR_SUCCESS) {
        json_object_set_new(object, key, json_integer(apr_atoi64(text)));
    }
}

/* The first file of a task is written when its upload begins. */
static void add_created(json_t *object, const mr_task_t *task)
{
    struct stat info;

    if (fstatat(task->directory, RETRACE_FILE_PASSWORD, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        json_object_set_new(object, "created", json_integer(info.st_mtim.tv_sec));
    }
}

static void add_timings(json_t *object, const retrace_facts_t *facts)
{
    json_t *timings = json_object();
    int i;

    for (i = 0; i < RETRACE_TIMINGS; i++) {
        if (facts->timing_ms[i] >= 0) {
            json_object_set_new(timings, retrace_timing_name((retrace_timing_t)i),
                                json_integer(facts->timing_ms[i]));
        }
    }
    json_object_set_new(object, "timings_ms", timings);
}

static void add_known(json_t *object, const char *key, const char *value)
{
    if (strcmp(value, RETRACE_FACT_UNKNOWN) != 0) {
        json_object_set_new(object, key, json_string(value));
    }
}

/* What the run found out; it is there when the task has ended. */
static void add_facts(json_t *object, const mr_task_t *task, apr_pool_t *p)
{
    const char *text = NULL;
    const retrace_facts_t *facts;

    if (retrace_fs_read(&text, NULL, task->directory, RETRACE_FILE_FACTS, RETRACE_FACTS_MAX, NULL,
                        p)
        != APR_SUCCESS) {
        return;
    }
    facts = retrace_facts_parse(text, p);
    add_known(object, "package", facts->package);
    add_known(object, "release", facts->release);
    add_known(object, "arch", facts->arch);
    json_object_set_new(object, "missing_files", json_integer(facts->missing->nelts));
    add_timings(object, facts);
}

static const char *state_name(retrace_task_state_t state)
{
    static const char *const names[] = {
        [RETRACE_TASK_RECEIVING] = "receiving", [RETRACE_TASK_WAITING] = "waiting",
        [RETRACE_TASK_QUEUED] = "queued",       [RETRACE_TASK_RUNNING] = "running",
        [RETRACE_TASK_SUCCEEDED] = "succeeded", [RETRACE_TASK_FAILED] = "failed",
    };

    return names[state];
}

static int percent(retrace_task_state_t state, int stage)
{
    if (retrace_task_is_final(state)) {
        return 100;
    }
    return stage >= 0 && state == RETRACE_TASK_RUNNING ? retrace_task_stage_percent(stage) : 0;
}

static void add_position(json_t *object, const retrace_config_t *config, const mr_task_t *task,
                         apr_pool_t *p)
{
    const char *text = mr_load_statistics(config, RETRACE_FILE_ESTIMATES, RETRACE_ESTIMATES_MAX, p);
    int64_t any_s = retrace_estimate_find(text, NULL, NULL);
    int ahead = mr_load_ahead(task->root, task->id, p);

    if (ahead >= 0) {
        json_object_set_new(object, "queue_position", json_integer(ahead + 1));
        json_object_set_new(object, "estimated_seconds",
                            json_integer(retrace_estimate_wait(any_s, any_s, ahead + 1,
                                                               config->max_parallel_tasks)));
    }
}

static json_t *describe(request_rec *r, const mr_task_t *task, retrace_task_state_t state,
                        const char *text, int stage)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", retrace_id_format(task->id).text,
                               "status", retrace_task_status_word(state), "state",
                               state_name(state), "text", text, "percent", percent(state, stage));

    if (object == NULL) {
        return NULL;
    }
    json_object_set_new(object, "stage", stage >= 0 ? json_integer(stage) : json_null());
    json_object_set_new(object, "type",
                        json_integer(retrace_spool_task_type(task->directory, r->pool)));
    add_created(object, task);
    add_time(object, "started", task, RETRACE_FILE_STARTED, r->pool);
    add_time(object, "finished", task, RETRACE_FILE_FINISHED, r->pool);
    if (state == RETRACE_TASK_QUEUED) {
        add_position(object, mr_server_of(r->server)->config, task, r->pool);
    }
    if (retrace_task_is_final(state)) {
        add_facts(object, task, r->pool);
    }
    return object;
}

/* --- The answer ------------------------------------------------------------------------------ */

static void tell_position(request_rec *r, const mr_task_t *task)
{
    int ahead = mr_load_ahead(task->root, task->id, r->pool);

    if (ahead >= 0) {
        apr_table_setn(r->headers_out, "X-Task-Queue-Position", apr_itoa(r->pool, ahead + 1));
    }
}

static int answer(request_rec *r, const mr_task_t *task)
{
    retrace_task_state_t state = mr_task_state(task);
    int stage = retrace_spool_task_stage(task->directory, r->pool);
    const char *word = retrace_task_status_word(state);
    const char *text = retrace_task_stage_text(stage);

    text = text != NULL ? text : word;
    apr_table_setn(r->headers_out, "X-Task-Status", word);
    if (state == RETRACE_TASK_QUEUED) {
        tell_position(r, task);
    }
    if (mr_query_wants_json(r)) {
        return mr_reply_json(r, HTTP_OK, describe(r, task, state, text, stage));
    }
    return mr_reply_text(r, HTTP_OK, text);
}

/* --- Waiting for a change -------------------------------------------------------------------- */

typedef struct change_t {
    mr_task_t task;
    retrace_task_state_t state;
    struct stat status; /* of the file that tells the stage; zeros: there is none */
    int64_t until_ms;
} change_t;

static apr_status_t close_task(void *data)
{
    mr_task_close(data);
    return APR_SUCCESS;
}

static void look_at_status(struct stat *info, const mr_task_t *task)
{
    if (fstatat(task->directory, RETRACE_FILE_STATUS, info, AT_SYMLINK_NOFOLLOW) != 0) {
        memset(info, 0, sizeof(*info));
    }
}

/* The file is replaced, never changed: another one has another number, or another time. */
static bool has_changed(void *baton, int64_t now_ms, bool stopping)
{
    const change_t *change = baton;
    struct stat info;

    if (stopping || now_ms >= change->until_ms || mr_task_is_gone(&change->task)
        || mr_task_state(&change->task) != change->state) {
        return true;
    }
    look_at_status(&info, &change->task);
    return info.st_ino != change->status.st_ino
        || memcmp(&info.st_mtim, &change->status.st_mtim, sizeof(info.st_mtim)) != 0;
}

static bool answer_change(void *baton, request_rec *r)
{
    const change_t *change = baton;

    if (mr_task_is_gone(&change->task)) {
        (void)mr_reply_refusal(r, HTTP_NOT_FOUND, "There is no such task.");
    }
    else {
        (void)answer(r, &change->task);
    }
    return true;
}

static const mr_wait_kind_t change_kind = { has_changed, answer_change, true };

/* The descriptors of the request's handler are closed when it returns; these are not. */
static change_t *watch(request_rec *r, const mr_task_t *task, int wait_s)
{
    change_t *change = apr_pcalloc(r->pool, sizeof(*change));

    change->task = *task;
    change->task.root = fcntl(task->root, F_DUPFD_CLOEXEC, 0);
    change->task.directory = fcntl(task->directory, F_DUPFD_CLOEXEC, 0);
    apr_pool_cleanup_register(r->pool, &change->task, close_task, apr_pool_cleanup_null);
    if (change->task.root < 0 || change->task.directory < 0) {
        return NULL;
    }
    look_at_status(&change->status, task);
    change->state = mr_task_state(task);
    change->until_ms = retrace_clock_ms() + INT64_C(1000) * wait_s;
    return change;
}

int mr_task_status(request_rec *r, const mr_task_t *task)
{
    int wait_s = mr_query_number(r, "wait", WAIT_MAX_S);
    change_t *change;
    int result = DECLINED;

    if (!retrace_task_is_final(mr_task_state(task))) {
        mr_task_wake_dispatcher(r, task);
        change = wait_s > 0 ? watch(r, task, wait_s) : NULL;
        if (change != NULL && !retrace_task_is_final(change->state)) {
            result = mr_wait(r, &change_kind, change);
        }
    }
    return result != DECLINED ? result : answer(r, task);
}
