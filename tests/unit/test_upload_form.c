/* SPDX-License-Identifier: Apache-2.0 */
/* Content types and the paths that clients may name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/upload_form.h"

static void every_type_is_found_by_its_name(void **state)
{
    const retrace_content_type_t *type;

    (void)state;
    for (type = retrace_content_types; type->name != NULL; type++) {
        assert_ptr_equal(retrace_content_type_find(type->name), type);
        assert_true(strlen(type->name) < 64);
    }
    assert_in_range(type - retrace_content_types, 1, 16); /* clients read 16 of /settings */
}

static void the_first_type_is_the_one_that_clients_look_for(void **state)
{
    (void)state;
    assert_string_equal(retrace_content_types[0].name, "application/x-xz-compressed-tar");
}

static void other_types_are_none(void **state)
{
    static const char *const names[] = { "",
                                         "application/x-bzip2",
                                         "application/x-ta",
                                         "application/x-tarx",
                                         "Application/x-tar",
                                         "x-tar" };
    size_t i;

    (void)state;
    assert_null(retrace_content_type_find(NULL));
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_null(retrace_content_type_find(names[i]));
    }
}

static void only_the_types_of_cores_promise_a_core(void **state)
{
    (void)state;
    assert_int_equal(retrace_content_type_find("application/x-coredump")->form, RETRACE_FORM_CORE);
    assert_int_equal(retrace_content_type_find("application/x-core")->form, RETRACE_FORM_CORE);
    assert_int_equal(retrace_content_type_find("application/zstd")->form, RETRACE_FORM_ARCHIVE);
}

static void absolute_paths_are_sound(void **state)
{
    static const char *const paths[] = { "/",        "/var/crash/1", "/a b", "/a//b/",
                                         "/..a/b..", "/...",         "/~",   "/a/." };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_true(retrace_directory_is_sound(paths[i]));
    }
}

static void other_paths_are_not(void **state)
{
    static const char *const paths[] = { "",      "-",     "a",        "./a",      "..",
                                         "/..",   "/a/..", "/a/../b",  "/a/b/../", "/a\n",
                                         "/a\tb", "/\x7f", "/\xc3\xa4" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_false(retrace_directory_is_sound(paths[i]));
    }
}

static void a_path_has_at_most_1024_bytes(void **state)
{
    char path[RETRACE_DIRECTORY_MAX + 1];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[1024] = '\0';
    assert_true(retrace_directory_is_sound(path));
    path[1024] = 'a';
    path[1025] = '\0';
    assert_false(retrace_directory_is_sound(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found_by_its_name),
        cmocka_unit_test(the_first_type_is_the_one_that_clients_look_for),
        cmocka_unit_test(other_types_are_none),
        cmocka_unit_test(only_the_types_of_cores_promise_a_core),
        cmocka_unit_test(absolute_paths_are_sound),
        cmocka_unit_test(other_paths_are_not),
        cmocka_unit_test(a_path_has_at_most_1024_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
