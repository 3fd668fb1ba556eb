/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several packages is taken. */
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

#include "tests/unit/workspace.h"
#include "worker/resolve/choice.h"

#define WANTS 10

/* `wants` has a digit for each wanted file; '!' before the name: preferred, '~': remote. */
typedef struct offer_t {
    const char *name;
    const char *version;
    const char *source;
    const char *wants;
} offer_t;

static void add(apr_array_header_t *packages, const offer_t *offer, apr_pool_t *p)
{
    worker_choice_t *package = apr_array_push(packages);
    const char *name = offer->name;
    const char *digit;

    package->is_preferred = name[0] == '!';
    package->is_remote = name[0] == '~';
    package->name = name + strspn(name, "!~");
    package->epoch = "";
    package->version = offer->version;
    package->release = "1";
    package->arch = "x86_64";
    package->source = offer->source;
    package->wants = apr_array_make(p, 4, sizeof(int));
    package->rank = -1;
    for (digit = offer->wants; *digit != '\0'; digit++) {
        APR_ARRAY_PUSH(package->wants, int) = *digit - '0';
    }
}

/* The ranks, a digit for each package. */
static void expect_ranks(void **state, const offer_t *offers, int count, const char *expected)
{
    const workspace_t *ws = *state;
    apr_array_header_t *packages = apr_array_make(ws->pool, 4, sizeof(worker_choice_t));
    char ranks[32];
    int i;

    for (i = 0; i < count; i++) {
        add(packages, &offers[i], ws->pool);
    }
    worker_choose(packages, WANTS, ws->pool);
    for (i = 0; i < count; i++) {
        ranks[i] = (char)('0' + APR_ARRAY_IDX(packages, i, worker_choice_t).rank);
    }
    ranks[count] = '\0';
    assert_string_equal(ranks, expected);
}

static void nothing_is_chosen_from_nothing(void **state)
{
    expect_ranks(state, NULL, 0, "");
}

static void who_has_more_comes_first_although_older(void **state)
{
    const offer_t offers[] = { { "a", "2.0", "", "1" }, { "b", "1.0", "", "123" } };

    expect_ranks(state, offers, 2, "10");
}

/* Once the first one is taken, the second would add nothing, the third one does. */
static void what_is_covered_does_not_count_again(void **state)
{
    const offer_t offers[] = { { "a", "1", "", "1234" },
                               { "b", "1", "", "123" },
                               { "c", "1", "", "45" } };

    expect_ranks(state, offers, 3, "021");
}

static void of_equals_the_newest_comes_first(void **state)
{
    const offer_t offers[] = { { "a", "1.9", "", "1" },
                               { "a", "1.10", "", "1" },
                               { "a", "1.10~rc1", "", "1" } };

    expect_ranks(state, offers, 3, "201");
}

static void of_the_same_version_the_name_decides(void **state)
{
    const offer_t offers[] = { { "b", "1", "", "1" }, { "a", "1", "", "1" } };

    expect_ranks(state, offers, 2, "10");
}

/* The newer library is of another build than the debug information of the program. */
static void packages_of_one_source_go_together(void **state)
{
    const offer_t offers[] = { { "lib", "1", "x-1.src.rpm", "1" },
                               { "lib", "2", "x-2.src.rpm", "1" },
                               { "program", "1", "x-1.src.rpm", "2" },
                               { "lib-debuginfo", "1", "x-1.src.rpm", "3" },
                               { "lib-debuginfo", "2", "x-2.src.rpm", "3" } };

    expect_ranks(state, offers, 5, "01001");
}

static void without_a_source_names_tell_what_goes_together(void **state)
{
    const offer_t offers[] = { { "lib", "2", "", "1" },
                               { "lib", "1", "", "12" },
                               { "lib-debuginfo", "1", "", "34" },
                               { "lib-debuginfo", "2", "", "3" },
                               { "lib-debugsource", "1", "", "" } };

    expect_ranks(state, offers, 5, "10010");
}

/* A file that two packages of a group have is one file. */
static void the_same_file_counts_once_in_a_group(void **state)
{
    const offer_t offers[] = { { "a", "1", "s", "12" },
                               { "a-debuginfo", "1", "s", "12" },
                               { "b", "1", "t", "345" } };

    expect_ranks(state, offers, 3, "110");
}

static void the_uploads_word_decides_among_equals_only(void **state)
{
    const offer_t equal[] = { { "a", "2", "", "1" }, { "!a", "1", "", "1" } };
    const offer_t worse[] = { { "a", "2", "", "12" }, { "!a", "1", "", "1" } };
    const offer_t group[] = { { "a", "2", "s2", "1" },
                              { "a-debuginfo", "1", "s1", "1" },
                              { "!a", "1", "s1", "" } };

    expect_ranks(state, equal, 2, "10");
    expect_ranks(state, worse, 2, "01");
    expect_ranks(state, group, 3, "100");
}

static void what_is_here_comes_before_what_must_be_fetched(void **state)
{
    const offer_t offers[] = { { "~a", "2", "", "1234" },
                               { "a", "1", "", "1" },
                               { "b", "1", "", "12" },
                               { "~c", "1", "", "345" } };

    expect_ranks(state, offers, 4, "3102");
}

static void a_group_is_here_or_remote(void **state)
{
    const offer_t offers[] = { { "a", "1", "s", "1" }, { "~a-debuginfo", "1", "s", "2" } };

    expect_ranks(state, offers, 2, "01");
}

static void versions_are_compared_as_rpm_does(void **state)
{
    const char *const old[] = { "", "1.9", "1" };
    const char *const new[] = { "", "1.10", "1" };
    const char *const zero[] = { "0", "1.9", "1" };
    const char *const epoch[] = { "1", "1.0", "1" };
    const char *const release[] = { "", "1.9", "1.fc36" };

    (void)state;
    assert_true(worker_compare_evr(old, new) < 0);
    assert_true(worker_compare_evr(new, old) > 0);
    assert_int_equal(worker_compare_evr(old, zero), 0);
    assert_true(worker_compare_evr(epoch, new) > 0);
    assert_true(worker_compare_evr(release, old) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_chosen_from_nothing),
        TEST(who_has_more_comes_first_although_older),
        TEST(what_is_covered_does_not_count_again),
        TEST(of_equals_the_newest_comes_first),
        TEST(of_the_same_version_the_name_decides),
        TEST(packages_of_one_source_go_together),
        TEST(without_a_source_names_tell_what_goes_together),
        TEST(the_same_file_counts_once_in_a_group),
        TEST(the_uploads_word_decides_among_equals_only),
        TEST(what_is_here_comes_before_what_must_be_fetched),
        TEST(a_group_is_here_or_remote),
        TEST(versions_are_compared_as_rpm_does),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
