/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats_counts.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "helpers/dispatch/stats_counts.h"
#include "tests/unit/workspace.h"

#define WORD_32 "abcdefghijklmnopqrstuvwxyz_abcde"

static bool parse(apr_array_header_t **pcounts, const workspace_t *ws, const char *text)
{
    return stats_counts_parse(pcounts, text, strlen(text), ws->pool);
}

static void what_is_malformed_refuses_the_whole_delivery(void **state)
{
    static const char *const bad[] = {
        "uploads 1", /* cut off, or so it may be */
        "uploads\n",
        "uploads \n",
        "uploads 0\n",
        "uploads 01\n",
        "uploads -1\n",
        "uploads +1\n",
        "uploads 1x\n",
        "uploads 1 \n",
        "uploads  1\n",
        "uploads 1 2\n",
        "uploads 1\r\n",
        "uploads 1234567890\n",
        "throttled x\n",
        "refused\n",
        "refused 413 too_big\n",
        "refused 413 too_big 0\n",
        "refused 413 too_big 1 2\n",
        "refused 413  1\n",
        "refused 413 too-big 1\n",
        "refused 413 Too_big 1\n",
        "refused 413 " WORD_32 "x 1\n",
        "refused 399 x 1\n",
        "refused 600 x 1\n",
        "refused 0413 x 1\n",
        "refused x x 1\n",
        "uploads 1\nrefused 413 x\n",
    };
    apr_array_header_t *counts = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(&counts, *state, bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_null(counts);
    }
}

static void a_nul_does_not_hide_what_follows(void **state)
{
    apr_array_header_t *counts = NULL;

    assert_false(
        stats_counts_parse(&counts, "uploads 1\n\0refused\n", 19, ((workspace_t *)*state)->pool));
}

static void lines_of_ours_are_read(void **state)
{
    apr_array_header_t *counts = NULL;
    const stats_count_t *count;

    assert_true(parse(&counts, *state,
                      "refused 413 too_big 12\nuploads 999999999\nthrottled 1\n"
                      "refused 400 " WORD_32 " 1\nrefused 599 x 1\n"));
    assert_int_equal(counts->nelts, 5);
    count = (const stats_count_t *)counts->elts;
    assert_string_equal(count[0].name, "refused");
    assert_int_equal(count[0].status, 413);
    assert_string_equal(count[0].reason, "too_big");
    assert_int_equal(count[0].count, 12);
    assert_string_equal(count[1].name, "uploads");
    assert_int_equal(count[1].count, 999999999);
    assert_null(count[1].reason);
    assert_string_equal(count[2].name, "throttled");
    assert_string_equal(count[3].reason, WORD_32);
    assert_int_equal(count[4].status, 599);
}

static void other_lines_are_passed_over(void **state)
{
    apr_array_header_t *counts = NULL;

    assert_true(parse(&counts, *state,
                      "\nfuture a b c d e f\n refused\nuploads2 x\nUPLOADS 1\nuploads 3\n"));
    assert_int_equal(counts->nelts, 1);
    assert_int_equal(APR_ARRAY_IDX(counts, 0, stats_count_t).count, 3);
}

static void an_empty_delivery_counts_nothing(void **state)
{
    apr_array_header_t *counts = NULL;

    assert_true(parse(&counts, *state, ""));
    assert_int_equal(counts->nelts, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_malformed_refuses_the_whole_delivery),
        TEST(a_nul_does_not_hide_what_follows),
        TEST(lines_of_ours_are_read),
        TEST(other_lines_are_passed_over),
        TEST(an_empty_delivery_counts_nothing),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
