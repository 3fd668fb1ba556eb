/* SPDX-License-Identifier: Apache-2.0 */
/* lib/package_list.h: what a list has, and what a file may hold that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <unistd.h>

#include "lib/package_list.h"
#include "tests/unit/workspace.h"

#define RELEASE "fedora-36-x86_64"

static const retrace_package_state_t some_state = { "12.000000034.56" };

/* --- Files that are no lists ----------------------------------------------------------------- */

static void expect_no_list(const workspace_t *ws, const char *content)
{
    retrace_package_list_t list;
    retrace_error_t err;

    workspace_write(ws, RELEASE, content);
    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, &err), APR_EINVAL);
    assert_non_null(strstr(err.text, "packages/" RELEASE " is no whole list of packages"));
}

static void what_has_no_header_is_no_list(void **state)
{
    const workspace_t *ws = *state;
    char longest[RETRACE_PACKAGE_STATE_MAX + 64];

    expect_no_list(ws, "");
    expect_no_list(ws, "\n");
    expect_no_list(ws, "retrace-packages 1 ");
    expect_no_list(ws, "retrace-packages 1 0 s");
    expect_no_list(ws, "retrace-packages 1 0\n");
    expect_no_list(ws, "retrace-packages 1 -0 s\n");
    expect_no_list(ws, "retrace-packages 1 x s\n");
    expect_no_list(ws, "retrace-packages 1 99999999999999999999 s\n");
    expect_no_list(ws, "retrace-packages 2 0 s\n");
    expect_no_list(ws, "bash-5.1-2.fc36.x86_64 0\n");
    snprintf(longest, sizeof(longest), "retrace-packages 1 0 %0*d\n", RETRACE_PACKAGE_STATE_MAX, 0);
    expect_no_list(ws, longest);
}

static void a_list_that_was_cut_off_is_no_list(void **state)
{
    const workspace_t *ws = *state;

    expect_no_list(ws, "retrace-packages 1 10 s\na-1-1.x 0");
    expect_no_list(ws, "retrace-packages 1 10 s\n");
    expect_no_list(ws, "retrace-packages 1 10 s\na-1-1.x 0\nb-1-1.x 0\n");
}

static void what_is_no_file_is_no_list(void **state)
{
    const workspace_t *ws = *state;
    retrace_package_list_t list;

    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_ENOENT);
    workspace_fifo(ws, RELEASE);
    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_EINVAL);
    workspace_make_dir(ws, "a-b-c");
    assert_int_equal(retrace_package_list_open(&list, ws->dir, "a-b-c", NULL), APR_EINVAL);
    workspace_write(ws, "true", "retrace-packages 1 0 s\n");
    workspace_link(ws, "true", "d-e-f");
    assert_int_not_equal(retrace_package_list_open(&list, ws->dir, "d-e-f", NULL), APR_SUCCESS);
}

/* A file with a right header and this body, which must not keep a reader. */
static bool body_has(const workspace_t *ws, const char *body, const char *package)
{
    retrace_package_list_t list;
    bool has;

    workspace_write(
        ws, RELEASE,
        apr_psprintf(ws->pool, "retrace-packages 1 %lu s\n%s", (unsigned long)strlen(body), body));
    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_SUCCESS);
    has = retrace_package_list_has(&list, package);
    (void)close(list.fd);
    return has;
}

static void any_content_is_read_to_an_end(void **state)
{
    const workspace_t *ws = *state;
    char *garbage = apr_palloc(ws->pool, 100001);
    unsigned int seed;
    int i;

    assert_false(body_has(ws, "a-1-1.x 0", "a-1-1.x")); /* without its newline */
    assert_false(body_has(ws, "\n\n\n\n", "a-1-1.x"));
    assert_false(body_has(ws, "c-1-1.x 0\nb-1-1.x 0\na-1-1.x 0\n", "d-1-1.x"));
    for (seed = 0; seed < 50; seed++) {
        srandom(seed);
        for (i = 0; i < 100000; i++) {
            long random_ = random();

            garbage[i] = random_ % (seed + 2) == 0 ? '\n' : (char)(1 + random_ % 255);
        }
        garbage[i] = '\0';
        assert_false(body_has(ws, garbage, "a-1-1.x86_64"));
    }
}

static void a_line_has_a_limit(void **state)
{
    const workspace_t *ws = *state;
    const int digits = RETRACE_PACKAGE_LINE_MAX - (int)strlen("b-1-1.x \n");
    const char *longest = apr_psprintf(ws->pool, "a-1-1.x 0\nb-1-1.x %0*d\nc-1-1.x 0\n", digits, 0);
    const char *longer =
        apr_psprintf(ws->pool, "a-1-1.x 0\nb-1-1.x %0*d\nc-1-1.x 0\n", digits + 1, 0);

    assert_true(body_has(ws, longest, "a-1-1.x"));
    assert_true(body_has(ws, longest, "b-1-1.x"));
    assert_true(body_has(ws, longest, "c-1-1.x"));
    assert_false(body_has(ws, longer, "b-1-1.x"));
}

/* --- Lines ----------------------------------------------------------------------------------- */

static void a_package_that_cannot_be_asked_for_has_no_line(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    char longest[RETRACE_PACKAGE_LINE_MAX];

    assert_string_equal(retrace_package_line("a+b", "2", "1~rc1^git", "1.fc36", "x86_64", p),
                        "a+b-1~rc1^git-1.fc36.x86_64 2");
    assert_string_equal(retrace_package_line("a", NULL, "1", "1", "noarch", p), "a-1-1.noarch 0");
    assert_string_equal(retrace_package_line("a", "", "1", "1", "noarch", p), "a-1-1.noarch 0");
    assert_null(retrace_package_line("", "0", "1", "1", "x", p));
    assert_null(retrace_package_line("a", "0", "", "1", "x", p));
    assert_null(retrace_package_line("a", "0", "1", "1", "", p));
    assert_null(retrace_package_line("a b", "0", "1", "1", "x", p));
    assert_null(retrace_package_line("a\nb", "0", "1", "1", "x", p));
    assert_null(retrace_package_line("../a", "0", "1", "1", "x", p));
    assert_null(retrace_package_line("2:a", "0", "1", "1", "x", p));
    assert_null(retrace_package_line("a", "0", "1", "1\n", "x", p));
    assert_null(retrace_package_line("a", "0", "1", "1", "x y", p));
    assert_null(retrace_package_line("a", "-1", "1", "1", "x", p));
    assert_null(retrace_package_line("a", "1\n", "1", "1", "x", p));
    memset(longest, '1', sizeof(longest));
    longest[RETRACE_PACKAGE_LINE_MAX - strlen("a-1-1.x \n")] = '\0';
    assert_non_null(retrace_package_line("a", longest, "1", "1", "x", p));
    assert_null(retrace_package_line("aa", longest, "1", "1", "x", p));
}

/* --- Lists ----------------------------------------------------------------------------------- */

static void write_list(workspace_t *ws, apr_array_header_t *lines)
{
    assert_int_equal(
        retrace_package_list_write(ws->dir, RELEASE, &some_state, lines, &ws->err, ws->pool),
        APR_SUCCESS);
}

static bool has(const workspace_t *ws, const char *package)
{
    retrace_package_list_t list;
    bool found;

    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_SUCCESS);
    assert_string_equal(list.state.text, some_state.text);
    found = retrace_package_list_has(&list, package);
    (void)close(list.fd);
    return found;
}

static void an_empty_list_has_nothing(void **state)
{
    workspace_t *ws = *state;
    retrace_package_list_t list;

    write_list(ws, apr_array_make(ws->pool, 1, sizeof(const char *)));
    assert_false(has(ws, "a-1-1.x"));
    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_SUCCESS);
    assert_true(retrace_package_list_is_empty(&list));
    (void)close(list.fd);
    assert_int_equal(workspace_mode(ws, RELEASE), 0640);
}

static void lines_are_sorted_and_there_once(void **state)
{
    static const char *const given[] = { "b-1-1.x 0", "a-1-1.x 1",  "a-1-1.x 0",
                                         "a-1-1.x 1", "a-1-1.xy 0", "a+-1-1.x 0" };
    workspace_t *ws = *state;
    apr_array_header_t *lines = apr_array_make(ws->pool, 8, sizeof(const char *));
    size_t i;

    for (i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        APR_ARRAY_PUSH(lines, const char *) = given[i];
    }
    write_list(ws, lines);
    assert_string_equal(workspace_read(ws, RELEASE),
                        "retrace-packages 1 52 12.000000034.56\na+-1-1.x 0\na-1-1.x 0\na-1-1.x 1\n"
                        "a-1-1.xy 0\nb-1-1.x 0\n");
    assert_true(has(ws, "a-1-1.x"));
    assert_true(has(ws, "a-1-1.xy"));
    assert_true(has(ws, "b-1-1.x"));
    assert_false(has(ws, "a-1-1"));
    assert_false(has(ws, "a-1-1.x 0"));
    assert_false(has(ws, ""));
}

/* Names of every length, those that are a part of others among them. */
static void each_of_many_is_found_and_nothing_between(void **state)
{
    workspace_t *ws = *state;
    apr_array_header_t *lines = apr_array_make(ws->pool, 8, sizeof(const char *));
    retrace_package_list_t list;
    int i;

    for (i = 0; i < 2000; i++) {
        APR_ARRAY_PUSH(lines, const char *) = retrace_package_line(
            apr_psprintf(ws->pool, "p%d%.*s", i * 2, i % 200,
                         "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
                         "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
                         "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
            NULL, "1", "1", "x86_64", ws->pool);
    }
    write_list(ws, lines);
    assert_int_equal(retrace_package_list_open(&list, ws->dir, RELEASE, NULL), APR_SUCCESS);
    for (i = 0; i < lines->nelts; i++) {
        char *package = apr_pstrdup(ws->pool, APR_ARRAY_IDX(lines, i, const char *));

        *strchr(package, ' ') = '\0';
        assert_true(retrace_package_list_has(&list, package));
        package[strlen(package) - 1]--;
        assert_false(retrace_package_list_has(&list, package));
        package[strlen(package) - 1] = '\0';
        assert_false(retrace_package_list_has(&list, package));
    }
    (void)close(list.fd);
}

static void a_list_of_the_state_of_metadata(void **state)
{
    const workspace_t *ws = *state;
    retrace_package_state_t before;
    retrace_package_state_t after;

    before = retrace_package_state(ws->dir, false);
    assert_string_equal(before.text, "none");
    assert_string_equal(retrace_package_state(-1, false).text, "none");
    workspace_write(ws, "repodata/repomd.xml", "12345");
    assert_string_equal(retrace_package_state(-1, true).text, "none.remote");
    before = retrace_package_state(ws->dir, true);
    assert_non_null(strstr(before.text, ".5.remote"));
    before = retrace_package_state(ws->dir, false);
    assert_non_null(strstr(before.text, ".5"));
    assert_null(strstr(before.text, "remote"));
    assert_string_equal(before.text, retrace_package_state(ws->dir, false).text);
    workspace_shell(ws, "touch -d '2020-01-01 00:00:00.000000001' repodata/repomd.xml");
    after = retrace_package_state(ws->dir, false);
    assert_string_not_equal(before.text, after.text);
    workspace_shell(ws,
                    "echo >> repodata/repomd.xml;"
                    "touch -d '2020-01-01 00:00:00.000000001' repodata/repomd.xml");
    assert_string_not_equal(after.text, retrace_package_state(ws->dir, false).text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_has_no_header_is_no_list),
        TEST(a_list_that_was_cut_off_is_no_list),
        TEST(what_is_no_file_is_no_list),
        TEST(any_content_is_read_to_an_end),
        TEST(a_line_has_a_limit),
        TEST(a_package_that_cannot_be_asked_for_has_no_line),
        TEST(an_empty_list_has_nothing),
        TEST(lines_are_sorted_and_there_once),
        TEST(each_of_many_is_found_and_nothing_between),
        TEST(a_list_of_the_state_of_metadata),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
