/* SPDX-License-Identifier: Apache-2.0 */
/* The settings file: what it may say, and that every mistake in it is told with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/config.h"
#include "tests/unit/workspace.h"

#define HEAD "[retrace]\n"
#define NAME "server.conf"

static const retrace_config_t *read_text(workspace_t *ws, const char *text)
{
    const retrace_config_t *config = NULL;

    workspace_write(ws, NAME, text);
    assert_int_equal(retrace_config_read(&config, workspace_path(ws, NAME), &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_non_null(config);
    return config;
}

/* The sentence is "<path>:<line>: <words>". */
static void expect_refused(workspace_t *ws, const char *text, int line, const char *words)
{
    const retrace_config_t *config = NULL;
    const char *path = workspace_path(ws, NAME);

    workspace_write(ws, NAME, text);
    assert_int_equal(retrace_config_read(&config, path, &ws->err, ws->pool), APR_EINVAL);
    assert_null(config);
    assert_string_equal(ws->err.text, apr_psprintf(ws->pool, "%s:%d: %s", path, line, words));
}

typedef struct refusal_t {
    const char *text;
    int line;
    const char *words;
} refusal_t;

static void expect_all_refused(workspace_t *ws, const refusal_t *refusals, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        expect_refused(ws, refusals[i].text, refusals[i].line, refusals[i].words);
    }
}

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static void malformed_lines_are_refused_with_their_number(void **state)
{
    static const char *const form = "a line must be [retrace], a comment or Key = value";
    static const char *const first = "[retrace] must come before the first option";
    static const char *const only = "the only section is [retrace]";
    const refusal_t refusals[] = {
        { HEAD "SaveDir\n", 2, form },
        { HEAD "\n\n# x\nwhat is this", 5, form },
        { "SaveDir = /x\n" HEAD, 1, first },
        { "\nnonsense\n", 2, first },
        { "[httpd]\n", 1, only },
        { HEAD "[other]\nSaveDir = /x\n", 2, only },
        { "[retrace\n", 1, only },
        { "[retrace] # ours\n", 1, only },
        { "[]\n", 1, only },
    };

    expect_all_refused(*state, refusals, COUNT(refusals));
}

static void unknown_options_are_refused(void **state)
{
    const refusal_t refusals[] = {
        { HEAD "SaveDirs = /x\n", 2, "there is no option SaveDirs" },
        { HEAD "= /x\n", 2, "there is no option " },
        { HEAD "Save Dir = /x\n", 2, "there is no option Save Dir" },
        { HEAD "SaveDir: = /x\n", 2, "there is no option SaveDir:" },
        { HEAD "\x1b[2J = /x\n", 2, "there is no option \\x1b[2J" },
    };

    expect_all_refused(*state, refusals, COUNT(refusals));
}

static void an_unknown_key_of_any_length_is_cut_in_the_sentence(void **state)
{
    workspace_t *ws = *state;
    char text[1000];

    memset(text, 'k', sizeof(text));
    memcpy(text, HEAD, strlen(HEAD));
    strcpy(text + sizeof(text) - 8, " = 1\n");
    expect_refused(ws, text, 2,
                   apr_psprintf(ws->pool, "there is no option %.64s", text + strlen(HEAD)));
}

static void what_is_no_path_is_refused(void **state)
{
    const refusal_t refusals[] = {
        { HEAD "SaveDir =\n", 2, "SaveDir must be an absolute path" },
        { HEAD "SaveDir = spool\n", 2, "SaveDir must be an absolute path" },
        { HEAD "SaveDir = \"/x\"\n", 2, "SaveDir must be an absolute path" },
        { HEAD "CgroupPath = retrace\n", 2, "CgroupPath must be an absolute path" },
        { HEAD "GdbPath = ~/gdb\n", 2, "GdbPath must be an absolute path" },
        { HEAD "SaveDir = /a\tb\n", 2, "SaveDir must not contain control characters" },
        { HEAD "SaveDir = /a\x7f\n", 2, "SaveDir must not contain control characters" },
        { HEAD "SaveDir = /a\rb\n", 2, "SaveDir must not contain control characters" },
    };

    expect_all_refused(*state, refusals, COUNT(refusals));
}

#define NO_NAME                                                                                    \
    "DBFile must be the name of a file, without a directory, that ends in .db and has at most 64 " \
    "characters"

static void the_database_is_a_name_without_a_directory(void **state)
{
    const refusal_t refusals[] = {
        { HEAD "DBFile =\n", 2, NO_NAME },
        { HEAD "DBFile = /x\n", 2, NO_NAME },
        { HEAD "DBFile = a/b\n", 2, NO_NAME },
        { HEAD "DBFile = ..\n", 2, NO_NAME },
        { HEAD "DBFile = .hidden.db\n", 2, NO_NAME },
        { HEAD "DBFile = .db\n", 2, NO_NAME },
        { HEAD "DBFile = heartbeat\n", 2, NO_NAME },
        { HEAD "DBFile = x.dbx\n", 2, NO_NAME },
    };

    expect_all_refused(*state, refusals, COUNT(refusals));
    assert_string_equal(read_text(*state, HEAD "DBFile = other.db\n")->db_file, "other.db");
}

static void the_name_of_the_database_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    char name[66];

    memset(name, 'x', sizeof(name));
    memcpy(name + 61, ".db", 4);
    assert_string_equal(read_text(ws, apr_pstrcat(ws->pool, HEAD "DBFile = ", name, NULL))->db_file,
                        name);
    memcpy(name + 61, "x.db", 5);
    expect_refused(ws, apr_pstrcat(ws->pool, HEAD "DBFile = ", name, NULL), 2, NO_NAME);
}

/* The page says "Absolute paths": one that is not is dropped without a word otherwise. */
static void a_relative_path_among_host_dirs_is_refused(void **state)
{
    expect_refused(*state, HEAD "HostDirs = /usr:opt\n", 2,
                   "each path of HostDirs must be absolute");
}

static void what_is_no_whole_number_is_refused(void **state)
{
    static const char *const values[] = { "",   "five", "5 5", "5.0", "0x5", "5MB",
                                          "+5", "-",    "--5", "5;",  "1e1", "5 # five" };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < COUNT(values); i++) {
        expect_refused(ws, apr_pstrcat(ws->pool, HEAD "MaxTaskRuntime = ", values[i], "\n", NULL),
                       2, "MaxTaskRuntime must be a whole number");
    }
}

static void other_words_than_the_choices_are_refused(void **state)
{
    const refusal_t refusals[] = {
        { HEAD "RequireHTTPS = yes\n", 2, "RequireHTTPS must be 0 or 1" },
        { HEAD "RequireHTTPS =\n", 2, "RequireHTTPS must be 0 or 1" },
        { HEAD "RequireHTTPS = 2\n", 2, "RequireHTTPS must be 0 or 1" },
        { HEAD "RequireHTTPS = 01\n", 2, "RequireHTTPS must be 0 or 1" },
        { HEAD "RetraceEnvironment = mocked\n", 2,
          "RetraceEnvironment must be one of: extract, native, mock" },
        { HEAD "Dispatcher =\n", 2, "Dispatcher must be one of: helper, systemd" },
        { HEAD "RequiredFiles = s3\n", 2, "RequiredFiles must be one of: s1-or-s2, s1, s2, core" },
    };

    expect_all_refused(*state, refusals, COUNT(refusals));
}

typedef struct range_t {
    const char *key;
    size_t offset;
    int64_t min;
    int64_t max;
} range_t;

#define MAX_MB (INT64_C(16) * 1024 * 1024)

static const range_t ranges[] = {
    { "MaxParallelTasks", offsetof(retrace_config_t, max_parallel_tasks), 1, 1000 },
    { "MaxQueuedTasks", offsetof(retrace_config_t, max_queued_tasks), 0, 10000 },
    { "MaxPackedSize", offsetof(retrace_config_t, max_packed_mb), 1, MAX_MB },
    { "MaxUnpackedSize", offsetof(retrace_config_t, max_unpacked_mb), 1, MAX_MB },
    { "MaxSmallFileSize", offsetof(retrace_config_t, max_small_file_kb), 1, 1024 },
    { "MinStorageLeft", offsetof(retrace_config_t, min_storage_left_mb), 0, MAX_MB },
    { "MaxTaskRuntime", offsetof(retrace_config_t, max_task_runtime_s), 1, 604800 },
    { "MaxTaskMemory", offsetof(retrace_config_t, max_task_memory_mb), 64, MAX_MB },
    { "DebuginfodTimeout", offsetof(retrace_config_t, debuginfod_timeout_s), 1, 3600 },
    { "DebuginfodMaxSize", offsetof(retrace_config_t, debuginfod_max_mb), 1, MAX_MB },
    { "DebuginfodMissTime", offsetof(retrace_config_t, debuginfod_miss_s), 0, 604800 },
    { "TaskPassLength", offsetof(retrace_config_t, task_password_length), 22, 128 },
};

static int64_t read_number(workspace_t *ws, const range_t *range, int64_t number)
{
    const char *text =
        apr_psprintf(ws->pool, HEAD "%s = %" APR_INT64_T_FMT "\n", range->key, (apr_int64_t)number);

    return *(const int64_t *)((const char *)read_text(ws, text) + range->offset);
}

static void numbers_are_read_at_both_ends_of_their_range(void **state)
{
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < COUNT(ranges); i++) {
        assert_int_equal(read_number(ws, &ranges[i], ranges[i].min), ranges[i].min);
        assert_int_equal(read_number(ws, &ranges[i], ranges[i].max), ranges[i].max);
    }
}

static void numbers_one_beyond_their_range_are_refused(void **state)
{
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < COUNT(ranges); i++) {
        const range_t *range = &ranges[i];
        const char *words =
            apr_psprintf(ws->pool, "%s must be between %" APR_INT64_T_FMT " and %" APR_INT64_T_FMT,
                         range->key, (apr_int64_t)range->min, (apr_int64_t)range->max);

        expect_refused(ws,
                       apr_psprintf(ws->pool, HEAD "%s = %" APR_INT64_T_FMT, range->key,
                                    (apr_int64_t)range->min - 1),
                       2, words);
        expect_refused(ws,
                       apr_psprintf(ws->pool, HEAD "%s = %" APR_INT64_T_FMT, range->key,
                                    (apr_int64_t)range->max + 1),
                       2, words);
        expect_refused(ws,
                       apr_psprintf(ws->pool, HEAD "%s = 99999999999999999999999999", range->key),
                       2, words);
    }
}

static void an_empty_file_means_the_defaults(void **state)
{
    const retrace_config_t *config = read_text(*state, "");

    assert_int_equal(config->max_parallel_tasks, 5);
    assert_int_equal(config->max_queued_tasks, 0);
    assert_int_equal(config->max_packed_mb, 50);
    assert_int_equal(config->task_password_length, 32);
    assert_true(config->require_https);
    assert_true(config->require_gpg_check);
    assert_string_equal(config->gpg_key_dir, "/usr/share/retrace-server/gpg");
    assert_int_equal(config->required_files, RETRACE_REQUIRED_S1_OR_S2);
    assert_int_equal(config->environment, RETRACE_ENVIRONMENT_EXTRACT);
    assert_int_equal(config->dispatcher, RETRACE_DISPATCHER_HELPER);
    assert_string_equal(config->cgroup_path, "");
    assert_string_equal(config->host_dirs, "/usr");
}

static void keys_sections_and_choices_are_compared_without_case(void **state)
{
    const retrace_config_t *config =
        read_text(*state, "[Retrace]\nSAVEDIR = /x\nretraceenvironment = NATIVE\n");

    assert_string_equal(config->save_dir, "/x");
    assert_int_equal(config->environment, RETRACE_ENVIRONMENT_NATIVE);
}

static void blanks_comments_and_crlf_do_not_matter(void **state)
{
    const retrace_config_t *config = read_text(
        *state,
        "# first\r\n\r\n  [retrace]\r\n\t; second\r\n \tSaveDir\t=  /a b \r\n#MaxTaskRuntime = x\n"
        "MaxTaskRuntime=7");

    assert_string_equal(config->save_dir, "/a b");
    assert_int_equal(config->max_task_runtime_s, 7);
}

static void the_last_of_two_equal_keys_counts(void **state)
{
    const retrace_config_t *config =
        read_text(*state, HEAD "SaveDir = /first\nsavedir = /second\n" HEAD "MaxTaskRuntime = 9");

    assert_string_equal(config->save_dir, "/second");
    assert_int_equal(config->max_task_runtime_s, 9);
}

static void an_equals_sign_may_be_part_of_a_value(void **state)
{
    assert_string_equal(read_text(*state, HEAD "SaveDir = /a=b\n")->save_dir, "/a=b");
}

static void optional_paths_may_be_empty(void **state)
{
    const retrace_config_t *config =
        read_text(*state, HEAD "CgroupPath =\nPrintersDir =\nHostDirs = \n");

    assert_string_equal(config->cgroup_path, "");
    assert_string_equal(config->printers_dir, "");
    assert_string_equal(config->host_dirs, "");
}

static void expect_unreadable(workspace_t *ws, const char *name, apr_status_t status)
{
    const retrace_config_t *config = NULL;

    assert_int_equal(retrace_config_read(&config, workspace_path(ws, name), &ws->err, ws->pool),
                     status);
    assert_null(config);
    assert_non_null(strstr(ws->err.text, workspace_path(ws, name)));
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    expect_unreadable(*state, "none", APR_ENOENT);
}

static void a_directory_a_link_and_a_fifo_are_refused(void **state)
{
    workspace_t *ws = *state;

    workspace_make_dir(ws, "dir");
    workspace_fifo(ws, "fifo");
    workspace_write(ws, NAME, "");
    workspace_link(ws, NAME, "link");
    expect_unreadable(ws, "dir", APR_EINVAL);
    expect_unreadable(ws, "fifo", APR_EINVAL);
    expect_unreadable(ws, "link", ELOOP);
}

/* Whoever can write this file decides what the server runs. */
static void a_file_that_others_may_write_to_is_refused(void **state)
{
    static const mode_t modes[] = { 0664, 0646, 0666, 0620, 0602 };
    workspace_t *ws = *state;
    size_t i;

    workspace_write(ws, NAME, "");
    for (i = 0; i < COUNT(modes); i++) {
        assert_int_equal(chmod(workspace_path(ws, NAME), modes[i]), 0);
        expect_unreadable(ws, NAME, APR_EACCES);
    }
    assert_int_equal(chmod(workspace_path(ws, NAME), 0644), 0);
    (void)read_text(ws, "");
}

static void a_file_of_another_user_is_refused(void **state)
{
    workspace_t *ws = *state;

    if (geteuid() != 0) {
        print_message("skipped: only root can give a file away\n");
        skip();
    }
    workspace_write(ws, NAME, "");
    assert_int_equal(chown(workspace_path(ws, NAME), 65534, (gid_t)-1), 0);
    expect_unreadable(ws, NAME, APR_EACCES);
}

static void a_file_is_read_up_to_its_limit_and_not_beyond(void **state)
{
    workspace_t *ws = *state;
    char *text = apr_pcalloc(ws->pool, RETRACE_CONFIG_MAX_BYTES + 2);

    memset(text, '#', RETRACE_CONFIG_MAX_BYTES);
    (void)read_text(ws, text);
    text[RETRACE_CONFIG_MAX_BYTES] = '\n';
    workspace_write(ws, NAME, text);
    expect_unreadable(ws, NAME, APR_EINVAL);
}

/* What follows the NUL would be ignored without a word. */
static void a_nul_byte_is_refused(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, "printf '[retrace]\\nSaveDir = /x\\000y\\n' >" NAME);
    expect_unreadable(ws, NAME, APR_EINVAL);
}

static void mock_needs_the_dispatcher_of_systemd(void **state)
{
    static const char *const refused[] = { HEAD "RetraceEnvironment = mock\n",
                                           HEAD
                                           "RetraceEnvironment = MOCK\nDispatcher = helper\n" };
    workspace_t *ws = *state;
    const retrace_config_t *config = NULL;
    const char *path = workspace_path(ws, NAME);
    size_t i;

    for (i = 0; i < COUNT(refused); i++) {
        workspace_write(ws, NAME, refused[i]);
        assert_int_equal(retrace_config_read(&config, path, &ws->err, ws->pool), APR_EINVAL);
        assert_string_equal(
            ws->err.text,
            apr_pstrcat(ws->pool, path,
                        ": RetraceEnvironment = mock works only with Dispatcher = systemd", NULL));
    }
    config = read_text(ws, HEAD "Dispatcher = systemd\nRetraceEnvironment = mock\n");
    assert_int_equal(config->environment, RETRACE_ENVIRONMENT_MOCK);
}

typedef struct listing_t {
    workspace_t *ws;
    const char *text;
    int count;
} listing_t;

static void append_option(void *baton, const char *key, const char *value)
{
    listing_t *listing = baton;

    listing->text = apr_pstrcat(listing->ws->pool, listing->text, key, " = ", value, "\n", NULL);
    listing->count++;
}

static void what_each_tells_is_read_again_as_the_same(void **state)
{
    listing_t first = { *state, HEAD "", 0 };
    listing_t second = { *state, HEAD "", 0 };
    const retrace_config_t *config = read_text(
        *state, HEAD "SaveDir = /other\nRequireHTTPS = 0\nRequiredFiles = core\nHostDirs =\n");

    retrace_config_each(config, append_option, &first, first.ws->pool);
    retrace_config_each(read_text(*state, first.text), append_option, &second, second.ws->pool);
    assert_string_equal(first.text, second.text);
    assert_non_null(strstr(first.text, "SaveDir = /other\n"));
    assert_non_null(strstr(first.text, "RequiredFiles = core\n"));
    assert_int_equal(first.count, 50);
}

static void each_without_settings_tells_the_defaults(void **state)
{
    listing_t given = { *state, HEAD "", 0 };
    listing_t read = { *state, HEAD "", 0 };

    retrace_config_each(NULL, append_option, &given, given.ws->pool);
    retrace_config_each(read_text(*state, ""), append_option, &read, read.ws->pool);
    assert_string_equal(given.text, read.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(malformed_lines_are_refused_with_their_number),
        TEST(unknown_options_are_refused),
        TEST(an_unknown_key_of_any_length_is_cut_in_the_sentence),
        TEST(what_is_no_path_is_refused),
        TEST(the_database_is_a_name_without_a_directory),
        TEST(the_name_of_the_database_has_a_limit),
        TEST(a_relative_path_among_host_dirs_is_refused),
        TEST(what_is_no_whole_number_is_refused),
        TEST(other_words_than_the_choices_are_refused),
        TEST(numbers_are_read_at_both_ends_of_their_range),
        TEST(numbers_one_beyond_their_range_are_refused),
        TEST(an_empty_file_means_the_defaults),
        TEST(keys_sections_and_choices_are_compared_without_case),
        TEST(blanks_comments_and_crlf_do_not_matter),
        TEST(the_last_of_two_equal_keys_counts),
        TEST(an_equals_sign_may_be_part_of_a_value),
        TEST(optional_paths_may_be_empty),
        TEST(a_file_that_is_not_there_is_an_error),
        TEST(a_directory_a_link_and_a_fifo_are_refused),
        TEST(a_file_that_others_may_write_to_is_refused),
        TEST(a_file_of_another_user_is_refused),
        TEST(a_file_is_read_up_to_its_limit_and_not_beyond),
        TEST(a_nul_byte_is_refused),
        TEST(mock_needs_the_dispatcher_of_systemd),
        TEST(what_each_tells_is_read_again_as_the_same),
        TEST(each_without_settings_tells_the_defaults),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
