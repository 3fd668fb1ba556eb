/* SPDX-License-Identifier: Apache-2.0 */
/* Files in the style of yum.repos.d. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/repo_config.h"
#include "tests/unit/workspace.h"

static const apr_array_header_t *parse(workspace_t *ws, const char *text)
{
    apr_array_header_t *sections = NULL;

    assert_int_equal(retrace_repo_config_parse(&sections, text, "x.repo", &ws->err, ws->pool),
                     APR_SUCCESS);
    return sections;
}

static const retrace_repo_section_t *section(const apr_array_header_t *sections, int at)
{
    assert_true(at < sections->nelts);
    return APR_ARRAY_IDX(sections, at, const retrace_repo_section_t *);
}

static const char *joined(const workspace_t *ws, const apr_array_header_t *list)
{
    return apr_array_pstrcat(ws->pool, list, ' ');
}

static void expect_refusal(void **state, const char *text, const char *words)
{
    workspace_t *ws = *state;
    apr_array_header_t *sections = NULL;

    assert_int_equal(retrace_repo_config_parse(&sections, text, "x.repo", &ws->err, ws->pool),
                     APR_EINVAL);
    assert_null(sections);
    assert_non_null(strstr(ws->err.text, words));
}

static void what_is_malformed_is_refused_with_its_line(void **state)
{
    expect_refusal(state, "[a]\nbaseurl\n", "x.repo:2: neither");
    expect_refusal(state, "a = b\n", "x.repo:1: a value before");
    expect_refusal(state, "[a\n", "x.repo:1: a section's name has no ]");
    expect_refusal(state, "[]\n", "x.repo:1: a section's name has other characters");
    expect_refusal(state, "[a b]\n", "x.repo:1: a section's name has other characters");
    expect_refusal(state, "[../a]\n", "x.repo:1: a section's name has other characters");
    expect_refusal(state, "[a]\n[a]\n", "x.repo:2: this section is there twice");
    expect_refusal(state, "[a]\n more\n", "x.repo:2: a line that begins with a blank");
    expect_refusal(state, "[a]\nenabled = maybe\n", "x.repo:2: enabled is neither 0 nor 1");
    expect_refusal(state, "[a]\nenabled =\n", "x.repo:2: enabled is neither 0 nor 1");
    expect_refusal(state, "[a]\nname = b\n c\n", "x.repo:3: name has one line");
}

static void a_section_has_defaults(void **state)
{
    workspace_t *ws = *state;
    const retrace_repo_section_t *one = section(parse(ws, "[fedora]\n"), 0);

    assert_string_equal(one->id, "fedora");
    assert_string_equal(one->name, "");
    assert_true(one->is_enabled && one->gpgcheck && one->sslverify);
    assert_int_equal(one->baseurls->nelts, 0);
    assert_int_equal(one->gpgkeys->nelts, 0);
    assert_null(one->mirrorlist);
    assert_null(one->proxy);
    assert_int_equal(parse(ws, "")->nelts, 0);
}

static void known_keys_are_read_and_others_ignored(void **state)
{
    workspace_t *ws = *state;
    const apr_array_header_t *sections =
        parse(ws,
              "# comment\n; too\n[main]\ncachedir=/x\n[a]\r\nName = Fedora $releasever\r\n"
              "enabled=0\nbaseurl = https://one.example.org/$releasever/ , http://two/\n"
              "   https://three/\n\n# between\n\tfile:///four\nmetadata_expire=7d\n  8d\n"
              "gpgcheck = no\nsslverify=False\nsslcacert=/etc/ca.pem\nproxy = _none_\n"
              "mirrorlist=https://m/?a=b\nmetalink = https://l/\n"
              "gpgkey=file:///etc/key\n       file:///etc/other\n[b]\nbaseurl=https://b\n");
    const retrace_repo_section_t *a = section(sections, 0);

    assert_int_equal(sections->nelts, 2);
    assert_string_equal(a->name, "Fedora $releasever");
    assert_false(a->is_enabled || a->gpgcheck || a->sslverify);
    assert_string_equal(
        joined(ws, a->baseurls),
        "https://one.example.org/$releasever/ http://two/ https://three/ file:///four");
    assert_string_equal(a->sslcacert, "/etc/ca.pem");
    assert_string_equal(a->proxy, "_none_");
    assert_string_equal(a->mirrorlist, "https://m/?a=b");
    assert_string_equal(a->metalink, "https://l/");
    assert_string_equal(joined(ws, a->gpgkeys), "file:///etc/key file:///etc/other");
    assert_string_equal(section(sections, 1)->id, "b");
    assert_true(section(sections, 1)->is_enabled);
}

/* --- Limits -------------------------------------------------------------------------------- */

static const char *many(const workspace_t *ws, const char *format, int count)
{
    apr_array_header_t *parts = apr_array_make(ws->pool, count, sizeof(const char *));
    int i;

    for (i = 0; i < count; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            apr_psprintf(ws->pool, strcmp(format, "[]") == 0 ? "[s%d]\n" : " https://x/%d\n", i);
    }
    return apr_array_pstrcat(ws->pool, parts, '\0');
}

static const char *filled(const workspace_t *ws, size_t length)
{
    char *text = apr_palloc(ws->pool, length + 1);

    memset(text, 'x', length);
    text[length] = '\0';
    return text;
}

static void there_is_a_limit_of_sections(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(parse(ws, many(ws, "[]", RETRACE_REPO_MAX_SECTIONS))->nelts,
                     RETRACE_REPO_MAX_SECTIONS);
    expect_refusal(state, many(ws, "[]", RETRACE_REPO_MAX_SECTIONS + 1), "too many sections");
}

static void there_is_a_limit_of_values(void **state)
{
    workspace_t *ws = *state;
    const char *most = many(ws, "", RETRACE_REPO_MAX_VALUES);

    parse(ws, apr_pstrcat(ws->pool, "[a]\nbaseurl=\n", most, NULL));
    expect_refusal(state, apr_pstrcat(ws->pool, "[a]\nbaseurl=\n", most, " http://more", NULL),
                   "too many values");
}

static void there_is_a_limit_of_lengths(void **state)
{
    workspace_t *ws = *state;
    const char *most = filled(ws, RETRACE_REPO_VALUE_BYTES);

    parse(ws, apr_pstrcat(ws->pool, "[a]\nname=", most, "\nbaseurl=", most, NULL));
    expect_refusal(state, apr_pstrcat(ws->pool, "[a]\nname=x", most, NULL), "too long");
    expect_refusal(state, apr_pstrcat(ws->pool, "[a]\nbaseurl=x", most, NULL), "too long");
    parse(ws, apr_pstrcat(ws->pool, "[", filled(ws, RETRACE_REPO_ID_LENGTH), "]", NULL));
    expect_refusal(state,
                   apr_pstrcat(ws->pool, "[", filled(ws, RETRACE_REPO_ID_LENGTH + 1), "]", NULL),
                   "a section's name");
}

static void a_file_is_read(void **state)
{
    workspace_t *ws = *state;
    apr_array_header_t *sections = NULL;
    const char *most = apr_pstrcat(ws->pool, "#", filled(ws, RETRACE_REPO_MAX_BYTES - 1), NULL);

    assert_int_equal(
        retrace_repo_config_read(&sections, ws->path, "fedora-36-x86_64", &ws->err, ws->pool),
        APR_ENOENT);
    workspace_write(ws, "fedora-36-x86_64.repo", "[a]\n");
    assert_int_equal(
        retrace_repo_config_read(&sections, ws->path, "fedora-36-x86_64", &ws->err, ws->pool),
        APR_SUCCESS);
    assert_string_equal(section(sections, 0)->id, "a");
    workspace_write(ws, "most.repo", most);
    assert_int_equal(retrace_repo_config_read(&sections, ws->path, "most", &ws->err, ws->pool),
                     APR_SUCCESS);
    workspace_write(ws, "more.repo", apr_pstrcat(ws->pool, most, "x", NULL));
    assert_int_equal(retrace_repo_config_read(&sections, ws->path, "more", &ws->err, ws->pool),
                     APR_EINVAL);
    workspace_shell(ws, "printf '[a]\\n\\0' >zero.repo");
    assert_int_equal(retrace_repo_config_read(&sections, ws->path, "zero", &ws->err, ws->pool),
                     APR_EINVAL);
}

/* --- Variables ----------------------------------------------------------------------------- */

static void variables_come_from_the_directory(void **state)
{
    const workspace_t *ws = *state;
    static const char *const wrong[] = { "",           "fedora",     "fedora-36",
                                         "-36-x86_64", "fedora-36-", "fedora--x86_64" };
    retrace_repo_variables_t variables = { NULL, NULL };
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(retrace_repo_variables(&variables, wrong[i], ws->pool));
        assert_null(variables.releasever);
    }
    assert_true(retrace_repo_variables(&variables, "centos-stream-9-ppc64le", ws->pool));
    assert_string_equal(variables.releasever, "9");
    assert_string_equal(variables.basearch, "ppc64le");
}

static void variables_are_replaced(void **state)
{
    workspace_t *ws = *state;
    const retrace_repo_variables_t variables = { "36", "x86_64" };
    static const char *const wrong[] = { "$",       "$release",  "${arch", "${}", "$releasevers",
                                         "a$$arch", "${arch:-x}" };
    const char *text = NULL;
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(retrace_repo_substitute(&text, wrong[i], &variables, &ws->err, ws->pool),
                         APR_EINVAL);
        assert_null(text);
    }
    assert_int_equal(retrace_repo_substitute(&text, "r/$releasever-$basearch/${arch}x${releasever}",
                                             &variables, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(text, "r/36-x86_64/x86_64x36");
}

static void urls_are_checked(void **state)
{
    workspace_t *ws = *state;
    const retrace_repo_variables_t variables = { "36", "x86_64" };
    static const char *const wrong[] = { "",
                                         "ftp://x/",
                                         "https://",
                                         "file://x/y",
                                         "file:///",
                                         "/x",
                                         "http:/x",
                                         "https:///x",
                                         "https://a b",
                                         "http://a\1",
                                         "https://$x/",
                                         "file:////x",
                                         "https://me:secret@x/",
                                         "https://?x" };
    const char *url = NULL;
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(retrace_repo_url(&url, wrong[i], &variables, &ws->err, ws->pool),
                         APR_EINVAL);
        assert_null(url);
    }
    assert_int_equal(
        retrace_repo_url(&url, "https://x/$releasever//", &variables, &ws->err, ws->pool),
        APR_SUCCESS);
    assert_string_equal(url, "https://x/36");
    assert_int_equal(retrace_repo_url(&url, "https://x/@y?z", &variables, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(retrace_repo_url(&url, "file:///srv/x", &variables, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(url, "file:///srv/x");
}

static void passwords_are_not_told(void **state)
{
    workspace_t *ws = *state;
    const retrace_repo_variables_t variables = { "36", "x86_64" };
    static const char *const shown[][2] = {
        { "https://me:secret@h/a@b", "https://h/a@b" },
        { "https://me:sec@ret@h", "https://h" },
        { "https://me:secret@", "https://" },
        { "file:///a@b", "file:///a@b" },
        { "http:/me:sec/ret@h/x", "h/x" },
        { "", "" },
    };
    const char *text = NULL;
    size_t i;

    for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        assert_string_equal(retrace_repo_show(shown[i][0], ws->pool), shown[i][1]);
    }
    assert_int_equal(retrace_repo_substitute(&text, "https://me:secret@h/$basearch/$x", &variables,
                                             &ws->err, ws->pool),
                     APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "https://h/$basearch/$x has a variable"));
    assert_null(strstr(ws->err.text, "secret"));
    assert_int_equal(
        retrace_repo_url(&text, "https://me:secret@h/", &variables, &ws->err, ws->pool),
        APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "https://h/ is no URL of http, https or file without"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_malformed_is_refused_with_its_line),
        TEST(a_section_has_defaults),
        TEST(known_keys_are_read_and_others_ignored),
        TEST(there_is_a_limit_of_sections),
        TEST(there_is_a_limit_of_values),
        TEST(there_is_a_limit_of_lengths),
        TEST(a_file_is_read),
        TEST(variables_come_from_the_directory),
        TEST(variables_are_replaced),
        TEST(urls_are_checked),
        TEST(passwords_are_not_told),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
