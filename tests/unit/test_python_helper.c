/* SPDX-License-Identifier: Apache-2.0 */
/* CPython's helper for gdb is code that runs: only that of the right version, and only root's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/python_helper.h"

#define NOBODY 65534

/* --- Versions ------------------------------------------------------------------------------ */

static void names_of_python_have_a_version(void **state)
{
    static const char *const names[][2] = {
        { "python3.11", "3.11" },
        { "python3.11d", "3.11" },
        { "python3.13t", "3.13" },
        { "python2.7", "2.7" },
        { "platform-python3.6", "3.6" },
        { "libpython3.11.so.1.0", "3.11" },
        { "libpython3.6dm.so.1.0", "3.6" },
        { "python3.11-gdb.py", "3.11" },
        { "libpython3.12.so.1.0-gdb.py", "3.12" },
        { "libpython3.12.so.1.0-3.12.1-2.fc39.x86_64.debug-gdb.py", "3.12" },
    };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_string_equal(worker_python_version_of(names[i][0], ws->pool), names[i][1]);
    }
}

static void other_names_have_none(void **state)
{
    static const char *const names[] = {
        "",           "python",        "python3",     "python3.",     "python.3",
        "libpython3", "libpython3.so", "python3.11x", "mypython3.11", "libpeas-python3.11.so",
        "bash",       "python3.so.11", "3.11",        "lib3.11",      "pythonx3.11",
    };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_null(worker_python_version_of(names[i], ws->pool));
    }
}

static void a_core_is_of_the_python_that_it_maps(void **state)
{
    workspace_t *ws = *state;
    worker_core_t core = { .modules = apr_array_make(ws->pool, 2, sizeof(worker_module_t)) };
    worker_module_t *module;

    APR_ARRAY_PUSH(core.modules, worker_module_t) =
        (worker_module_t){ .path = "/usr/sbin/app", .is_elf = true };
    assert_null(worker_python_version(&core, ws->pool));
    module = apr_array_push(core.modules);
    *module = (worker_module_t){ .path = "/home/python3.9/libpython3.12.so.1.0" };
    assert_null(worker_python_version(&core, ws->pool)); /* a mapped file of data */
    module->is_elf = true;
    assert_string_equal(worker_python_version(&core, ws->pool), "3.12");
}

/* --- Files --------------------------------------------------------------------------------- */

static apr_status_t find(const char **ppath, workspace_t *ws, const char *pattern)
{
    return worker_python_helper(ppath, workspace_path(ws, pattern), "3.11", &ws->err, ws->pool);
}

static void skip_unless_root(void)
{
    if (geteuid() != 0) {
        print_message("needs root: makes files of root and of another user\n");
        skip();
    }
}

/* Directories of the workspace are root's, the one above all of them is sticky. */
static workspace_t *make_helpers(void **state)
{
    workspace_t *ws = *state;

    skip_unless_root();
    workspace_write(ws, "share/python3.11-gdb.py", "");
    workspace_write(ws, "share/python3.12-gdb.py", "");
    workspace_write(ws, "share/python3.1-gdb.py", "");
    return ws;
}

static void the_helper_of_the_version_is_found(void **state)
{
    workspace_t *ws = make_helpers(state);
    const char *path = NULL;

    assert_int_equal(find(&path, ws, "share/python3*-gdb.py"), APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "share/python3.11-gdb.py"));
    path = NULL;
    assert_int_equal(find(&path, ws, "{none,share}/*-gdb.py"), APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "share/python3.11-gdb.py"));
}

static void a_link_stands_for_its_file(void **state)
{
    workspace_t *ws = make_helpers(state);
    const char *path = NULL;

    workspace_write(ws, "tools/libpython.py", "");
    workspace_link(ws, "../tools/libpython.py", "links/libpython3.11.so.1.0-gdb.py");
    assert_int_equal(find(&path, ws, "links/*"), APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "tools/libpython.py"));
}

static void that_of_another_version_is_none(void **state)
{
    workspace_t *ws = make_helpers(state);
    const char *path = NULL;

    assert_int_equal(find(&path, ws, "share/python3.12-gdb.py"), APR_NOTFOUND);
    assert_string_equal(ws->err.text, "PythonHelpers has none for Python 3.11");
    assert_int_equal(find(&path, ws, "none/*"), APR_NOTFOUND);
    assert_null(path);
}

static void expect_untrusted(workspace_t *ws)
{
    const char *path = NULL;

    assert_int_equal(find(&path, ws, "share/*3.11*"), APR_EINVAL);
    assert_string_equal(ws->err.text,
                        apr_pstrcat(ws->pool, workspace_path(ws, "share/python3.11-gdb.py"),
                                    " is not root's alone to write", NULL));
    assert_null(path);
}

static void what_others_own_or_may_write_is_not_trusted(void **state)
{
    workspace_t *ws = make_helpers(state);
    const char *file = "share/python3.11-gdb.py";

    assert_int_equal(fchmodat(ws->dir, file, 0664, 0), 0);
    expect_untrusted(ws);
    assert_int_equal(fchmodat(ws->dir, file, 0646, 0), 0);
    expect_untrusted(ws);
    assert_int_equal(fchmodat(ws->dir, file, 0644, 0), 0);
    assert_int_equal(fchownat(ws->dir, file, NOBODY, 0, 0), 0);
    expect_untrusted(ws);
}

static void nor_is_what_is_below_a_directory_of_others(void **state)
{
    workspace_t *ws = make_helpers(state);

    assert_int_equal(fchmodat(ws->dir, "share", 0775, 0), 0);
    expect_untrusted(ws);
    assert_int_equal(fchmodat(ws->dir, "share", 0755, 0), 0);
    assert_int_equal(fchownat(ws->dir, "share", NOBODY, 0, 0), 0);
    expect_untrusted(ws);
}

static void nor_what_is_no_file(void **state)
{
    workspace_t *ws = make_helpers(state);

    assert_int_equal(unlinkat(ws->dir, "share/python3.11-gdb.py", 0), 0);
    workspace_make_dir(ws, "share/python3.11-gdb.py");
    expect_untrusted(ws);
}

static void of_several_the_trusted_one_counts(void **state)
{
    workspace_t *ws = make_helpers(state);
    const char *path = NULL;

    workspace_write(ws, "share/python3.11d-gdb.py", "");
    assert_int_equal(fchownat(ws->dir, "share/python3.11d-gdb.py", NOBODY, 0, 0), 0);
    assert_int_equal(find(&path, ws, "share/*"), APR_SUCCESS);
    assert_string_equal(path, workspace_path(ws, "share/python3.11-gdb.py"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_of_python_have_a_version),
        TEST(other_names_have_none),
        TEST(a_core_is_of_the_python_that_it_maps),
        TEST(the_helper_of_the_version_is_found),
        TEST(a_link_stands_for_its_file),
        TEST(that_of_another_version_is_none),
        TEST(what_others_own_or_may_write_is_not_trusted),
        TEST(nor_is_what_is_below_a_directory_of_others),
        TEST(nor_what_is_no_file),
        TEST(of_several_the_trusted_one_counts),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
