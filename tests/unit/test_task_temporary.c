/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/temporary.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/temporary.h"
#include "tests/unit/workspace.h"

static void a_file_has_no_name_and_no_other_reader(void **state)
{
    workspace_t *ws = *state;
    struct stat info;
    int fd = -1;

    assert_int_equal(setenv("TMPDIR", ws->path, 1), 0);
    assert_int_equal(task_temporary_open(&fd, &ws->err), APR_SUCCESS);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_nlink, 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(workspace_count(ws, "."), 0);
    assert_int_equal(close(fd), 0);
}

static void a_place_that_is_none_is_told(void **state)
{
    workspace_t *ws = *state;
    int fd = -1;

    assert_int_equal(setenv("TMPDIR", workspace_path(ws, "absent"), 1), 0);
    assert_int_not_equal(task_temporary_open(&fd, &ws->err), APR_SUCCESS);
    assert_int_equal(fd, -1);
}

static void a_relative_place_is_not_taken(void **state)
{
    workspace_t *ws = *state;
    int fd = -1;

    assert_int_equal(setenv("TMPDIR", "absent", 1), 0);
    assert_int_equal(task_temporary_open(&fd, &ws->err), APR_SUCCESS);
    assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_has_no_name_and_no_other_reader),
        TEST(a_place_that_is_none_is_told),
        TEST(a_relative_place_is_not_taken),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
