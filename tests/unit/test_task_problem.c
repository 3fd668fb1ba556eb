/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/problem.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "helpers/task/exit.h"
#include "helpers/task/problem.h"
#include "tests/unit/workspace.h"

#define MAKE_CORE                                                                                  \
    "mkdir problem && printf '\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\4\\0' "                \
    ">problem/coredump"

static apr_status_t open_problem(void **state, task_source_t *source)
{
    workspace_t *ws = *state;

    *source = (task_source_t){ .name = workspace_path(ws, "problem"), .core = -1 };
    return task_problem_open(source, &ws->err, ws->pool);
}

static void expect_refusal(void **state, const char *sentence)
{
    workspace_t *ws = *state;
    task_source_t source;

    assert_int_equal(open_problem(state, &source), TASK_STATUS(TASK_EXIT_SOURCE));
    assert_string_equal(ws->err.text, sentence);
    assert_int_equal(source.core, -1);
}

static void what_is_known_is_read(void **state)
{
    workspace_t *ws = *state;
    task_source_t source;

    workspace_shell(ws, MAKE_CORE);
    workspace_write(ws, "problem/executable", "/usr/bin/tiny");
    workspace_write(ws, "problem/package", "tiny-1-2\n");
    workspace_write(ws, "problem/rootdir", "/srv");
    workspace_write(ws, "problem/cmdline", "tiny --secret");
    assert_int_equal(open_problem(state, &source), APR_SUCCESS);
    assert_int_equal(source.core_bytes, 18);
    assert_string_equal(source.members[TASK_MEMBER_EXECUTABLE], "/usr/bin/tiny");
    assert_string_equal(source.members[TASK_MEMBER_PACKAGE], "tiny-1-2\n");
    assert_string_equal(source.members[TASK_MEMBER_ROOTDIR], "/srv");
    assert_null(source.members[TASK_MEMBER_OS_RELEASE]);
    assert_null(source.members[TASK_MEMBER_OS_RELEASE_IN_ROOTDIR]);
}

static void a_link_to_a_problem_is_followed(void **state)
{
    workspace_t *ws = *state;
    task_source_t source;

    workspace_shell(ws, MAKE_CORE " && mv problem elsewhere && ln -s elsewhere problem");
    assert_int_equal(open_problem(state, &source), APR_SUCCESS);
}

static void a_packed_core_is_found(void **state)
{
    workspace_t *ws = *state;
    task_source_t source;

    workspace_shell(ws, MAKE_CORE " && zstd -q --rm problem/coredump");
    assert_int_equal(open_problem(state, &source), APR_SUCCESS);
    assert_int_equal(source.packing, TASK_PACKING_ZSTD);
}

static void links_in_it_are_refused(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, MAKE_CORE " && ln -s /etc/passwd problem/package");
    expect_refusal(state, "open package: Too many levels of symbolic links");
    workspace_shell(ws,
                    "rm problem/package && mv problem/coredump . "
                    "&& ln -s ../coredump problem/coredump");
    expect_refusal(state, "open coredump: Too many levels of symbolic links");
}

static void other_kinds_of_files_are_refused(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, MAKE_CORE " && mkfifo problem/os_release");
    expect_refusal(state, "os_release is not a regular file");
    workspace_shell(ws, "rm problem/os_release && mkdir problem/rootdir");
    expect_refusal(state, "rootdir is not a regular file");
}

static void a_small_file_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    task_source_t source;
    char *text = apr_pcalloc(ws->pool, TASK_SMALL_MAX + 2);

    workspace_shell(ws, MAKE_CORE);
    memset(text, 'x', TASK_SMALL_MAX);
    workspace_write(ws, "problem/package", text);
    assert_int_equal(open_problem(state, &source), APR_SUCCESS);
    text[TASK_SMALL_MAX] = 'x';
    workspace_write(ws, "problem/package", text);
    expect_refusal(state, "package is longer than 102400 bytes");
}

static void a_directory_without_a_core_is_refused(void **state)
{
    workspace_t *ws = *state;
    const char *path = workspace_path(ws, "problem");

    workspace_make_dir(ws, "problem");
    expect_refusal(state, apr_pstrcat(ws->pool, path, " holds no core", NULL));
    workspace_write(ws, "problem/vmcore", "KDUMP");
    expect_refusal(state,
                   apr_pstrcat(ws->pool, path,
                               " holds a kernel dump, which this program does not send", NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_known_is_read),
        TEST(a_link_to_a_problem_is_followed),
        TEST(a_packed_core_is_found),
        TEST(links_in_it_are_refused),
        TEST(other_kinds_of_files_are_refused),
        TEST(a_small_file_has_a_limit),
        TEST(a_directory_without_a_core_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
