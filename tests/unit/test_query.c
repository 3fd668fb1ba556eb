/* SPDX-License-Identifier: Apache-2.0 */
/* mod_retrace/query.h: a request_rec of which only arguments and headers are looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "mod_retrace/query.h"
#include "tests/unit/workspace.h"

static request_rec *request(void **state, const char *args, const char *accept)
{
    workspace_t *ws = *state;
    request_rec *r = apr_pcalloc(ws->pool, sizeof(*r));

    r->pool = ws->pool;
    r->args = apr_pstrdup(ws->pool, args);
    r->headers_in = apr_table_make(ws->pool, 4);
    if (accept != NULL) {
        apr_table_set(r->headers_in, "Accept", accept);
    }
    return r;
}

static void an_argument_is_found_by_its_whole_name(void **state)
{
    request_rec *r = request(state, "await=1&wait=30&x&wait=5", NULL);

    assert_string_equal(mr_query_find(r, "wait"), "30");
    assert_string_equal(mr_query_find(r, "x"), "");
    assert_null(mr_query_find(r, "wai"));
    assert_null(mr_query_find(r, "y"));
    assert_null(mr_query_find(request(state, NULL, NULL), "wait"));
    assert_null(mr_query_find(request(state, "", NULL), "wait"));
}

static void numbers_are_digits_up_to_a_limit(void **state)
{
    assert_int_equal(mr_query_number(request(state, "n=30", NULL), "n", 55), 30);
    assert_int_equal(mr_query_number(request(state, "n=55", NULL), "n", 55), 55);
    assert_int_equal(mr_query_number(request(state, "n=56", NULL), "n", 55), 55);
    assert_int_equal(mr_query_number(request(state, "n=999999999", NULL), "n", 55), 55);
}

static void what_is_no_number_is_none(void **state)
{
    static const char *const bad[] = { "n",     "n=",   "n=-1", "n=+1",         "n= 1",
                                       "n=1.5", "n=1s", "m=1",  "n=1000000000", "n=%31" };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(mr_query_number(request(state, bad[i], NULL), "n", 55), -1);
    }
}

static void types_have_their_quality(void **state)
{
    request_rec *r = request(state, NULL,
                             "text/html, application/xml;q=0.9, Application/JSON ; Q=0.25,"
                             "text/plain;charset=x;q=0, */*;q=0.8");

    assert_int_equal(mr_query_accepts(r, "text/html"), 1000);
    assert_int_equal(mr_query_accepts(r, "application/xml"), 900);
    assert_int_equal(mr_query_accepts(r, "application/json"), 250);
    assert_int_equal(mr_query_accepts(r, "text/plain"), 0);
    assert_int_equal(mr_query_accepts(r, "text/xml"), 0);
    assert_int_equal(mr_query_accepts(request(state, NULL, NULL), "text/html"), 0);
}

static void json_is_for_who_names_it_and_likes_nothing_more(void **state)
{
    assert_true(mr_query_wants_json(request(state, NULL, "application/json")));
    assert_true(mr_query_wants_json(request(state, NULL, "application/json, text/plain")));
    assert_true(mr_query_wants_json(request(state, NULL, "text/plain;q=0.5, application/json")));
    assert_false(mr_query_wants_json(request(state, NULL, NULL)));
    assert_false(mr_query_wants_json(request(state, NULL, "*/*")));
    assert_false(mr_query_wants_json(request(state, NULL, "application/*")));
    assert_false(mr_query_wants_json(request(state, NULL, "application/json;q=0")));
    assert_false(mr_query_wants_json(request(state, NULL, "application/json;q=0.5, text/html")));
    assert_false(mr_query_wants_json(request(state, NULL, "application/jsonx")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_argument_is_found_by_its_whole_name),
        TEST(numbers_are_digits_up_to_a_limit),
        TEST(what_is_no_number_is_none),
        TEST(types_have_their_quality),
        TEST(json_is_for_who_names_it_and_likes_nothing_more),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
