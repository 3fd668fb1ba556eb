/* SPDX-License-Identifier: Apache-2.0 */
/* lib/nevra.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/nevra.h"

static void expect(const char *text, const char *name, const char *epoch, const char *version,
                   const char *release)
{
    retrace_nevra_t nevra;

    assert_true(retrace_nevra_parse(&nevra, text));
    assert_string_equal(nevra.name, name);
    assert_string_equal(nevra.epoch, epoch);
    assert_string_equal(nevra.version, version);
    assert_string_equal(nevra.release, release);
}

static void the_usual_form_is_taken_apart(void **state)
{
    (void)state;
    expect("bash-5.1.8-2.fc36", "bash", "", "5.1.8", "2.fc36");
}

static void a_name_may_hold_dashes_and_signs(void **state)
{
    (void)state;
    expect("gtk+-devel-docs-1.2~rc1^git-0.1.el8_4", "gtk+-devel-docs", "", "1.2~rc1^git",
           "0.1.el8_4");
}

static void an_epoch_stands_before_version_or_name(void **state)
{
    (void)state;
    expect("gedit-2:3.2-1", "gedit", "2", "3.2", "1");
    expect("2:gedit-3.2-1", "gedit", "2", "3.2", "1");
}

static void what_is_no_package_is_refused(void **state)
{
    static const char *const bad[] = {
        "",          "bash",      "bash-5",  "bash--1", "-5-1",
        "bash-5-",   "../a-1-1",  "a/b-1-1", "a-..-1",  "a-1-.x",
        ".a-1-1",    "a b-1-1",   "a-1-1\n", "a:b-1-1", "a-1-2:1",
        "1:a-2:1-1", ":a-1-1",    "a-:1-1",  "a-x:1-1", "a-1-1;id",
        "a-1-1\x80", "a-1-$(id)", "a-1-%s",  "a-1-1'",  "12345678901234567:a-1-1",
    };
    retrace_nevra_t nevra;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (retrace_nevra_parse(&nevra, bad[i])) {
            fail_msg("'%s' was taken for a package", bad[i]);
        }
    }
}

static void the_longest_name_is_taken_a_longer_one_refused(void **state)
{
    char text[RETRACE_NEVRA_MAX + 1];
    retrace_nevra_t nevra;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + RETRACE_NEVRA_MAX - 5, "-1-1", 5);
    assert_int_equal(strlen(text), RETRACE_NEVRA_MAX - 1);
    assert_true(retrace_nevra_parse(&nevra, text));
    memset(text, 'a', sizeof(text));
    memcpy(text + RETRACE_NEVRA_MAX - 4, "-1-1", 5);
    assert_false(retrace_nevra_parse(&nevra, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_form_is_taken_apart),
        cmocka_unit_test(a_name_may_hold_dashes_and_signs),
        cmocka_unit_test(an_epoch_stands_before_version_or_name),
        cmocka_unit_test(what_is_no_package_is_refused),
        cmocka_unit_test(the_longest_name_is_taken_a_longer_one_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
