/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-task: sends a crash to a retrace server and fetches what comes of it, for users
 * without ABRT. Runs as an ordinary user on the machine with the crash. */
#include <apr_general.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/task/commands.h"
#include "helpers/task/exit.h"
#include "helpers/task/text.h"

static apr_status_t run(int argc, char *argv[], retrace_error_t *err, apr_pool_t *p)
{
    const task_environment_t environment = { .url = getenv("RETRACE_SERVER_URL"),
                                             .password = getenv("RETRACE_TASK_PASSWORD") };
    task_options_t options = { 0 };
    apr_status_t rv = task_options_parse(&options, argc, argv, &environment, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (options.command == TASK_COMMAND_HELP) {
        fputs(task_options_help(), stdout);
        return APR_SUCCESS;
    }
    if (options.command == TASK_COMMAND_VERSION) {
        puts("retrace-server-task " RETRACE_VERSION);
        return APR_SUCCESS;
    }
    return task_command_run(&options, err, p);
}

int main(int argc, char *argv[])
{
    retrace_error_t err = { .text = "" };
    apr_pool_t *pool = NULL;
    apr_status_t rv;

    (void)signal(SIGPIPE, SIG_IGN); /* a reader that is gone is a failed write */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS
        || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("retrace-server-task: no memory\n", stderr);
        return TASK_EXIT_IO;
    }
    rv = run(argc, argv, &err, pool);
    if (rv != APR_SUCCESS && err.text[0] != '\0') {
        fprintf(stderr, "retrace-server-task: %s\n",
                task_text_clean(err.text, strlen(err.text), TASK_TEXT_LINE, pool));
    }
    apr_pool_destroy(pool);
    curl_global_cleanup();
    apr_terminate();
    return (int)task_exit_of(rv);
}
