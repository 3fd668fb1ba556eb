/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/output.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>
#include <apr_strings.h>
#include <unistd.h>

#include "helpers/task/output.h"
#include "tests/unit/workspace.h"

static apr_status_t put(void **state, const char *name, const char *text)
{
    workspace_t *ws = *state;

    return task_output_write(workspace_path(ws, name), text, strlen(text), &ws->err, ws->pool);
}

static void a_file_is_made_or_replaced_for_its_owner_only(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(put(state, "result", "one"), APR_SUCCESS);
    assert_int_equal(put(state, "result", "two"), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "result"), "two");
    assert_int_equal(workspace_mode(ws, "result"), 0600);
    assert_int_equal(workspace_count(ws, "."), 1);
}

static void a_name_without_a_directory_is_here(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(fchdir(ws->dir), 0);
    assert_int_equal(task_output_write("here", "x", 1, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(chdir("/"), 0);
    assert_string_equal(workspace_read(ws, "here"), "x");
}

static void what_is_no_file_stays(void **state)
{
    workspace_t *ws = *state;

    workspace_fifo(ws, "fifo");
    workspace_make_dir(ws, "directory");
    workspace_write(ws, "file", "old");
    workspace_link(ws, "file", "link");
    assert_int_not_equal(put(state, "fifo", "x"), APR_SUCCESS);
    assert_int_not_equal(put(state, "directory", "x"), APR_SUCCESS);
    assert_int_not_equal(put(state, "link", "x"), APR_SUCCESS);
    assert_int_not_equal(put(state, "absent/file", "x"), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "file"), "old");
    assert_int_equal(workspace_count(ws, "."), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_made_or_replaced_for_its_owner_only),
        TEST(a_name_without_a_directory_is_here),
        TEST(what_is_no_file_stays),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
