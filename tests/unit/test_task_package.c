/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/package.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "helpers/task/package.h"
#include "tests/unit/workspace.h"

/* A double in a PATH of its own; `script` is what it does. */
static void make_double(const workspace_t *ws, const char *name, const char *script)
{
    const char *path = apr_pstrcat(ws->pool, "bin/", name, NULL);

    workspace_write(ws, path, apr_pstrcat(ws->pool, "#!/bin/sh\n", script, "\n", NULL));
    assert_int_equal(fchmodat(ws->dir, path, 0755, 0), 0);
    assert_int_equal(setenv("PATH", workspace_path(ws, "bin"), 1), 0);
}

static void rpm_is_asked_first(void **state)
{
    workspace_t *ws = *state;

    make_double(ws, "rpm", "[ $5 = /usr/bin/tiny ] && echo tiny-2:1.0-1.fc36 && echo more-1-1");
    make_double(ws, "dpkg-query", "exit 1");
    assert_string_equal(task_package_of("/usr/bin/tiny", ws->pool), "tiny-2:1.0-1.fc36");
}

static void dpkg_is_asked_for_the_owner_and_its_version(void **state)
{
    workspace_t *ws = *state;

    make_double(ws, "dpkg-query",
                "[ \"$1 $2\" = '-S /usr/bin/tiny' ] && echo 'tiny:amd64: /usr/bin/tiny' && exit\n"
                "[ \"$1 $4\" = '-W tiny' ] && echo tiny-1.0-1");
    assert_string_equal(task_package_of("/usr/bin/tiny", ws->pool), "tiny-1.0-1");
}

static void what_nobody_knows_has_no_package(void **state)
{
    workspace_t *ws = *state;

    make_double(ws, "rpm", "echo 'file /x is not owned by any package'; exit 1");
    make_double(ws, "dpkg-query", "echo 'no path found matching pattern' >&2; exit 1");
    assert_null(task_package_of("/x", ws->pool));
}

static void what_is_no_name_is_not_taken(void **state)
{
    workspace_t *ws = *state;

    make_double(ws, "rpm", "echo 'two words'");
    make_double(ws, "dpkg-query", "echo 'diversion by dash from: /bin/sh'");
    assert_null(task_package_of("/x", ws->pool));
}

static void without_a_package_manager_there_is_none(void **state)
{
    workspace_t *ws = *state;

    workspace_make_dir(ws, "bin");
    assert_int_equal(setenv("PATH", workspace_path(ws, "bin"), 1), 0);
    assert_null(task_package_of("/x", ws->pool));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rpm_is_asked_first),
        TEST(dpkg_is_asked_for_the_owner_and_its_version),
        TEST(what_nobody_knows_has_no_package),
        TEST(what_is_no_name_is_not_taken),
        TEST(without_a_package_manager_there_is_none),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
