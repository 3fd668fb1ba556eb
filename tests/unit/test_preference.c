/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that an upload names. */
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
#include "worker/resolve/preference.h"

static void only_whole_names_are_taken(void **state)
{
    static const char *const wrong[] = { "",
                                         "bash",
                                         "bash-5.1",
                                         "bash-5.1-2",
                                         "bash.x86_64",
                                         ".x86_64",
                                         "bash-5.1-2.",
                                         "bash-5.1-2.x86-64",
                                         "-5.1-2.x86_64",
                                         "bash-5.1-2.fc36.x86_64\n",
                                         "a b-1-1.x",
                                         "../b-1-1.x86_64",
                                         "bash-:5.1-2.x86_64",
                                         "bash-5.1-2.x86_64;rm" };
    worker_preference_t preference = { .is_known = false };
    char most[RETRACE_NEVRA_MAX + 1];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(worker_preference_parse(&preference, wrong[i]));
    }
    memset(most, 'a', sizeof(most));
    memcpy(most + RETRACE_NEVRA_MAX - 7, "-1-1.b", 7);
    assert_true(worker_preference_parse(&preference, most));
    memset(most, 'a', sizeof(most));
    memcpy(most + RETRACE_NEVRA_MAX - 6, "-1-1.b", 7);
    assert_false(worker_preference_parse(&preference, most));
}

static bool is(const char *text, const char *epoch, const char *arch)
{
    worker_preference_t preference = { .is_known = false };
    const worker_candidate_t candidate = {
        .name = "gtk+-x11", .epoch = epoch, .version = "5.1", .release = "2.fc36", .arch = arch
    };

    assert_true(worker_preference_parse(&preference, text));
    return worker_preference_is(&preference, &candidate);
}

static void a_name_is_compared_in_all_its_parts(void **state)
{
    (void)state;
    assert_true(is("gtk+-x11-5.1-2.fc36.x86_64", "", "x86_64"));
    assert_true(is("gtk+-x11-5.1-2.fc36.x86_64", "3", "x86_64"));
    assert_true(is("gtk+-x11-3:5.1-2.fc36.x86_64", "3", "x86_64"));
    assert_true(is("3:gtk+-x11-5.1-2.fc36.x86_64", "3", "x86_64"));
    assert_true(is("gtk+-x11-0:5.1-2.fc36.x86_64", "", "x86_64"));
    assert_false(is("gtk+-x11-1:5.1-2.fc36.x86_64", "", "x86_64"));
    assert_false(is("gtk+-x11-5.1-2.fc36.x86_64", "", "i686"));
    assert_false(is("gtk+-x11-5.2-2.fc36.x86_64", "", "x86_64"));
    assert_false(is("gtk+-x11-5.1-3.fc36.x86_64", "", "x86_64"));
    assert_false(is("gtk+-5.1-2.fc36.x86_64", "", "x86_64"));
}

static void there_is_a_limit_of_names(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *names = apr_array_make(ws->pool, 1, sizeof(const char *));
    int i;

    assert_int_equal(worker_preferences(NULL, ws->pool)->nelts, 0);
    APR_ARRAY_PUSH(names, const char *) = "no name";
    for (i = 0; i < WORKER_PREFERENCES_MAX; i++) {
        APR_ARRAY_PUSH(names, const char *) = apr_psprintf(ws->pool, "a-1-%d.x86_64", i);
    }
    assert_int_equal(worker_preferences(names, ws->pool)->nelts, WORKER_PREFERENCES_MAX);
    APR_ARRAY_PUSH(names, const char *) = "b-1-1.x86_64";
    assert_int_equal(worker_preferences(names, ws->pool)->nelts, WORKER_PREFERENCES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_whole_names_are_taken),
        TEST(a_name_is_compared_in_all_its_parts),
        TEST(there_is_a_limit_of_names),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
