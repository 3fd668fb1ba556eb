/* SPDX-License-Identifier: Apache-2.0 */
/* lib/estimate.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/estimate.h"

static const char text[] = "bash fedora-36 12\nbash fedora-3 99\n- fedora-36 30\n- - 50\nzsh - 7\n";

static void the_narrowest_experience_counts(void **state)
{
    (void)state;
    assert_int_equal(retrace_estimate_find(text, "bash", "fedora-36"), 12);
    assert_int_equal(retrace_estimate_find(text, "zsh", "fedora-36"), 30);
    assert_int_equal(retrace_estimate_find(text, NULL, "fedora-36"), 30);
    assert_int_equal(retrace_estimate_find(text, "bash", "rhel-8"), 50);
    assert_int_equal(retrace_estimate_find(text, "bas", "fedora-36"), 30);
    assert_int_equal(retrace_estimate_find(text, NULL, NULL), 50);
}

static void without_experience_there_is_a_default(void **state)
{
    (void)state;
    assert_int_equal(retrace_estimate_find(NULL, "bash", "fedora-36"), RETRACE_ESTIMATE_DEFAULT_S);
    assert_int_equal(retrace_estimate_find("", "bash", "fedora-36"), RETRACE_ESTIMATE_DEFAULT_S);
}

static void a_malformed_line_does_not_count(void **state)
{
    static const char *const bad[] = { "- - 0\n",        "- - -5\n", "- -\n", "- - x\n",
                                       "- - 12345678\n", "- ",       "-",     "\n\n" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(retrace_estimate_find(bad[i], NULL, NULL), RETRACE_ESTIMATE_DEFAULT_S);
    }
    assert_int_equal(retrace_estimate_find("- - 1234567", NULL, NULL), 1234567);
}

static void whoever_waits_waits_for_those_before(void **state)
{
    (void)state;
    assert_int_equal(retrace_estimate_wait(10, 20, 0, 5), 10);
    assert_int_equal(retrace_estimate_wait(10, 20, 4, 5), 10);
    assert_int_equal(retrace_estimate_wait(10, 20, 5, 5), 30);
    assert_int_equal(retrace_estimate_wait(10, 20, 11, 5), 50);
}

static void an_estimate_is_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(retrace_estimate_wait(0, 0, 0, 5), 1);
    assert_int_equal(retrace_estimate_wait(1, 1, 3, 0), 4);
    assert_int_equal(retrace_estimate_wait(1, 9999999, 10000, 1), 7 * 24 * 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_narrowest_experience_counts),
        cmocka_unit_test(without_experience_there_is_a_default),
        cmocka_unit_test(a_malformed_line_does_not_count),
        cmocka_unit_test(whoever_waits_waits_for_those_before),
        cmocka_unit_test(an_estimate_is_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
