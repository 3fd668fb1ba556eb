/* SPDX-License-Identifier: Apache-2.0 */
/* What a shell in the chroot gets: nothing of a core is in its script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/environment/mock_private.h"

#define HOSTILE "/tmp/it's $(touch hacked) `x` \"/{{7*7}}"

static const char *const gdb[] = { "/usr/bin/gdb", "-batch", NULL };
static const worker_sandbox_limits_t limits = { .memory_bytes = 2048,
                                                .output_bytes = INT64_C(16) * 1024 * 1024 };

static worker_environment_t *make_environment(const workspace_t *ws)
{
    worker_environment_t *environment = apr_pcalloc(ws->pool, sizeof(*environment));

    environment->binds = apr_array_make(ws->pool, 2, sizeof(worker_bind_t));
    environment->links = apr_array_make(ws->pool, 2, sizeof(worker_link_t));
    return environment;
}

static void add_bind(worker_environment_t *environment, const char *source, const char *target)
{
    APR_ARRAY_PUSH(environment->binds, worker_bind_t) = (worker_bind_t){ source, target };
}

static void add_link(worker_environment_t *environment, const char *content, const char *path)
{
    APR_ARRAY_PUSH(environment->links, worker_link_t) = (worker_link_t){ content, path };
}

/* Behind the script. */
static const char *join(const workspace_t *ws, const worker_environment_t *environment)
{
    const char *const *words = worker_mock_words(environment, &limits, 7, gdb, ws->pool);
    const char *text = "";

    assert_string_equal(words[0], "/bin/sh");
    assert_string_equal(words[1], "-c");
    for (words += 3; *words != NULL; words++) {
        text = apr_pstrcat(ws->pool, text, "[", *words, "]", NULL);
    }
    return text;
}

static void limits_and_the_command_line_are_arguments(void **state)
{
    const workspace_t *ws = *state;

    assert_string_equal(join(ws, make_environment(ws)),
                        "[sh][7][32768][2][.][/usr/bin/gdb][-batch]");
}

static void the_script_is_the_same_for_all_cores(void **state)
{
    const workspace_t *ws = *state;
    worker_environment_t *environment = make_environment(ws);
    const char *before = worker_mock_words(environment, &limits, 7, gdb, ws->pool)[2];

    add_bind(environment, "/usr/bin/app", "/sysroot" HOSTILE);
    assert_ptr_equal(worker_mock_words(environment, &limits, 7, gdb, ws->pool)[2], before);
    assert_non_null(
        strstr(join(ws, environment), "[/usr/bin/app][/builddir/sysroot" HOSTILE "][][.]"));
}

static void names_beside_a_library_begin_with_its_stem(void **state)
{
    const workspace_t *ws = *state;
    worker_environment_t *environment = make_environment(ws);

    add_bind(environment, "/usr/lib64/libc.so.6", "/sysroot/usr/lib64/libc.so.6");
    add_bind(environment, "/usr/lib64/ld-2.33.so", "/sysroot/usr/lib64/ld-2.33.so");
    add_bind(environment, "/usr/bin/app.1", "/sysroot/usr/bin/app.1");
    assert_non_null(strstr(join(ws, environment),
                           "[/usr/lib64/libc.so.6][/builddir/sysroot/usr/lib64/libc.so.6][libc]"
                           "[/usr/lib64/ld-2.33.so][/builddir/sysroot/usr/lib64/ld-2.33.so][ld]"
                           "[/usr/bin/app.1][/builddir/sysroot/usr/bin/app.1][][.]"));
}

static void links_within_the_sysroot_stay_there(void **state)
{
    const workspace_t *ws = *state;
    worker_environment_t *environment = make_environment(ws);

    add_link(environment, "usr/lib64", "/sysroot/lib64");
    add_link(environment, "/sysroot/usr/lib/ld.so.1", "/sysroot/usr/lib64/ld.so.1");
    assert_non_null(
        strstr(join(ws, environment),
               "[usr/lib64][/builddir/sysroot/lib64][]"
               "[/builddir/sysroot/usr/lib/ld.so.1][/builddir/sysroot/usr/lib64/ld.so.1][][.]"));
}

/* gdb finds it by its build-id where it is installed. */
static void debug_information_needs_no_link(void **state)
{
    const workspace_t *ws = *state;
    worker_environment_t *environment = make_environment(ws);

    add_bind(environment, "/usr/lib/debug/x.debug", "/sysroot/usr/lib/debug/.build-id/ab/c.debug");
    assert_null(strstr(join(ws, environment), "debug"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limits_and_the_command_line_are_arguments),
        TEST(the_script_is_the_same_for_all_cores),
        TEST(names_beside_a_library_begin_with_its_stem),
        TEST(links_within_the_sysroot_stay_there),
        TEST(debug_information_needs_no_link),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
