/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of retrace-server-task, as typed values. */
#ifndef RETRACE_TASK_OPTIONS_H
#define RETRACE_TASK_OPTIONS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define TASK_DEFAULT_URL     "https://localhost/"
#define TASK_DEFAULT_DELAY_S 10
#define TASK_MAX_DELAY_S     3600 /* of --delay and --timeout */
#define TASK_MAX_TYPE        4
#define TASK_PASSWORD_MAX    128 /* characters */

typedef enum task_command_t {
    TASK_COMMAND_HELP,
    TASK_COMMAND_VERSION,
    TASK_COMMAND_CREATE,
    TASK_COMMAND_BATCH,
    TASK_COMMAND_STATUS,
    TASK_COMMAND_BACKTRACE,
    TASK_COMMAND_LOG,
    TASK_COMMAND_DELETE,
    TASK_COMMAND_CANCEL
} task_command_t;

/** Values of the environment; NULL: not set. */
typedef struct task_environment_t {
    const char *url;      /* RETRACE_SERVER_URL */
    const char *password; /* RETRACE_TASK_PASSWORD */
} task_environment_t;

/** Texts are NULL when they were not given. */
typedef struct task_options_t {
    task_command_t command;
    const char *source;        /* of create and batch */
    uint32_t id;               /* of the others */
    const char *url;           /* normalized: scheme, host, a path that ends with '/' */
    const char *password;      /* from -p or the environment, a word */
    const char *password_file; /* to be read; then password is NULL. "-": standard input */
    const char *cacert;
    const char *output; /* "-" is turned into NULL: standard output */
    const char *package;
    const char *executable;
    const char *os_release;
    int64_t type;
    int64_t delay_s;
    int64_t timeout_s; /* 0: the default of each request */
    bool insecure;
    bool no_sync;
    bool json;
    bool quiet;
    bool verbose;
} task_options_t;

/**
 * Read a command line. Touches no file.
 * @param options      written only on success; texts in argv, in `environment`, or in p
 * @param argv         its order may change (getopt_long)
 * @return TASK_STATUS(TASK_EXIT_USAGE) for a wrong one
 */
apr_status_t task_options_parse(task_options_t *options, int argc, char *argv[],
                                const task_environment_t *environment, retrace_error_t *err,
                                apr_pool_t *p);

/** What --help prints. */
const char *task_options_help(void);

#endif
