/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/reposync/strip.h: with packages made by rpmbuild, and read by rpm2cpio, which goes by the
 * compression that the header names: they have zstd from the start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/reposync/strip.h"
#include "tests/unit/rpm_builder.h"
#include "tests/unit/workspace.h"

static const char spec[] =
    "Name: linked\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nAutoReqProv: no\n"
    "%description\nx\n%install\n"
    "mkdir -p %{buildroot}/x %{buildroot}/usr/lib/debug %{buildroot}/usr/lib/.build-id/ab\n"
    "cd %{buildroot}/x\n"
    "{ printf '\\177ELF'; seq 40000; } >elf; ln elf elf2; ln elf elf3\n"
    "seq 40000 >text; ln text text2; ln -s text link; : >empty; ln empty empty2\n"
    "echo debug >debug; ln debug ../usr/lib/debug/debug\n"
    "ln -s ../../../../x/elf ../usr/lib/.build-id/ab/cd\n"
    "%files\n/x\n/usr/lib\n";

static void make_linked(const workspace_t *ws)
{
    if (system("rpmbuild --version >/dev/null 2>&1 && cpio --version >/dev/null 2>&1") != 0) {
        print_message("skipped: rpmbuild or cpio is not installed\n");
        skip();
    }
    workspace_write(ws, "linked.spec", spec);
    workspace_shell(ws,
                    "rpmbuild -bb --quiet --define \"_topdir $PWD/top\" --define 'debug_package "
                    "%{nil}' --define '_binary_payload w3.zstdio' --define '_build_id_links none' "
                    "--define '__os_install_post "
                    "%{nil}' linked.spec >log 2>&1 && mv top/RPMS/*/linked-*.rpm linked.rpm");
}

static apr_status_t strip(workspace_t *ws, int *pdropped, const char *name)
{
    int from = openat(ws->dir, name, O_RDONLY | O_CLOEXEC);
    int to = openat(ws->dir, "out.rpm", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    apr_status_t rv = reposync_strip(pdropped, to, from, &ws->err, ws->pool);

    assert_int_equal(close(from), 0);
    assert_int_equal(close(to), 0);
    return rv;
}

static void what_is_no_package_is_refused(void **state)
{
    workspace_t *ws = *state;
    int dropped = -1;

    workspace_write(ws, "empty", "");
    assert_int_equal(strip(ws, &dropped, "empty"), APR_EINVAL);
    workspace_shell(ws, "seq 1000 >text");
    assert_int_equal(strip(ws, &dropped, "text"), APR_EINVAL);
    /* A header that says of itself that it is larger than anything. */
    workspace_shell(ws,
                    "{ head -c 96 /dev/zero; printf "
                    "'\\216\\255\\350\\001\\0\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377'; "
                    "} >huge");
    assert_int_equal(strip(ws, &dropped, "huge"), APR_EINVAL);
    assert_int_equal(dropped, -1);
}

static void a_payload_that_breaks_off_is_refused(void **state)
{
    workspace_t *ws = *state;
    int dropped = -1;

    make_linked(ws);
    workspace_shell(ws, "head -c -1000 linked.rpm >cut.rpm");
    assert_int_equal(strip(ws, &dropped, "cut.rpm"), APR_EINVAL);
}

static void hard_links_keep_their_content(void **state)
{
    workspace_t *ws = *state;
    int dropped = 0;

    make_linked(ws);
    assert_int_equal(strip(ws, &dropped, "linked.rpm"), APR_SUCCESS);
    assert_int_equal(dropped, 5);
    workspace_shell(ws,
                    "mkdir all some; (cd all; rpm2cpio ../linked.rpm | cpio -idm --quiet); "
                    "(cd some; rpm2cpio ../out.rpm | cpio -idm --quiet)");
    workspace_shell(ws, "cd some; find . ! -type d | LC_ALL=C sort >../list");
    assert_string_equal(workspace_read(ws, "list"),
                        "./usr/lib/.build-id/ab/cd\n./usr/lib/debug/debug\n./x/debug\n./x/elf\n"
                        "./x/elf2\n./x/elf3\n");
    workspace_shell(ws,
                    "for f in usr/lib/debug/debug x/debug x/elf x/elf2 x/elf3; do "
                    "cmp all/$f some/$f || exit 1; done");
    workspace_shell(ws, "test some/x/elf -ef some/x/elf3");
    workspace_shell(ws, "test $(readlink some/usr/lib/.build-id/ab/cd) = ../../../../x/elf");
}

static void the_signed_part_stays_byte_by_byte(void **state)
{
    workspace_t *ws = *state;
    int dropped = 0;

    make_linked(ws);
    assert_int_equal(strip(ws, &dropped, "linked.rpm"), APR_SUCCESS);
    /* They differ from the payload on, which is not before the names of its files. */
    workspace_shell(ws,
                    "cmp -l out.rpm linked.rpm 2>/dev/null | { read at rest; "
                    "test $at -gt $(grep -abo cpio linked.rpm | head -n 1 | cut -d: -f1); }");
    workspace_shell(ws, "rpm -qp --nosignature --qf '%{name} %{filenames}' out.rpm >name 2>log");
    assert_non_null(strstr(workspace_read(ws, "name"), "linked"));
    workspace_shell(ws,
                    "rpmkeys --checksig --verbose out.rpm | grep -q 'Header SHA256 digest: OK'");
    workspace_shell(ws, "test $(wc -c <out.rpm) -lt $(wc -c <linked.rpm)");
}

static void a_package_of_nothing_else_loses_nothing(void **state)
{
    workspace_t *ws = *state;
    int dropped = -1;

    make_linked(ws);
    assert_int_equal(strip(ws, &dropped, "linked.rpm"), APR_SUCCESS);
    workspace_shell(ws, "mv out.rpm again.rpm");
    assert_int_equal(strip(ws, &dropped, "again.rpm"), APR_SUCCESS);
    assert_int_equal(dropped, 0);
}

static void what_is_kept(void **state)
{
    (void)state;
    assert_true(reposync_strip_keeps("/usr/bin/x", "\177ELF", 4));
    assert_false(reposync_strip_keeps("/usr/bin/x", "\177EL", 3));
    assert_false(reposync_strip_keeps("/usr/bin/x", "#!/bin/sh", 9));
    assert_true(reposync_strip_keeps("/usr/lib/debug/x", "text", 4));
    assert_true(reposync_strip_keeps("/usr/lib/debug/x", NULL, 0));
    assert_true(reposync_strip_keeps("/usr/lib/.build-id/ab/cd", NULL, 0));
    assert_false(reposync_strip_keeps("/usr/lib/.build-id/ab/cd", "text", 4));
    assert_false(reposync_strip_keeps("/usr/lib/libx.so", NULL, 0));
    assert_false(reposync_strip_keeps("/usr/lib/debugger", "text", 4));
}

static void make_odd(const workspace_t *ws, const char *install, const char *options)
{
    make_linked(ws); /* is there an rpmbuild? */
    workspace_write(ws, "odd.spec",
                    apr_pstrcat(ws->pool,
                                "Name: odd\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n"
                                "AutoReqProv: no\n%description\nx\n%install\n"
                                "mkdir -p %{buildroot}/x\ncd %{buildroot}/x\n",
                                install, "\n%files\n/x\n", NULL));
    workspace_shell(ws,
                    apr_pstrcat(ws->pool,
                                "rpmbuild -bb --quiet --define \"_topdir $PWD/top\" --define "
                                "'debug_package %{nil}' --define '_build_id_links none' --define "
                                "'__os_install_post %{nil}' ",
                                options, " odd.spec >log 2>&1 && mv top/RPMS/*/odd-*.rpm odd.rpm",
                                NULL));
}

/* Workers could check none of its files. */
static void files_with_weak_checksums_stay(void **state)
{
    static const struct {
        const char *algorithm;
        apr_status_t expected;
    } cases[] = { { "1", APR_EINVAL },
                  { "2", APR_EINVAL },
                  { "8", APR_SUCCESS },
                  { "9", APR_SUCCESS },
                  { "10", APR_SUCCESS } };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int dropped = -1;

        make_odd(ws, "{ printf '\\177ELF'; seq 9000; } >elf; head -c 9000 /dev/urandom >text",
                 apr_pstrcat(ws->pool, "--define '_binary_filedigest_algorithm ",
                             cases[i].algorithm, "'", NULL));
        assert_int_equal(strip(ws, &dropped, "odd.rpm"), cases[i].expected);
        assert_int_equal(dropped, cases[i].expected == APR_SUCCESS ? 1 : -1);
    }
}

/* Packed by xz it is smaller as it is, with all files. */
static void what_would_grow_stays(void **state)
{
    workspace_t *ws = *state;
    int dropped = -1;

    make_odd(ws, "{ printf '\\177ELF'; seq 400000; } >elf; echo text >text",
             "--define '_binary_payload w9.xzdio'");
    assert_int_equal(strip(ws, &dropped, "odd.rpm"), APR_SUCCESS);
    assert_int_equal(dropped, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_package_is_refused),           TEST(a_payload_that_breaks_off_is_refused),
        TEST(hard_links_keep_their_content),           TEST(the_signed_part_stays_byte_by_byte),
        TEST(a_package_of_nothing_else_loses_nothing), TEST(what_is_kept),
        TEST(files_with_weak_checksums_stay),          TEST(what_would_grow_stays),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
