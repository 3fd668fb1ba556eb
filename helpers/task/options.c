/* SPDX-License-Identifier: Apache-2.0 */
/* See options.h. Commands and options are tables; help, man page and completion name the same. */
#include "helpers/task/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/text.h"
#include "helpers/task/url.h"
#include "lib/id.h"

typedef enum argument_t { ARGUMENT_SOURCE, ARGUMENT_ID } argument_t;

typedef struct command_rule_t {
    const char *name;
    task_command_t command;
    argument_t argument;
    bool json; /* --json means something */
} command_rule_t;

static const command_rule_t commands[] = {
    { "create", TASK_COMMAND_CREATE, ARGUMENT_SOURCE, true },
    { "batch", TASK_COMMAND_BATCH, ARGUMENT_SOURCE, true },
    { "status", TASK_COMMAND_STATUS, ARGUMENT_ID, true },
    { "backtrace", TASK_COMMAND_BACKTRACE, ARGUMENT_ID, true },
    { "log", TASK_COMMAND_LOG, ARGUMENT_ID, false },
    { "delete", TASK_COMMAND_DELETE, ARGUMENT_ID, false },
    { "cancel", TASK_COMMAND_CANCEL, ARGUMENT_ID, false },
};

enum { OPTION_HELP = 256, OPTION_VERSION, OPTION_FIRST_TEXT };

typedef enum kind_t { KIND_TEXT, KIND_NUMBER, KIND_FLAG, KIND_ACTION } kind_t;

typedef struct option_rule_t {
    const char *name;
    int letter; /* or one of the numbers above */
    kind_t kind;
    size_t offset; /* in task_options_t */
    int64_t min;
    int64_t max;
} option_rule_t;

#define FIELD(name) offsetof(task_options_t, name)
#define TEXT(n)     (OPTION_FIRST_TEXT + (n))

static const option_rule_t rules[] = {
    { "server", 's', KIND_TEXT, FIELD(url), 0, 0 },
    { "insecure", 'k', KIND_FLAG, FIELD(insecure), 0, 0 },
    { "cacert", TEXT(0), KIND_TEXT, FIELD(cacert), 0, 0 },
    { "password", 'p', KIND_TEXT, FIELD(password), 0, 0 },
    { "password-file", TEXT(1), KIND_TEXT, FIELD(password_file), 0, 0 },
    { "output", 'o', KIND_TEXT, FIELD(output), 0, 0 },
    { "type", 't', KIND_NUMBER, FIELD(type), 0, TASK_MAX_TYPE },
    { "package", TEXT(2), KIND_TEXT, FIELD(package), 0, 0 },
    { "executable", TEXT(3), KIND_TEXT, FIELD(executable), 0, 0 },
    { "os-release", TEXT(4), KIND_TEXT, FIELD(os_release), 0, 0 },
    { "delay", TEXT(5), KIND_NUMBER, FIELD(delay_s), 1, TASK_MAX_DELAY_S },
    { "timeout", TEXT(6), KIND_NUMBER, FIELD(timeout_s), 1, TASK_MAX_DELAY_S },
    { "no-sync", TEXT(7), KIND_FLAG, FIELD(no_sync), 0, 0 },
    { "json", TEXT(8), KIND_FLAG, FIELD(json), 0, 0 },
    { "quiet", 'q', KIND_FLAG, FIELD(quiet), 0, 0 },
    { "verbose", 'v', KIND_FLAG, FIELD(verbose), 0, 0 },
    { "help", OPTION_HELP, KIND_ACTION, 0, 0, 0 },
    { "version", OPTION_VERSION, KIND_ACTION, 0, 0, 0 },
};

#define RULES   (sizeof(rules) / sizeof(rules[0]))
#define LETTERS ":s:kp:o:t:qv" /* ':' first: a missing value is told apart */

static apr_status_t refuse(retrace_error_t *err, const char *what, const char *name)
{
    return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE), "%s %s", name, what);
}

/* --- One option ---------------------------------------------------------------------------- */

static const option_rule_t *find_rule(int letter)
{
    size_t i;

    for (i = 0; i < RULES; i++) {
        if (rules[i].letter == letter) {
            return &rules[i];
        }
    }
    return NULL;
}

static apr_status_t take_number(task_options_t *options, const option_rule_t *rule,
                                const char *text, retrace_error_t *err)
{
    char *field = (char *)options + rule->offset;
    char *end = NULL;
    int64_t value = strtoll(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < rule->min || value > rule->max) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE), "--%s wants a number from %d to %d",
                            rule->name, (int)rule->min, (int)rule->max);
    }
    memcpy(field, &value, sizeof(value));
    return APR_SUCCESS;
}

static apr_status_t take(task_options_t *options, const option_rule_t *rule, const char *text,
                         retrace_error_t *err)
{
    char *field = (char *)options + rule->offset;

    switch (rule->kind) {
    case KIND_TEXT:
        memcpy(field, &text, sizeof(text));
        return APR_SUCCESS;
    case KIND_NUMBER:
        return take_number(options, rule, text, err);
    case KIND_FLAG:
        *(bool *)field = true;
        return APR_SUCCESS;
    case KIND_ACTION:
        break;
    }
    options->command = rule->letter == OPTION_HELP ? TASK_COMMAND_HELP : TASK_COMMAND_VERSION;
    return APR_SUCCESS;
}

static apr_status_t take_all(task_options_t *options, bool *pdone, int argc, char *argv[],
                             retrace_error_t *err)
{
    struct option table[RULES + 1] = { { 0 } };
    apr_status_t rv = APR_SUCCESS;
    int letter;
    size_t i;

    for (i = 0; i < RULES; i++) {
        table[i].name = rules[i].name;
        table[i].val = rules[i].letter;
        table[i].has_arg = rules[i].kind == KIND_TEXT || rules[i].kind == KIND_NUMBER;
    }
    optind = 0; /* begin anew, also in a process that has parsed before */
    while (rv == APR_SUCCESS && !*pdone
           && (letter = getopt_long(argc, argv, LETTERS, table, NULL)) != -1) {
        const option_rule_t *rule = find_rule(letter);

        if (rule == NULL) {
            return refuse(err, letter == ':' ? "wants a value" : "is no option, see --help",
                          argv[optind - 1]);
        }
        rv = take(options, rule, optarg, err);
        *pdone = rule->kind == KIND_ACTION;
    }
    return rv;
}

/* --- Command and argument ------------------------------------------------------------------ */

static const command_rule_t *find_command(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static apr_status_t take_command(task_options_t *options, int argc, char *argv[],
                                 retrace_error_t *err)
{
    const command_rule_t *rule;

    if (argc == 0) {
        return refuse(err, "is missing, see --help", "the command");
    }
    rule = find_command(argv[0]);
    if (rule == NULL) {
        return refuse(err, "is no command, see --help", argv[0]);
    }
    if (argc != 2) {
        return refuse(err, rule->argument == ARGUMENT_SOURCE ? "wants one source" : "wants one id",
                      argv[0]);
    }
    if (options->json && !rule->json) {
        return refuse(err, "has no --json", argv[0]);
    }
    options->command = rule->command;
    if (rule->argument == ARGUMENT_SOURCE) {
        options->source = argv[1];
    }
    else if (!retrace_id_parse(argv[1], &options->id)) {
        return refuse(err, "is no task id: those have nine digits", argv[1]);
    }
    return APR_SUCCESS;
}

/* --- What belongs together ----------------------------------------------------------------- */

static apr_status_t check_password(task_options_t *options, const task_environment_t *environment,
                                   retrace_error_t *err)
{
    if (options->password != NULL && options->password_file != NULL) {
        return refuse(err, "exclude each other", "--password and --password-file");
    }
    if (options->password == NULL && options->password_file == NULL) {
        options->password = environment->password;
    }
    if (options->password != NULL && !task_text_is_word(options->password, TASK_PASSWORD_MAX)) {
        return refuse(err, "must be 1 to 128 printable characters without blanks", "the password");
    }
    if (options->source == NULL && options->password == NULL && options->password_file == NULL) {
        return refuse(err, "is missing: use --password-file, or RETRACE_TASK_PASSWORD",
                      "the password");
    }
    return APR_SUCCESS;
}

static apr_status_t check_members(const task_options_t *options, retrace_error_t *err)
{
    if (options->executable != NULL && options->executable[0] != '/') {
        return refuse(err, "wants an absolute path", "--executable");
    }
    if (options->package != NULL && !task_text_is_word(options->package, RETRACE_ERROR_MAX)) {
        return refuse(err, "wants a name without blanks", "--package");
    }
    return APR_SUCCESS;
}

apr_status_t task_options_parse(task_options_t *options, int argc, char *argv[],
                                const task_environment_t *environment, retrace_error_t *err,
                                apr_pool_t *p)
{
    task_options_t given = { .delay_s = TASK_DEFAULT_DELAY_S };
    bool done = false;
    apr_status_t rv;

    opterr = 0; /* one sentence, ours */
    rv = take_all(&given, &done, argc, argv, err);
    if (rv == APR_SUCCESS && !done) {
        rv = take_command(&given, argc - optind, argv + optind, err);
    }
    if (rv == APR_SUCCESS && !done) {
        rv = check_password(&given, environment, err);
    }
    if (rv == APR_SUCCESS && !done) {
        rv = check_members(&given, err);
    }
    if (rv == APR_SUCCESS && !done) {
        const char *url = given.url != NULL ? given.url : environment->url;

        rv = task_url_complete(&given.url, url != NULL ? url : TASK_DEFAULT_URL, err, p);
    }
    if (rv == APR_SUCCESS) {
        if (given.output != NULL && strcmp(given.output, "-") == 0) {
            given.output = NULL;
        }
        *options = given;
    }
    return rv;
}
