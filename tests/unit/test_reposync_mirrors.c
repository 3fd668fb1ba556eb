/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/reposync/url.h and helpers/reposync/mirrors.h */
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

#include "helpers/reposync/mirrors.h"
#include "tests/unit/workspace.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void what_is_no_url_is_refused(void **state)
{
    static const char *const bad[] = { "",           "x",           "gopher://x/",
                                       "file://x/y", "file:////x",  "http://",
                                       "http:///x",  "https://a b", "rsync://a\nb",
                                       "http:/x",    "rsync://-e",  "/etc/passwd" };
    workspace_t *ws = *state;
    char *text = apr_pcalloc(ws->pool, RETRACE_REPO_VALUE_BYTES + 2);
    reposync_url_t url = { NULL, REPOSYNC_HTTP, false };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(reposync_url_parse(&url, bad[i], &ws->err, ws->pool), APR_EINVAL);
    }
    assert_null(url.text);
    memset(text, 'x', RETRACE_REPO_VALUE_BYTES);
    memcpy(text, "http://", 7);
    assert_int_equal(reposync_url_parse(&url, text, &ws->err, ws->pool), APR_SUCCESS);
    text[RETRACE_REPO_VALUE_BYTES] = 'x';
    assert_int_equal(reposync_url_parse(&url, text, &ws->err, ws->pool), APR_EINVAL);
}

static void a_url_has_a_scheme_and_no_slash_at_its_end(void **state)
{
    workspace_t *ws = *state;
    reposync_url_t url;

    assert_int_equal(reposync_url_parse(&url, "RSYNC://host/module//", &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(url.scheme, REPOSYNC_RSYNC);
    assert_string_equal(reposync_url_join(&url, "a/g++.rpm", ws->pool),
                        "RSYNC://host/module/a/g++.rpm");
    assert_int_equal(reposync_url_parse(&url, "https://h/x/", &ws->err, ws->pool), APR_SUCCESS);
    assert_string_equal(reposync_url_join(&url, "a/g++^1.rpm", ws->pool),
                        "https://h/x/a/g%2B%2B%5E1.rpm");
}

static void passwords_are_not_told(void **state)
{
    workspace_t *ws = *state;
    reposync_url_t url;

    assert_int_equal(reposync_url_parse(&url, "gopher://me:sec@ret@h", &ws->err, ws->pool),
                     APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "gopher://h is no URL"));
}

/* All users of a machine can read arguments of programs. */
static void passwords_are_no_arguments_of_rsync(void **state)
{
    workspace_t *ws = *state;
    reposync_url_t url = { NULL, REPOSYNC_HTTP, false };
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(reposync_url_parse(&url, "rsync://me:sec@ret@h/x", &ws->err, ws->pool),
                     APR_EINVAL);
    assert_null(url.text);
    assert_non_null(strstr(ws->err.text, "rsync://h/x: a password would stand in"));
    assert_int_equal(
        reposync_mirrors_add_list(mirrors, "rsync://me:secret@h/x\n", &ws->err, ws->pool),
        APR_EINVAL);
    assert_int_equal(reposync_url_parse(&url, "rsync://me@h:873/a:b@c", &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(reposync_url_parse(&url, "https://me:secret@h/x", &ws->err, ws->pool),
                     APR_SUCCESS);
}

static void from_https_nothing_redirects_to_less(void **state)
{
    (void)state;
    assert_string_equal(reposync_url_redirects(REPOSYNC_HTTPS), "https");
    assert_null(strstr(reposync_url_redirects(REPOSYNC_HTTP), "file"));
    assert_null(strstr(reposync_url_redirects(REPOSYNC_FTP), "file"));
}

static const char *url_at(const reposync_mirrors_t *mirrors, int index)
{
    return APR_ARRAY_IDX(mirrors->urls, index, reposync_url_t).text;
}

static void a_list_without_a_url_is_refused(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(reposync_mirrors_add_list(mirrors, "# none\n<html>\n", &ws->err, ws->pool),
                     APR_EINVAL);
}

static void a_list_has_a_url_a_line(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(reposync_mirrors_add_list(mirrors,
                                               "# x\r\n\r\n http://a/ \nnone\nrsync://b/c\n",
                                               &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(mirrors->urls->nelts, 2);
    assert_string_equal(url_at(mirrors, 0), "http://a");
    assert_string_equal(url_at(mirrors, 1), "rsync://b/c");
}

static void a_list_names_no_file_of_this_machine(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(
        reposync_mirrors_add_list(mirrors, "file:///srv/pipe\nFILE:///x\n", &ws->err, ws->pool),
        APR_EINVAL);
    assert_int_equal(
        reposync_mirrors_add_metalink(mirrors,
                                      "<metalink><files><file name='repomd.xml'>"
                                      "<hash type='sha256'>" SUM "</hash>"
                                      "<url>file:///srv/repodata/repomd.xml</url></file></files>"
                                      "</metalink>",
                                      &ws->err, ws->pool),
        APR_EINVAL);
    assert_int_equal(mirrors->urls->nelts, 0);
}

static void mirrors_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);
    const char *text = "";
    int i;

    for (i = 0; i < REPOSYNC_MIRRORS_MAX + 1; i++) {
        text = apr_psprintf(ws->pool, "%shttp://m%d/\n", text, i);
    }
    assert_int_equal(reposync_mirrors_add_list(mirrors, text, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(mirrors->urls->nelts, REPOSYNC_MIRRORS_MAX);
}

static apr_status_t add_metalink(workspace_t *ws, reposync_mirrors_t *mirrors, const char *inside)
{
    return reposync_mirrors_add_metalink(
        mirrors, apr_pstrcat(ws->pool, "<metalink><files>", inside, "</files></metalink>", NULL),
        &ws->err, ws->pool);
}

static void a_metalink_needs_urls_and_strong_checksums(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(reposync_mirrors_add_metalink(mirrors, "<html>", &ws->err, ws->pool),
                     APR_EINVAL);
    assert_int_equal(add_metalink(ws, mirrors,
                                  "<file name='repomd.xml'><hash type='sha256'>" SUM
                                  "</hash><url>http://a/other.xml</url></file>"),
                     APR_EINVAL);
    assert_int_equal(add_metalink(ws, reposync_mirrors_make(ws->pool),
                                  "<file name='repomd.xml'><hash type='sha1'>"
                                  "a9993e364706816aba3e25717850c26c9cd0d89d</hash>"
                                  "<url>http://a/repodata/repomd.xml</url></file>"),
                     APR_EINVAL);
    assert_int_equal(add_metalink(ws, reposync_mirrors_make(ws->pool),
                                  "<file name='other'><hash type='sha256'>" SUM
                                  "</hash><url>http://a/repodata/repomd.xml</url></file>"),
                     APR_EINVAL);
}

static void of_a_bad_metalink_nothing_is_used(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(add_metalink(ws, mirrors,
                                  "<file name='repomd.xml'>"
                                  "<url>http://a/repodata/repomd.xml</url></file>"),
                     APR_EINVAL);
    assert_int_equal(add_metalink(ws, mirrors,
                                  "<file name='repomd.xml'><hash type='sha256'>" SUM
                                  "</hash><url>http://a/repodata/repomd.xml</url></x>"),
                     APR_EINVAL);
    assert_int_equal(mirrors->urls->nelts, 0);
    assert_int_equal(mirrors->checksums->nelts, 0);
}

static void the_preferred_mirror_comes_first(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(
        add_metalink(ws, mirrors,
                     "<file name='repomd.xml'><hash type='md5'>0</hash><hash type='sha-256'>" SUM
                     "</hash><url preference='1'>http://a/repodata/repomd.xml</url>"
                     "<url preference='99'>https://b/x/repodata/repomd.xml</url>"
                     "<url preference='99'>rsync://c/repodata/repomd.xml</url></file>"),
        APR_SUCCESS);
    assert_int_equal(mirrors->urls->nelts, 3);
    assert_string_equal(url_at(mirrors, 0), "https://b/x");
    assert_string_equal(url_at(mirrors, 1), "rsync://c");
    assert_string_equal(url_at(mirrors, 2), "http://a");
    assert_int_equal(mirrors->checksums->nelts, 1);
}

static void a_priority_counts_the_other_way(void **state)
{
    workspace_t *ws = *state;
    reposync_mirrors_t *mirrors = reposync_mirrors_make(ws->pool);

    assert_int_equal(add_metalink(ws, mirrors,
                                  "<file name='repomd.xml'><hash type='sha-256'>" SUM
                                  "</hash><url priority='2'>http://a/repodata/repomd.xml</url>"
                                  "<url priority='1'>http://b/repodata/repomd.xml</url></file>"),
                     APR_SUCCESS);
    assert_string_equal(url_at(mirrors, 0), "http://b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_url_is_refused),
        TEST(a_url_has_a_scheme_and_no_slash_at_its_end),
        TEST(passwords_are_not_told),
        TEST(passwords_are_no_arguments_of_rsync),
        TEST(from_https_nothing_redirects_to_less),
        TEST(a_list_without_a_url_is_refused),
        TEST(a_list_has_a_url_a_line),
        TEST(a_list_names_no_file_of_this_machine),
        TEST(mirrors_have_a_limit),
        TEST(a_metalink_needs_urls_and_strong_checksums),
        TEST(of_a_bad_metalink_nothing_is_used),
        TEST(the_preferred_mirror_comes_first),
        TEST(a_priority_counts_the_other_way),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
