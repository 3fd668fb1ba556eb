/* SPDX-License-Identifier: Apache-2.0 */
/* lib/key_file.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <errno.h>

#include "lib/key_file.h"
#include "tests/unit/workspace.h"

static void keys_of_the_release_come_before_those_of_the_distribution(void **state)
{
    workspace_t *ws = *state;
    const char *keys = workspace_path(ws, "keys");
    const char *path = NULL;

    assert_int_equal(retrace_key_file_find(&path, keys, "fedora-36-x86_64", &ws->err, ws->pool),
                     APR_ENOENT);
    assert_null(path);
    workspace_write(ws, "keys/fedora", "");
    assert_int_equal(retrace_key_file_find(&path, keys, "fedora-36-x86_64", &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "keys/fedora"));
    workspace_write(ws, "keys/fedora-36", "");
    assert_int_equal(retrace_key_file_find(&path, keys, "fedora-36-x86_64", &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "keys/fedora-36"));
}

/* Other keys than the release's own are no way out. */
static void what_cannot_be_looked_at_is_not_passed_over(void **state)
{
    workspace_t *ws = *state;
    const char *path = NULL;

    workspace_write(ws, "keys/fedora", "");
    workspace_shell(ws, "ln -s fedora-36 keys/fedora-36");
    assert_int_equal(retrace_key_file_find(&path, workspace_path(ws, "keys"), "fedora-36-x86_64",
                                           &ws->err, ws->pool),
                     ELOOP);
    assert_null(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_of_the_release_come_before_those_of_the_distribution),
        TEST(what_cannot_be_looked_at_is_not_passed_over),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
