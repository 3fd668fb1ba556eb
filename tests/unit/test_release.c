/* SPDX-License-Identifier: Apache-2.0 */
/* lib/release.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/release.h"

static void texts_of_systems_become_ids(void **state)
{
    static const char *const pairs[][2] = {
        { "Fedora release 36 (Thirty Six)", "fedora-36" },
        { "Fedora Linux 38 (Workstation Edition)", "fedora-38" },
        { "Fedora release 40 (Rawhide)", "fedora-40" },
        { "Fedora release Rawhide", "fedora-rawhide" },
        { "Red Hat Enterprise Linux Server release 7.9 (Maipo)", "rhel-7.9" },
        { "Red Hat Enterprise Linux 9.2 (Plow)\nmore", "rhel-9.2" },
        { "CentOS Linux release 7.9.2009 (Core)", "centos-7.9.2009" },
        { "Debian GNU/Linux 12 (bookworm)", "debian-12" },
        { "Ubuntu 22.04.3 LTS", "ubuntu-22.04.3" },
        { "openSUSE Leap 15.4", "opensuse-leap-15.4" },
        { "fedora-36", "fedora-36" },
    };
    retrace_release_t release;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_true(retrace_release_from_text(&release, pairs[i][0]));
        assert_string_equal(release.text, pairs[i][1]);
    }
}

static void texts_without_a_release_are_refused(void **state)
{
    static const char *const bad[] = { "",      "Fedora", "36",    "Arch Linux", "<b>Evil</b> 3",
                                       "\n12 ", "(36)",   "../x 1" };
    retrace_release_t release;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (retrace_release_from_text(&release, bad[i])) {
            fail_msg("'%s' became %s", bad[i], release.text);
        }
    }
}

static void an_id_has_a_limit(void **state)
{
    char text[2 * RETRACE_RELEASE_MAX];
    retrace_release_t release;

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + RETRACE_RELEASE_MAX - 3, " 1");
    assert_true(retrace_release_from_text(&release, text));
    assert_int_equal(strlen(release.text), RETRACE_RELEASE_MAX - 1);
    memset(text, 'a', sizeof(text));
    strcpy(text + RETRACE_RELEASE_MAX - 2, " 1");
    assert_false(retrace_release_from_text(&release, text));
}

static void tags_of_packages_become_ids(void **state)
{
    retrace_release_t release;

    (void)state;
    assert_true(retrace_release_from_tag(&release, "2.fc36"));
    assert_string_equal(release.text, "fedora-36");
    assert_true(retrace_release_from_tag(&release, "0.1.rc2.el8_4"));
    assert_string_equal(release.text, "rhel-8");
    assert_false(retrace_release_from_tag(&release, "1"));
    assert_false(retrace_release_from_tag(&release, "1.fcx"));
    assert_false(retrace_release_from_tag(&release, "1.elephant.x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_systems_become_ids),
        cmocka_unit_test(texts_without_a_release_are_refused),
        cmocka_unit_test(an_id_has_a_limit),
        cmocka_unit_test(tags_of_packages_become_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
