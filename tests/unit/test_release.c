/* SPDX-License-Identifier: Apache-2.0 */
/* lib/release.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/release.h"
#include "tests/unit/workspace.h"

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

/* --- With their architectures ---------------------------------------------------------------- */

static void names_of_directories_are_refused_that_could_lead_elsewhere(void **state)
{
    static const char *const good[] = { "fedora-36-x86_64", "rhel-7.9-i386",
                                        "opensuse-leap-15.4-x86_64", "a-b-c" };
    static const char *const bad[] = {
        "",         "fedora",  "fedora-36", ".a-b-c",  "-a-b-c",
        "../a-b-c", "a/b-c-d", "a-b-c\n",   "a b-c-d", "a-b-\xc3\xa4"
    };
    char longest[RETRACE_RELEASE_NAME_MAX + 2];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(retrace_release_is_name(good[i]));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(retrace_release_is_name(bad[i]));
    }
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "a-b-", 4);
    longest[RETRACE_RELEASE_NAME_MAX + 1] = '\0';
    assert_false(retrace_release_is_name(longest));
    longest[RETRACE_RELEASE_NAME_MAX] = '\0';
    assert_true(retrace_release_is_name(longest));
}

static void a_directory_with_repodata_is_a_repository(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "repos/fedora-36-x86_64/repodata/repomd.xml", "");
    workspace_write(ws, "repos/fedora-9-x86_64/repodata/repomd.xml", "");
    workspace_write(ws, "repos/fedora-37-x86_64/a.rpm", "");
    workspace_write(ws, "repos/buildid/repodata/repomd.xml", "");
    workspace_write(ws, "repos/.fedora-36-x86_64/repodata/repomd.xml", "");
    workspace_write(ws, "repos/fedora-36-x86 64/repodata/repomd.xml", "");
    assert_string_equal(
        apr_array_pstrcat(ws->pool, retrace_release_names(workspace_path(ws, "repos"), ws->pool),
                          ' '),
        "fedora-9-x86_64 fedora-36-x86_64");
    assert_int_equal(retrace_release_names(workspace_path(ws, "none"), ws->pool)->nelts, 0);
}

static void there_is_a_limit_of_repositories(void **state)
{
    workspace_t *ws = *state;
    const char *repos = workspace_path(ws, "repos");

    workspace_shell(ws, "for i in $(seq 256); do mkdir -p repos/fedora-$i-x86_64/repodata; done");
    assert_int_equal(retrace_release_names(repos, ws->pool)->nelts, RETRACE_RELEASES_MAX);
    workspace_shell(ws, "mkdir -p repos/fedora-257-x86_64/repodata");
    assert_int_equal(retrace_release_names(repos, ws->pool)->nelts, RETRACE_RELEASES_MAX);
}

static void expect_served(const workspace_t *ws, const char *name, const char *expected)
{
    static const char *const all[] = { "fedora-36-x86_64", "rhel-8-x86_64", "rhel-9.1-x86_64",
                                       "centos-7-x86_64", "centos-stream-9-x86_64" };
    apr_array_header_t *names = apr_array_make(ws->pool, 8, sizeof(const char *));
    const char *found;
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        APR_ARRAY_PUSH(names, const char *) = all[i];
    }
    found = retrace_release_serving(names, name, ws->pool);
    if (expected == NULL) {
        assert_null(found);
    }
    else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

static void a_minor_release_is_served_by_its_major_one(void **state)
{
    const workspace_t *ws = *state;

    expect_served(ws, "rhel-8-x86_64", "rhel-8-x86_64");
    expect_served(ws, "rhel-8.6-x86_64", "rhel-8-x86_64");
    expect_served(ws, "rhel-9.1-x86_64", "rhel-9.1-x86_64");
    expect_served(ws, "centos-7.9.2009-x86_64", "centos-7-x86_64");
    expect_served(ws, "centos-9-x86_64", "centos-stream-9-x86_64");
    expect_served(ws, "centos-stream-7-x86_64", "centos-7-x86_64");
    expect_served(ws, "rhel-8.6-s390x", NULL);
    expect_served(ws, "rhel-80-x86_64", NULL);
    expect_served(ws, "rhel-9-x86_64", NULL);
    expect_served(ws, "fedora-36.1-x86_64", NULL);
    expect_served(ws, "rhel-.-x86_64", NULL);
    expect_served(ws, "../rhel-8-x86_64", NULL);
    expect_served(ws, "rhel", NULL);
}

static void expect_aliases(const workspace_t *ws, const char *name, const char *expected)
{
    apr_array_header_t *aliases = apr_array_make(ws->pool, 8, sizeof(const char *));

    retrace_release_add_aliases(aliases, name);
    assert_string_equal(apr_array_pstrcat(ws->pool, aliases, ' '), expected);
}

static void aliases_are_the_minor_releases_newest_first(void **state)
{
    const workspace_t *ws = *state;

    expect_aliases(
        ws, "rhel-7-x86_64",
        "rhel-7.9-x86_64 rhel-7.8-x86_64 rhel-7.7-x86_64 rhel-7.6-x86_64 rhel-7.5-x86_64 "
        "rhel-7.4-x86_64 rhel-7.3-x86_64 rhel-7.2-x86_64 rhel-7.1-x86_64 rhel-7.0-x86_64");
    expect_aliases(ws, "centos-stream-9-x86_64", "centos-9-x86_64");
    expect_aliases(ws, "centos-8-x86_64", "centos-stream-8-x86_64");
    expect_aliases(ws, "rhel-7.9-x86_64", "");
    expect_aliases(ws, "fedora-36-x86_64", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_systems_become_ids),
        cmocka_unit_test(texts_without_a_release_are_refused),
        cmocka_unit_test(an_id_has_a_limit),
        cmocka_unit_test(tags_of_packages_become_ids),
        cmocka_unit_test(names_of_directories_are_refused_that_could_lead_elsewhere),
        TEST(a_directory_with_repodata_is_a_repository),
        TEST(there_is_a_limit_of_repositories),
        TEST(a_minor_release_is_served_by_its_major_one),
        TEST(aliases_are_the_minor_releases_newest_first),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
