/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/options.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/options.h"
#include "tests/unit/workspace.h"

#define WORDS_MAX 16

static apr_status_t parse_in(void **state, task_options_t *options, const char *line,
                             const task_environment_t *environment)
{
    workspace_t *ws = *state;
    char *argv[WORDS_MAX + 1] = { apr_pstrdup(ws->pool, "retrace-server-task") };
    char *rest = NULL;
    char *word = apr_strtok(apr_pstrdup(ws->pool, line), " ", &rest);
    int argc = 1;

    for (; word != NULL; word = apr_strtok(NULL, " ", &rest)) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = word;
    }
    return task_options_parse(options, argc, argv, environment, &ws->err, ws->pool);
}

static apr_status_t parse(void **state, task_options_t *options, const char *line)
{
    static const task_environment_t nothing = { NULL, NULL };

    return parse_in(state, options, line, &nothing);
}

static void expect_usage(void **state, const char *line, const char *sentence)
{
    workspace_t *ws = *state;
    task_options_t options;

    ws->err.text[0] = '\0';
    assert_int_equal(parse(state, &options, line), TASK_STATUS(TASK_EXIT_USAGE));
    assert_string_equal(ws->err.text, sentence);
}

static void a_short_line_has_defaults(void **state)
{
    task_options_t options;

    assert_int_equal(parse(state, &options, "create core"), APR_SUCCESS);
    assert_int_equal(options.command, TASK_COMMAND_CREATE);
    assert_string_equal(options.source, "core");
    assert_string_equal(options.url, TASK_DEFAULT_URL);
    assert_int_equal(options.delay_s, TASK_DEFAULT_DELAY_S);
    assert_int_equal(options.timeout_s, 0);
    assert_int_equal(options.type, 0);
    assert_false(options.insecure || options.json || options.quiet || options.verbose);
    assert_null(options.password);
    assert_null(options.output);
}

static void a_long_line_is_taken_in_any_order(void **state)
{
    task_options_t options;

    assert_int_equal(parse(state, &options,
                           "-kqv batch --type 4 core --server=example.com --delay 1 -o out "
                           "--package a-1-2 --executable /bin/a"),
                     APR_SUCCESS);
    assert_int_equal(options.command, TASK_COMMAND_BATCH);
    assert_string_equal(options.url, "https://example.com/");
    assert_string_equal(options.output, "out");
    assert_string_equal(options.package, "a-1-2");
    assert_string_equal(options.executable, "/bin/a");
    assert_int_equal(options.type, 4);
    assert_int_equal(options.delay_s, 1);
    assert_true(options.insecure && options.quiet && options.verbose);
}

static void a_task_has_id_and_password(void **state)
{
    task_options_t options;

    assert_int_equal(parse(state, &options, "status 123456789 -p secret --json -o -"), APR_SUCCESS);
    assert_int_equal(options.id, 123456789);
    assert_string_equal(options.password, "secret");
    assert_true(options.json);
    assert_null(options.output);
}

static void the_environment_stands_in(void **state)
{
    const task_environment_t environment = { "example.org/x", "secret" };
    task_options_t options;

    assert_int_equal(parse_in(state, &options, "log 123456789", &environment), APR_SUCCESS);
    assert_string_equal(options.url, "https://example.org/x/");
    assert_string_equal(options.password, "secret");
    assert_int_equal(parse_in(state, &options, "-s a.org -p other log 123456789", &environment),
                     APR_SUCCESS);
    assert_string_equal(options.url, "https://a.org/");
    assert_string_equal(options.password, "other");
    assert_int_equal(parse_in(state, &options, "--password-file f log 123456789", &environment),
                     APR_SUCCESS);
    assert_null(options.password);
    assert_string_equal(options.password_file, "f");
}

static void help_and_version_need_nothing_else(void **state)
{
    task_options_t options;

    assert_int_equal(parse(state, &options, "--help --fly"), APR_SUCCESS);
    assert_int_equal(options.command, TASK_COMMAND_HELP);
    assert_int_equal(parse(state, &options, "create --version"), APR_SUCCESS);
    assert_int_equal(options.command, TASK_COMMAND_VERSION);
}

static void wrong_commands_are_refused(void **state)
{
    expect_usage(state, "", "the command is missing, see --help");
    expect_usage(state, "fly core", "fly is no command, see --help");
    expect_usage(state, "create", "create wants one source");
    expect_usage(state, "create a b", "create wants one source");
    expect_usage(state, "log", "log wants one id");
    expect_usage(state, "log 12345678 -p x", "12345678 is no task id: those have nine digits");
    expect_usage(state, "log 023456789 -p x", "023456789 is no task id: those have nine digits");
    expect_usage(state, "log 123456789 -p x --json", "log has no --json");
}

static void wrong_options_are_refused(void **state)
{
    expect_usage(state, "--fly create core", "--fly is no option, see --help");
    expect_usage(state, "create core -z", "-z is no option, see --help");
    expect_usage(state, "create core --output", "--output wants a value");
    expect_usage(state, "create core --type 5", "--type wants a number from 0 to 4");
    expect_usage(state, "create core --type -1", "--type wants a number from 0 to 4");
    expect_usage(state, "create core --type 1x", "--type wants a number from 0 to 4");
    expect_usage(state, "create core --executable a", "--executable wants an absolute path");
    expect_usage(state, "create core -s ftp://a/",
                 "the server's address is neither https nor http");
}

static void a_delay_has_limits(void **state)
{
    task_options_t options;

    assert_int_equal(parse(state, &options, "create core --delay 3600 --timeout 3600"),
                     APR_SUCCESS);
    assert_int_equal(options.timeout_s, TASK_MAX_DELAY_S);
    expect_usage(state, "create core --delay 3601", "--delay wants a number from 1 to 3600");
    expect_usage(state, "create core --delay 0", "--delay wants a number from 1 to 3600");
    expect_usage(state, "create core --timeout 99999999999999999999",
                 "--timeout wants a number from 1 to 3600");
}

static void wrong_passwords_are_refused(void **state)
{
    char line[TASK_PASSWORD_MAX + 32] = "log 123456789 -p ";
    size_t used = strlen(line);
    task_options_t options;

    memset(line + used, 'x', TASK_PASSWORD_MAX);
    assert_int_equal(parse(state, &options, line), APR_SUCCESS);
    memset(line + used, 'x', TASK_PASSWORD_MAX + 1);
    expect_usage(state, line, "the password must be 1 to 128 printable characters without blanks");
    expect_usage(state, "log 123456789",
                 "the password is missing: use --password-file, or RETRACE_TASK_PASSWORD");
    expect_usage(state, "log 123456789 -p a --password-file b",
                 "--password and --password-file exclude each other");
    expect_usage(state, "log 123456789 -p a\r",
                 "the password must be 1 to 128 printable characters without blanks");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_short_line_has_defaults),          TEST(a_long_line_is_taken_in_any_order),
        TEST(a_task_has_id_and_password),         TEST(the_environment_stands_in),
        TEST(help_and_version_need_nothing_else), TEST(wrong_commands_are_refused),
        TEST(wrong_options_are_refused),          TEST(a_delay_has_limits),
        TEST(wrong_passwords_are_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
