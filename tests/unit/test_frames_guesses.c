/* SPDX-License-Identifier: Apache-2.0 */
/* In the backtrace in parts: which frames are guesses, since gdb had no file to learn from who called
 * them. */
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

#define APP_ID     "aaaa"
#define LIBRARY_ID "bbbb"
#define FRAME(level, pc)                                                                           \
    "{\"level\":" level ",\"pc\":\"" pc "\",\"type\":\"normal\",\"inlined\":false,\"args\":[],"    \
    "\"locals\":[]}"
#define APP     "0x401000" /* in the program */
#define LIBRARY "0x501000" /* in the library */
#define END     "0x502000" /* behind it */
#define NOWHERE "0x1"

/* Program and library; of that one this is missing, or nothing is. */
static const char *take(void **state, const char *missing_kind, const char *frames)
{
    static const worker_module_t modules[] = {
        { .path = "/bin/app", .start = 0x400000, .end = 0x402000, .build_id = APP_ID },
        { .path = "/lib/x.so", .start = 0x500000, .end = 0x502000, .build_id = LIBRARY_ID },
    };
    workspace_t *ws = *state;
    retrace_facts_t *facts = retrace_facts_make(ws->pool);
    worker_core_t core = { .arch = "x86_64", .signal = 11 };
    const char *text = NULL;
    const char *json =
        apr_pstrcat(ws->pool, "{\"version\":1,\"crash_thread\":1,\"threads\":[{\"id\":1,\"lwp\":7,",
                    frames, "]}]}", NULL);
    size_t i;

    core.modules = apr_array_make(ws->pool, 2, sizeof(worker_module_t));
    for (i = 0; i < 2; i++) {
        APR_ARRAY_PUSH(core.modules, worker_module_t) = modules[i];
    }
    if (missing_kind != NULL) {
        APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
            (retrace_missing_t){ missing_kind, LIBRARY_ID, "/lib/x.so" };
    }
    assert_int_equal(worker_frames(&text, json, &core, facts, &ws->err, ws->pool), APR_SUCCESS);
    return text;
}

/* As many letters as frames: 'g' for a guess. Those of all threads. */
static const char *guesses(void **state, const char *missing_kind, const char *frames)
{
    const char *at = take(state, missing_kind, frames);
    char *found = apr_pstrdup(((workspace_t *)*state)->pool, "");

    while ((at = strstr(at, "\"level\":")) != NULL) {
        const char *next = strstr(++at, "\"level\":");
        const char *guess = strstr(at, "\"guess\":true");
        bool is_guess = guess != NULL && (next == NULL || guess < next);

        found = apr_pstrcat(((workspace_t *)*state)->pool, found, is_guess ? "g" : "-", NULL);
    }
    return found;
}

#define THREAD(frames)   "\"crashed\":true,\"frames\":[" frames
#define FOUR(a, b, c, d) THREAD(FRAME("0", a) "," FRAME("1", b) "," FRAME("2", c) "," FRAME("3", d))

static void frames_below_a_missing_executable_are_guesses(void **state)
{
    assert_string_equal(guesses(state, "executable", FOUR(APP, LIBRARY, APP, NOWHERE)), "--gg");
    assert_string_equal(guesses(state, "executable", FOUR(LIBRARY, LIBRARY, APP, APP)), "-ggg");
}

static void missing_debug_information_makes_no_guesses(void **state)
{
    assert_string_equal(guesses(state, "debuginfo", FOUR(APP, LIBRARY, APP, NOWHERE)), "----");
    assert_string_equal(guesses(state, NULL, FOUR(LIBRARY, LIBRARY, APP, NOWHERE)), "----");
}

static void where_a_call_returns_to_may_be_behind_the_file(void **state)
{
    assert_string_equal(guesses(state, "executable", FOUR(END, END, APP, APP)), "--gg");
}

static void each_thread_begins_without_guesses(void **state)
{
    assert_string_equal(guesses(state, "executable",
                                THREAD(FRAME("0", LIBRARY) "," FRAME(
                                    "1", APP) "]},{\"id\":2,\"lwp\":8,\"crashed\":false,"
                                              "\"frames\":[" FRAME("0", APP) "," FRAME("1", APP))),
                        "-g--");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_below_a_missing_executable_are_guesses),
        TEST(missing_debug_information_makes_no_guesses),
        TEST(where_a_call_returns_to_may_be_behind_the_file),
        TEST(each_thread_begins_without_guesses),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
