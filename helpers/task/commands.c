/* SPDX-License-Identifier: Apache-2.0 */
/* See commands.h. */
#include "helpers/task/commands.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/create.h"
#include "helpers/task/exit.h"
#include "helpers/task/follow.h"
#include "helpers/task/json.h"
#include "helpers/task/output.h"
#include "helpers/task/password.h"
#include "helpers/task/text.h"
#include "lib/id.h"

typedef struct command_t command_t;

/* A command under way. */
typedef struct run_t {
    const command_t *command;
    task_session_t session;
    task_key_t key; /* of commands about a task */
    retrace_error_t *err;
    apr_pool_t *pool;
} run_t;

struct command_t {
    task_command_t command;
    apr_status_t (*run)(run_t *run);
    const char *path;        /* behind the id */
    task_feature_t feature;  /* that the server must announce; TASK_FEATURES: none */
    bool without_announcing; /* servers that announce nothing may have it */
};

static apr_status_t write_text(const run_t *run, const char *text, apr_size_t length)
{
    return task_output_write(run->session.options->output, text, length, run->err, run->pool);
}

static apr_status_t write_json(const run_t *run, const task_reply_t *reply)
{
    json_t *object = NULL;
    const char *text = NULL;
    apr_status_t rv = task_json_load(&object, reply->body, reply->length, run->err, run->pool);

    if (rv == APR_SUCCESS) {
        rv = task_json_print(&text, object, run->err, run->pool);
    }
    return rv == APR_SUCCESS ? write_text(run, text, strlen(text)) : rv;
}

/* --- A task that is there ------------------------------------------------------------------ */

static apr_status_t show_status(run_t *run)
{
    bool json = run->session.options->json;
    task_state_t state = { 0 };
    task_reply_t reply = { 0 };
    task_exit_t code;
    apr_status_t rv =
        task_session_state(&state, &reply, &run->session, &run->key, json, 0, run->err, run->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (json) {
        rv = write_json(run, &reply);
    }
    else {
        const char *text = apr_psprintf(run->pool, "Task Status: %s\n%s\n",
                                        task_word_text(state.word), state.text);

        rv = write_text(run, text, strlen(text));
    }
    code = task_word_exit(state.word);
    return rv == APR_SUCCESS && code != TASK_EXIT_OK ? TASK_STATUS(code) : rv;
}

static apr_status_t show_result(run_t *run)
{
    bool json = run->session.options->json;
    task_reply_t reply = { 0 };
    apr_status_t rv = task_session_result(&reply, &run->session, &run->key, run->command->path,
                                          json, run->err, run->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    return json ? write_json(run, &reply) : write_text(run, reply.body, reply.length);
}

static apr_status_t require_feature(run_t *run)
{
    const command_t *command = run->command;
    task_settings_t settings = { 0 };
    apr_status_t rv = task_session_settings(&settings, &run->session, run->err, run->pool);

    if (rv == APR_SUCCESS && !TASK_HAS(settings.features, command->feature)
        && (settings.has_features || !command->without_announcing)) {
        return retrace_fail(run->err, TASK_STATUS(TASK_EXIT_UNAVAILABLE),
                            "the server does not %s tasks", command->path);
    }
    return rv;
}

static apr_status_t change_task(run_t *run)
{
    const task_request_t request = {
        .path = apr_pstrcat(run->pool, run->key.id, "/", run->command->path, NULL),
        .password = run->key.password,
        .max_bytes = TASK_BODY_MAX,
        .is_post = true,
    };
    task_reply_t reply = { 0 };
    apr_status_t rv = require_feature(run);

    if (rv == APR_SUCCESS) {
        rv = task_server_ask(&reply, run->session.server, &request, run->err, run->pool);
    }
    if (rv == APR_SUCCESS && (reply.status < 200 || reply.status >= 300)) {
        rv = task_reply_fail(&reply, TASK_EXIT_NO_TASK, run->err, run->pool);
    }
    return rv;
}

/* --- A new task ---------------------------------------------------------------------------- */

static apr_status_t create_task(run_t *run)
{
    task_receipt_t receipt = task_receipt_make();
    const char *text = NULL;
    apr_status_t rv = task_create(&receipt, &run->session, false, run->err, run->pool);

    if (rv == APR_SUCCESS) {
        rv = task_receipt_print(&text, &receipt, run->session.setup.url, run->session.options->json,
                                run->err, run->pool);
    }
    return rv == APR_SUCCESS ? write_text(run, text, strlen(text)) : rv;
}

/* Without this the user could not come back to a task that goes on. */
static void say_how_to_go_on(const run_t *run, const task_receipt_t *receipt)
{
    if (run->session.options->quiet) {
        fputs(task_receipt_text(receipt, run->pool), stderr);
    }
    fprintf(stderr, "The task goes on. To look at it: retrace-server-task -s %s status %s\n",
            run->session.setup.url, receipt->key.id);
}

static apr_status_t show_log(run_t *run)
{
    task_reply_t reply = { 0 };
    apr_status_t rv =
        task_session_result(&reply, &run->session, &run->key, "log", false, run->err, run->pool);

    if (rv != APR_SUCCESS && rv != TASK_STATUS(TASK_EXIT_FAILED)) {
        return rv;
    }
    if (rv == APR_SUCCESS) {
        fputs(task_text_clean(reply.body, reply.length, TASK_TEXT_LINES, run->pool), stderr);
    }
    return retrace_fail(run->err, TASK_STATUS(TASK_EXIT_FAILED), "task %s failed", run->key.id);
}

static apr_status_t wait_for_end(run_t *run, const task_receipt_t *receipt)
{
    task_word_t word = receipt->stream.word;
    apr_status_t rv = APR_SUCCESS;

    if (word == TASK_WORD_PENDING) {
        rv = task_follow(&word, &run->session, receipt, run->err, run->pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (word == TASK_WORD_FAILURE) {
        return show_log(run);
    }
    return receipt->stream.length > 0
        ? write_text(run, receipt->stream.backtrace, receipt->stream.length)
        : show_result(run);
}

static apr_status_t batch(run_t *run)
{
    task_receipt_t receipt = task_receipt_make();
    apr_status_t rv = task_create(&receipt, &run->session, true, run->err, run->pool);

    if (rv == APR_SUCCESS) {
        run->key = receipt.key;
        rv = wait_for_end(run, &receipt);
    }
    if (rv != APR_SUCCESS && rv != TASK_STATUS(TASK_EXIT_FAILED) && receipt.key.id != NULL) {
        say_how_to_go_on(run, &receipt);
    }
    return rv;
}

/* --- Choosing ------------------------------------------------------------------------------ */

static const command_t commands[] = {
    { TASK_COMMAND_CREATE, create_task, NULL, TASK_FEATURES, false },
    { TASK_COMMAND_BATCH, batch, "backtrace", TASK_FEATURES, false },
    { TASK_COMMAND_STATUS, show_status, NULL, TASK_FEATURES, false },
    { TASK_COMMAND_BACKTRACE, show_result, "backtrace", TASK_FEATURES, false },
    { TASK_COMMAND_LOG, show_result, "log", TASK_FEATURES, false },
    { TASK_COMMAND_DELETE, change_task, "delete", TASK_FEATURE_DELETE, true },
    { TASK_COMMAND_CANCEL, change_task, "cancel", TASK_FEATURE_CANCEL, false },
};

static const command_t *find_command(task_command_t command)
{
    size_t i = 0;

    while (commands[i].command != command) {
        i++;
    }
    return &commands[i];
}

static apr_status_t make_key(task_key_t *key, const task_options_t *options, retrace_error_t *err,
                             apr_pool_t *p)
{
    retrace_id_text_t id;

    if (options->source != NULL) {
        return APR_SUCCESS;
    }
    id = retrace_id_format(options->id);
    key->id = apr_pstrdup(p, id.text);
    key->password = options->password;
    return options->password_file == NULL
        ? APR_SUCCESS
        : task_password_read(&key->password, options->password_file, err, p);
}

apr_status_t task_command_run(const task_options_t *options, retrace_error_t *err, apr_pool_t *p)
{
    run_t run = { .command = find_command(options->command), .err = err, .pool = p };
    task_session_t *session = &run.session;
    apr_status_t rv = make_key(&run.key, options, err, p);

    session->options = options;
    session->progress.out = isatty(STDERR_FILENO) && !options->quiet ? stderr : NULL;
    session->setup = (task_server_setup_t){
        .url = options->url,
        .cacert = options->cacert,
        .insecure = options->insecure,
        .verbose = options->verbose,
        .timeout_s = options->timeout_s,
        .interrupt = -1,
        .progress = &session->progress,
    };
    if (rv == APR_SUCCESS) {
        rv = task_server_make(&session->server, &session->setup, err, p);
    }
    return rv == APR_SUCCESS ? run.command->run(&run) : rv;
}
