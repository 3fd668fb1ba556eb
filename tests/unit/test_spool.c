/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's layout: whose it must be, what state its files mean, and what lines a log has. */
#include <errno.h>
#include <fcntl.h>
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

#include "lib/spool.h"
#include "tests/unit/workspace.h"

#define ID      UINT32_C(123456789)
#define ID_TEXT "123456789"
#define TASK    "spool/" ID_TEXT

/* --- Opening ------------------------------------------------------------------------------- */

static void expect_not_opened(workspace_t *ws, apr_status_t status, const char *words)
{
    const retrace_spool_t *spool = NULL;

    assert_int_equal(retrace_spool_open(&spool, workspace_path(ws, "spool"), &ws->err, ws->pool),
                     status);
    assert_null(spool);
    assert_non_null(strstr(ws->err.text, words));
}

static void make_incoming(workspace_t *ws, mode_t mode)
{
    workspace_make_dir(ws, "spool/.incoming");
    assert_int_equal(chmod(workspace_path(ws, "spool/.incoming"), mode), 0);
}

static void the_missing_directories_are_made(void **state)
{
    const retrace_spool_t *spool = workspace_spool(*state);

    assert_true(workspace_exists(*state, "spool/queue"));
    assert_true(workspace_exists(*state, "spool/running"));
    assert_int_equal(workspace_mode(*state, "spool/queue") & 0777, 0750);
    assert_string_equal(spool->path, workspace_path(*state, "spool"));
}

static void a_spool_that_is_not_there_is_not_made(void **state)
{
    expect_not_opened(*state, ENOENT, "spool");
    assert_false(workspace_exists(*state, "spool"));
}

static void incoming_is_not_made_since_its_owner_must_be_set_by_root(void **state)
{
    workspace_make_dir(*state, "spool");
    expect_not_opened(*state, ENOENT, ".incoming");
    assert_false(workspace_exists(*state, "spool/.incoming"));
}

static void incoming_without_set_group_id_is_refused_with_the_remedy(void **state)
{
    make_incoming(*state, 0710);
    expect_not_opened(*state, APR_EACCES, "chmod 2710");
}

static void incoming_of_another_user_is_refused(void **state)
{
    if (geteuid() != 0) {
        print_message("skipped: only root can give a directory away\n");
        skip();
    }
    make_incoming(*state, 02710);
    assert_int_equal(chown(workspace_path(*state, "spool/.incoming"), 65534, (gid_t)-1), 0);
    assert_int_equal(chmod(workspace_path(*state, "spool/.incoming"), 02710), 0);
    expect_not_opened(*state, APR_EACCES, "must belong to this user");
}

static void incoming_of_another_group_than_the_spool_is_refused(void **state)
{
    if (geteuid() != 0) {
        print_message("skipped: only root can give a directory away\n");
        skip();
    }
    make_incoming(*state, 02710);
    assert_int_equal(chown(workspace_path(*state, "spool/.incoming"), (uid_t)-1, 65534), 0);
    assert_int_equal(chmod(workspace_path(*state, "spool/.incoming"), 02710), 0);
    expect_not_opened(*state, APR_EACCES, "group");
}

static void a_link_for_incoming_is_refused(void **state)
{
    workspace_make_dir(*state, "elsewhere");
    workspace_link(*state, "../elsewhere", "spool/.incoming");
    expect_not_opened(*state, ENOTDIR, ".incoming");
}

static void a_file_in_place_of_the_queue_is_refused(void **state)
{
    make_incoming(*state, 02710);
    workspace_write(*state, "spool/queue", "");
    expect_not_opened(*state, ENOTDIR, "queue");
}

static void the_descriptors_go_with_the_pool(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = NULL;
    apr_pool_t *pool = NULL;
    int before;

    make_incoming(ws, 02710);
    before = workspace_descriptors();
    assert_int_equal(apr_pool_create(&pool, ws->pool), APR_SUCCESS);
    assert_int_equal(retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, pool),
                     APR_SUCCESS);
    assert_int_equal(workspace_descriptors(), before + 4);
    apr_pool_destroy(pool);
    assert_int_equal(workspace_descriptors(), before);
}

static void a_task_that_is_not_there_is_not_found(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int fd = -7;

    assert_int_equal(retrace_spool_open_task(&fd, spool->root, ID, &ws->err), APR_ENOENT);
    workspace_link(ws, ".", TASK);
    assert_int_equal(retrace_spool_open_task(&fd, spool->root, ID, &ws->err), ENOTDIR);
    assert_int_equal(fd, -7);
}

/* --- State and stage ----------------------------------------------------------------------- */

static void the_state_follows_from_the_files(void **state)
{
    workspace_t *ws = *state;
    int root = workspace_spool(ws)->root;
    int task = workspace_task(ws, ID_TEXT);

    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_QUEUED);
    workspace_write(ws, "spool/queue/" ID_TEXT, "");
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_QUEUED);
    workspace_write(ws, TASK "/waiting", "");
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_WAITING);
    workspace_write(ws, "spool/running/" ID_TEXT, "");
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_RUNNING);
    workspace_write(ws, TASK "/retrace_backtrace", "");
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_RUNNING);
    workspace_write(ws, TASK "/finished_time", "");
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_SUCCEEDED);
    assert_int_equal(unlinkat(task, "retrace_backtrace", 0), 0);
    assert_int_equal(retrace_spool_task_state(root, task, ID), RETRACE_TASK_FAILED);
    (void)close(task);
}

static void a_stage_is_told_and_read(void **state)
{
    workspace_t *ws = *state;
    int stage;

    for (stage = 0; stage < RETRACE_STAGES; stage++) {
        assert_int_equal(retrace_spool_set_stage(ws->dir, (retrace_task_stage_t)stage, &ws->err),
                         APR_SUCCESS);
        assert_int_equal(retrace_spool_task_stage(ws->dir, ws->pool), stage);
    }
    assert_string_equal(workspace_read(ws, "status"), "10\n");
    assert_int_equal(workspace_mode(ws, "status"), 0640);
}

static void what_is_no_stage_is_minus_one(void **state)
{
    static const char *const texts[] = { "", "\n", "-1", "11", "x", "99999999999999999999" };
    workspace_t *ws = *state;
    size_t i;

    assert_int_equal(retrace_spool_task_stage(ws->dir, ws->pool), -1);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        workspace_write(ws, "status", texts[i]);
        assert_int_equal(retrace_spool_task_stage(ws->dir, ws->pool), -1);
    }
}

static void a_type_is_read_and_anything_else_is_retrace(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(retrace_spool_task_type(ws->dir, ws->pool), RETRACE_TASK_RETRACE);
    workspace_write(ws, "type", "2\n");
    assert_int_equal(retrace_spool_task_type(ws->dir, ws->pool), RETRACE_TASK_VMCORE);
    workspace_write(ws, "type", "nonsense");
    assert_int_equal(retrace_spool_task_type(ws->dir, ws->pool), RETRACE_TASK_RETRACE);
}

static void a_number_is_written_with_a_newline(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(retrace_spool_write_number(ws->dir, "n", INT64_MIN, &ws->err), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "n"), "-9223372036854775808\n");
}

static void the_boot_has_a_stable_name(void **state)
{
    workspace_t *ws = *state;
    const char *boot = retrace_spool_boot_id(ws->pool);

    assert_true(strlen(boot) >= 36);
    assert_string_equal(retrace_spool_boot_id(ws->pool), boot);
}

/* --- The log ------------------------------------------------------------------------------- */

/* "[2026-11-22 05:00:00] [I] " */
#define STAMP_LEN 26
#define LOG_LINE  4095 /* with the newline */

static void a_log_line_has_time_and_level(void **state)
{
    workspace_t *ws = *state;
    const char *line;
    int year = 0;

    retrace_spool_log(ws->dir, 'W', "%s %d", "text", 7);
    line = workspace_read(ws, "worker_log");
    assert_int_equal(sscanf(line, "[%4d-", &year), 1);
    assert_true(year >= 2024);
    assert_string_equal(line + 19 + 1, "] [W] text 7\n");
    assert_int_equal(workspace_mode(ws, "worker_log"), 0640);
}

static void lines_are_added_at_the_end(void **state)
{
    workspace_t *ws = *state;

    retrace_spool_log(ws->dir, 'I', "one");
    retrace_spool_log(ws->dir, 'E', "two");
    assert_string_equal(workspace_read(ws, "worker_log") + 2 * STAMP_LEN + 4, "two\n");
}

/* gdb's words hold text of the core: a newline would forge a line of ours. */
static void control_characters_cannot_forge_a_line(void **state)
{
    workspace_t *ws = *state;

    retrace_spool_log(ws->dir, 'I', "%s", "a\n[E] b\r\tc\x1b[2J\x7f\xc3\xa4");
    assert_string_equal(workspace_read(ws, "worker_log") + STAMP_LEN, "a?[E] b??c?[2J?\xc3\xa4\n");
}

static size_t logged_length(workspace_t *ws, size_t length)
{
    char *text = apr_pcalloc(ws->pool, length + 1);
    const char *line;

    memset(text, 'x', length);
    (void)unlink(workspace_path(ws, "worker_log"));
    retrace_spool_log(ws->dir, 'I', "%s", text);
    line = workspace_read(ws, "worker_log");
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
    return strlen(line);
}

static void a_line_is_whole_up_to_the_limit_and_cut_beyond(void **state)
{
    assert_int_equal(logged_length(*state, LOG_LINE - STAMP_LEN - 2), LOG_LINE - 1);
    assert_int_equal(logged_length(*state, LOG_LINE - STAMP_LEN - 1), LOG_LINE);
    assert_int_equal(logged_length(*state, LOG_LINE - STAMP_LEN), LOG_LINE);
    assert_int_equal(logged_length(*state, 100000), LOG_LINE);
}

static void a_log_never_exceeds_its_limit(void **state)
{
    workspace_t *ws = *state;
    char text[LOG_LINE + 1];
    struct stat info;
    int i;

    memset(text, 'x', sizeof(text));
    text[LOG_LINE] = '\0';
    for (i = 0; i < RETRACE_LOG_MAX / LOG_LINE + 10; i++) {
        retrace_spool_log(ws->dir, 'I', "%s", text);
    }
    assert_int_equal(fstatat(ws->dir, "worker_log", &info, 0), 0);
    assert_in_range(info.st_size, RETRACE_LOG_MAX - 2 * (LOG_LINE + 1), RETRACE_LOG_MAX);
}

static void a_link_in_place_of_the_log_is_not_written_through(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "victim", "untouched");
    workspace_link(ws, "victim", "worker_log");
    retrace_spool_log(ws->dir, 'I', "text");
    assert_string_equal(workspace_read(ws, "victim"), "untouched");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_missing_directories_are_made),
        TEST(a_spool_that_is_not_there_is_not_made),
        TEST(incoming_is_not_made_since_its_owner_must_be_set_by_root),
        TEST(incoming_without_set_group_id_is_refused_with_the_remedy),
        TEST(incoming_of_another_user_is_refused),
        TEST(incoming_of_another_group_than_the_spool_is_refused),
        TEST(a_link_for_incoming_is_refused),
        TEST(a_file_in_place_of_the_queue_is_refused),
        TEST(the_descriptors_go_with_the_pool),
        TEST(a_task_that_is_not_there_is_not_found),
        TEST(the_state_follows_from_the_files),
        TEST(a_stage_is_told_and_read),
        TEST(what_is_no_stage_is_minus_one),
        TEST(a_type_is_read_and_anything_else_is_retrace),
        TEST(a_number_is_written_with_a_newline),
        TEST(the_boot_has_a_stable_name),
        TEST(a_log_line_has_time_and_level),
        TEST(lines_are_added_at_the_end),
        TEST(control_characters_cannot_forge_a_line),
        TEST(a_line_is_whole_up_to_the_limit_and_cut_beyond),
        TEST(a_log_never_exceeds_its_limit),
        TEST(a_link_in_place_of_the_log_is_not_written_through),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
