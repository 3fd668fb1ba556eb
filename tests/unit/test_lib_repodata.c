/* SPDX-License-Identifier: Apache-2.0 */
/* lib/repodata.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <stdio.h>

#include "lib/repodata.h"
#include "tests/unit/workspace.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void places_outside_the_repository_are_refused(void **state)
{
    static const char *const bad[] = { "",     "/etc/passwd", "..",       "a/../b",   "./a",
                                       "a//b", "http://x/y",  "a/",       "a b",      "a\\b",
                                       "a\n",  "a?b",         "%2e%2e/a", "a/%2E%2e", "a/..",
                                       "a#b",  "$a",          ".a",       "a/.b/c",   "..a/b..c" };
    workspace_t *ws = *state;
    char *text = apr_pcalloc(ws->pool, RETRACE_REPODATA_HREF_LENGTH + 2);
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(retrace_repodata_is_href(bad[i]));
    }
    assert_true(retrace_repodata_is_href("Packages/g/g++-1:2.0~rc1^x-1.fc36.x86_64.rpm"));
    assert_true(retrace_repodata_is_href("a./b..c"));
    memset(text, 'x', RETRACE_REPODATA_HREF_LENGTH);
    assert_true(retrace_repodata_is_href(text));
    text[RETRACE_REPODATA_HREF_LENGTH] = 'x';
    assert_false(retrace_repodata_is_href(text));
}

static apr_status_t find(workspace_t *ws, retrace_repodata_list_t *list, const char *text)
{
    return retrace_repodata_find(list, text, strlen(text), "primary", &ws->err, ws->pool);
}

static void a_list_needs_a_place_and_a_checksum(void **state)
{
    workspace_t *ws = *state;
    retrace_repodata_list_t list = { .href = NULL };

    assert_int_equal(find(ws, &list, "<repomd/>"), APR_NOTFOUND);
    assert_int_equal(
        find(ws, &list, "<repomd><data type='other'><location href='a'/></data></repomd>"),
        APR_NOTFOUND);
    assert_int_equal(
        find(ws, &list, "<repomd><data type='primary'><location href='a'/></data></repomd>"),
        APR_EINVAL);
    assert_int_equal(find(ws, &list,
                          "<repomd><data type='primary'><checksum type='sha256'>" SUM
                          "</checksum></data></repomd>"),
                     APR_EINVAL);
    assert_int_equal(
        find(ws, &list, "<repomd><data type='primary'><location href='../a'/></data></repomd>"),
        APR_EINVAL);
    assert_null(list.href);
}

static void a_list_is_found(void **state)
{
    workspace_t *ws = *state;
    retrace_repodata_list_t list;

    assert_int_equal(
        find(ws, &list,
             "<repomd xmlns='x'><data type='other'><location href='o'/></data><data type='primary'>"
             "<checksum type='sha256'>" SUM
             "</checksum><open-checksum type='sha256'>00</open-checksum>"
             "<location "
             "href='repodata/p.xml.zst'/><size>12</size><open-size>99</open-size></data></repomd>"),
        APR_SUCCESS);
    assert_string_equal(list.href, "repodata/p.xml.zst");
    assert_string_equal(list.checksum.digits, SUM);
    assert_int_equal(list.size, 12);
}

typedef struct seen_t {
    char text[2048];
    int count;
} seen_t;

static apr_status_t note_package(void *baton, const retrace_repodata_package_t *package,
                                 retrace_error_t *err)
{
    seen_t *seen = baton;
    size_t used = strlen(seen->text);

    seen->count++;
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s %s %s %s %s %s %s %ld;",
             package->name, package->arch, package->epoch, package->version, package->release,
             package->href != NULL ? package->href : "-",
             package->checksum.type != NULL ? package->checksum.type : "-", (long)package->size);
    (void)err;
    return APR_SUCCESS;
}

static apr_status_t packages(workspace_t *ws, seen_t *seen, const char *text)
{
    const retrace_repodata_packages_t to = { .package = note_package, .baton = seen };
    apr_status_t rv;
    int fd;

    workspace_write(ws, "primary.xml", text);
    fd = openat(ws->dir, "primary.xml", O_RDONLY | O_CLOEXEC);
    rv = retrace_repodata_packages(fd, &to, &ws->err);
    assert_int_equal(close(fd), 0);
    return rv;
}

static void packages_are_told_one_by_one(void **state)
{
    seen_t seen = { .text = "" };

    assert_int_equal(
        packages(
            *state, &seen,
            "<metadata xmlns='c' xmlns:rpm='r'><package "
            "type='rpm'><name>bash</name><arch>x86_64</arch>"
            "<version epoch='2' ver='5.1' rel='1.fc36'/><checksum type='sha256' pkgid='YES'>" SUM
            "</checksum><size package='77' installed='1' archive='2'/><location href='P/b.rpm'/>"
            "<format><rpm:name>other</rpm:name><rpm:provides><rpm:entry name='x' ver='9'/>"
            "</rpm:provides><rpm:version ver='9'/></format></package>"
            "<package><name>c</name></package></metadata>"),
        APR_SUCCESS);
    assert_string_equal(seen.text, "bash x86_64 2 5.1 1.fc36 P/b.rpm sha256 77;c  0   - - -1;");
}

static void what_cannot_be_used_of_a_package_is_left_out(void **state)
{
    seen_t seen = { .text = "" };

    assert_int_equal(
        packages(*state, &seen,
                 "<m><package><name>a</name><version epoch='x'/><checksum type='md5'>00</checksum>"
                 "<size package='-1'/><location href='/a.rpm'/></package>"
                 "<package><size package='9999999999999999'/><location xml:base='http://x' "
                 "href='a.rpm'/>"
                 "</package></m>"),
        APR_SUCCESS);
    assert_string_equal(seen.text, "a  0   - - -1;  0   - - -1;");
}

static void a_list_that_breaks_off_is_refused(void **state)
{
    seen_t seen = { .text = "" };

    assert_int_equal(packages(*state, &seen, "<m><package><name>a</name></package>"), APR_EINVAL);
    assert_int_equal(seen.count, 1);
}

static apr_status_t count_package(void *baton, const retrace_repodata_package_t *package,
                                  retrace_error_t *err)
{
    (void)package;
    (void)err;
    ((seen_t *)baton)->count++;
    return APR_SUCCESS;
}

static void packages_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    seen_t seen = { .count = 0 };
    const retrace_repodata_packages_t to = { .package = count_package, .baton = &seen };
    int fd;

    workspace_shell(
        ws,
        apr_psprintf(ws->pool, "{ echo '<m>'; yes '<package/>' | head -n %d; echo '</m>'; } >list",
                     RETRACE_REPODATA_MAX_PACKAGES));
    fd = openat(ws->dir, "list", O_RDONLY | O_CLOEXEC);
    assert_int_equal(retrace_repodata_packages(fd, &to, &ws->err), APR_SUCCESS);
    assert_int_equal(seen.count, RETRACE_REPODATA_MAX_PACKAGES);
    assert_int_equal(close(fd), 0);
    workspace_shell(ws, "sed -i '1s/.*/<m><package\\/>/' list");
    fd = openat(ws->dir, "list", O_RDONLY | O_CLOEXEC);
    assert_int_equal(retrace_repodata_packages(fd, &to, &ws->err), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "more than 500000 packages"));
    assert_int_equal(close(fd), 0);
}

static void note_provided(void *baton, const char *name, const char *version)
{
    strcat(strcat(strcat(strcat(((seen_t *)baton)->text, name), "="), version), ",");
}

static apr_status_t refuse_package(void *baton, const retrace_repodata_package_t *package,
                                   retrace_error_t *err)
{
    seen_t *seen = baton;

    seen->count++;
    return retrace_fail(err, APR_EACCES, "%s", package->source);
}

static void what_is_provided_comes_first_and_who_is_told_may_end_it(void **state)
{
    workspace_t *ws = *state;
    seen_t seen = { .text = "" };
    const retrace_repodata_packages_t to = { note_provided, refuse_package, &seen };
    int fd;

    workspace_write(ws, "primary.xml",
                    "<m><package><provides><entry name='not' ver='0'/></provides><format>"
                    "<rpm:sourcerpm>a.src.rpm</rpm:sourcerpm><rpm:provides>"
                    "<rpm:entry name='x' ver='1'/><rpm:entry name='y'/></rpm:provides>"
                    "<rpm:requires><rpm:entry name='z'/></rpm:requires></format></package>"
                    "<package/></m>");
    fd = openat(ws->dir, "primary.xml", O_RDONLY | O_CLOEXEC);
    assert_int_equal(retrace_repodata_packages(fd, &to, &ws->err), APR_EACCES);
    assert_string_equal(seen.text, "x=1,y=,");
    assert_non_null(strstr(ws->err.text, "a.src.rpm"));
    assert_int_equal(seen.count, 1);
    assert_int_equal(close(fd), 0);
}

static apr_status_t read_version(workspace_t *ws, seen_t *seen, size_t length)
{
    char *word = apr_pcalloc(ws->pool, length + 1);

    memset(word, '1', length);
    return packages(ws, seen,
                    apr_psprintf(ws->pool, "<m><package><version ver='%s'/></package></m>", word));
}

static void a_word_has_a_greatest_length(void **state)
{
    workspace_t *ws = *state;
    seen_t seen = { .text = "" };

    assert_int_equal(read_version(ws, &seen, RETRACE_REPODATA_WORD_LENGTH), APR_SUCCESS);
    assert_int_equal(read_version(ws, &seen, RETRACE_REPODATA_WORD_LENGTH + 1), APR_EINVAL);
    assert_string_equal(ws->err.text, "a name of more than 255 bytes");
    assert_int_equal(seen.count, 1);
}

static apr_status_t note_path(void *baton, const char *digits, const char *path,
                              retrace_error_t *err)
{
    seen_t *seen = baton;

    strcat(strcat(strcat(strcat(seen->text, digits), ":"), path), ";");
    (void)err;
    return APR_SUCCESS;
}

static void files_are_told_with_their_package(void **state)
{
    workspace_t *ws = *state;
    seen_t seen = { .text = "" };
    const retrace_repodata_files_t to = { .file = note_path, .baton = &seen };
    int fd;

    workspace_write(
        ws, "filelists.xml",
        "<filelists><package pkgid='aa'><file type='dir'>/usr</file><file>/usr/b</file></package>"
        "<package pkgid='BB'><file>relative</file><file>/c</file></package></filelists>");
    fd = openat(ws->dir, "filelists.xml", O_RDONLY | O_CLOEXEC);
    assert_int_equal(retrace_repodata_files(fd, &to, &ws->err), APR_SUCCESS);
    assert_string_equal(seen.text, "aa:/usr;aa:/usr/b;bb:/c;");
    assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_outside_the_repository_are_refused),
        TEST(a_list_needs_a_place_and_a_checksum),
        TEST(a_list_is_found),
        TEST(packages_are_told_one_by_one),
        TEST(what_cannot_be_used_of_a_package_is_left_out),
        TEST(a_list_that_breaks_off_is_refused),
        TEST(packages_have_a_limit),
        TEST(what_is_provided_comes_first_and_who_is_told_may_end_it),
        TEST(a_word_has_a_greatest_length),
        TEST(files_are_told_with_their_package),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
