/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of a core: which are plain, what lies below what, and that nothing climbs above the root.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "tests/unit/workspace.h"
#include "worker/path.h"

static void ordinary_paths_are_plain(void **state)
{
    static const char *const paths[] = {
        "/a", "/usr/lib/libc.so.6", "/a b/c", "/...", "/..a/b", "/a../.b", "/\xc3\xa4", "/a\\b"
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_true(worker_path_is_plain(paths[i]));
    }
}

static void other_texts_are_not_plain(void **state)
{
    static const char *const paths[] = {
        "",        "a",     "./a",   "../a",  "/",         "//",   "//a",    "/a/",
        "/a//b",   "/.",    "/..",   "/a/.",  "/a/..",     "/./a", "/../a",  "/a/./b",
        "/a/../b", "/a\nb", "/a\tb", "/\x7f", "/a\x1b[2J", " /a",  "[vdso]", "a/b",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_false(worker_path_is_plain(paths[i]));
    }
}

static void a_path_is_plain_up_to_its_limit_and_not_beyond(void **state)
{
    char path[4097];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[4095] = '\0';
    assert_true(worker_path_is_plain(path));
    path[4095] = 'a';
    path[4096] = '\0';
    assert_false(worker_path_is_plain(path));
}

static void below_means_whole_components(void **state)
{
    (void)state;
    assert_true(worker_path_is_below("/usr/lib", "/usr"));
    assert_true(worker_path_is_below("/usr/lib", "/usr/"));
    assert_true(worker_path_is_below("/usr/lib", "/"));
    assert_false(worker_path_is_below("/usr2/lib", "/usr"));
    assert_false(worker_path_is_below("/usr", "/usr"));
    assert_false(worker_path_is_below("/us", "/usr"));
    assert_false(worker_path_is_below("/lib/usr", "/usr"));
    assert_false(worker_path_is_below("/USR/lib", "/usr"));
}

static void a_path_has_a_directory_and_a_name(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;

    assert_string_equal(worker_path_directory("/usr/lib/x", p), "/usr/lib");
    assert_string_equal(worker_path_directory("/x", p), "/");
    assert_string_equal(worker_path_directory("x", p), "/");
    assert_string_equal(worker_path_name("/usr/lib/x"), "x");
    assert_string_equal(worker_path_name("x"), "x");
}

static void a_relative_path_is_worked_out(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;

    assert_string_equal(worker_path_join("/usr/lib", "a/b", p), "/usr/lib/a/b");
    assert_string_equal(worker_path_join("/usr/lib", "./a/.//b", p), "/usr/lib/a/b");
    assert_string_equal(worker_path_join("/usr/lib", "../../.dwz/x", p), "/.dwz/x");
    assert_string_equal(worker_path_join("/usr/lib", "a/../../b", p), "/usr/b");
    assert_string_equal(worker_path_join("/", "a", p), "/a");
    assert_string_equal(worker_path_join("/usr", "", p), "/usr");
    assert_string_equal(worker_path_join("/usr", "..", p), "/");
}

static void what_climbs_above_the_root_is_not_plain(void **state)
{
    static const char *const climbing[] = { "..",         "../..",     "../../..",    "../../../a",
                                            "a/../../..", "../../../", "../../../usr" };
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    size_t i;

    for (i = 0; i < sizeof(climbing) / sizeof(climbing[0]); i++) {
        assert_false(worker_path_is_plain(worker_path_join("/", climbing[i], p)));
    }
    assert_false(worker_path_is_plain(worker_path_join("/usr/lib", "../../../etc/x", p)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ordinary_paths_are_plain),
        TEST(other_texts_are_not_plain),
        TEST(a_path_is_plain_up_to_its_limit_and_not_beyond),
        TEST(below_means_whole_components),
        TEST(a_path_has_a_directory_and_a_name),
        TEST(a_relative_path_is_worked_out),
        TEST(what_climbs_above_the_root_is_not_plain),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
