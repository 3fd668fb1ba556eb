/* SPDX-License-Identifier: Apache-2.0 */
/* Python frames in the backtrace in parts: taken in exactly one form, like all that comes of gdb. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/frames.h"

#define FRAME  "{\"file\":\"/usr/lib/x.py\",\"line\":7,\"function\":\"fall\"}"
#define START  "{\"version\":1,\"crash_thread\":1,\"threads\":[{\"id\":1,\"lwp\":7,\"crashed\":true,"
#define PYTHON "\"frames\":[],\"python\":["
#define END    "]}]}"

static apr_status_t take(const char **ptext, workspace_t *ws, const char *frames)
{
    const worker_core_t core = { .arch = "x86_64",
                                 .modules = apr_array_make(ws->pool, 1, sizeof(worker_module_t)) };

    return worker_frames(ptext, apr_pstrcat(ws->pool, START PYTHON, frames, END, NULL), &core,
                         retrace_facts_make(ws->pool), &ws->err, ws->pool);
}

static void they_are_taken_as_they_are(void **state)
{
    const char *text = NULL;

    assert_int_equal(take(&text, *state, FRAME "," FRAME), APR_SUCCESS);
    assert_non_null(strstr(text, "\"python\":[" FRAME "," FRAME "]"));
}

static void a_name_cannot_hide_anything(void **state)
{
    const char *text = NULL;

    assert_int_equal(
        take(&text, *state, "{\"file\":\"a\\u001b[2J\",\"line\":0,\"function\":\"\\u0000b\"}"),
        APR_SUCCESS);
    assert_non_null(strstr(text, "a\\\\x1b[2J"));
    assert_null(strstr(text, "\\u001b"));
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"file\":\"x\",\"line\":1}",
        "{\"file\":\"x\",\"line\":-1,\"function\":\"f\"}",
        "{\"file\":\"x\",\"line\":\"1\",\"function\":\"f\"}",
        "{\"file\":null,\"line\":1,\"function\":\"f\"}",
        "{\"file\":\"x\",\"line\":1,\"function\":\"f\",\"locals\":[]}",
    };
    const char *text = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(take(&text, *state, bad[i]), APR_EINVAL);
    }
    assert_null(text);
}

static const char *many(workspace_t *ws, int count)
{
    apr_array_header_t *frames = apr_array_make(ws->pool, count, sizeof(const char *));

    while (count-- > 0) {
        APR_ARRAY_PUSH(frames, const char *) = FRAME;
    }
    return apr_array_pstrcat(ws->pool, frames, ',');
}

static void there_is_a_limit(void **state)
{
    const char *text = NULL;

    assert_int_equal(take(&text, *state, many(*state, WORKER_FRAMES_FRAMES)), APR_SUCCESS);
    assert_int_equal(take(&text, *state, many(*state, WORKER_FRAMES_FRAMES + 1)), APR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_are_taken_as_they_are),
        TEST(a_name_cannot_hide_anything),
        TEST(anything_else_is_refused),
        TEST(there_is_a_limit),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
