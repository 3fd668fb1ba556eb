/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/reposync/rawhide.h: what goes. */
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

#include "helpers/reposync/rawhide.h"
#include "tests/unit/workspace.h"

#define NOW INT64_C(1000000000)
#define DAY INT64_C(86400)

static reposync_old_t *add(apr_array_header_t *packages, const char *version, int64_t age_s)
{
    reposync_old_t *old = apr_array_push(packages);

    *old = (reposync_old_t){ .name = "bash",
                             .arch = "x86_64",
                             .epoch = "0",
                             .version = version,
                             .release = "1",
                             .arrived_s = NOW - age_s };
    return old;
}

static apr_array_header_t *make(void **state)
{
    return apr_array_make(((workspace_t *)*state)->pool, 16, sizeof(reposync_old_t));
}

/* Versions that go, in their order, the newest first. */
static const char *gone(void **state, apr_array_header_t *packages, int64_t keep)
{
    const char *text = "";
    int i;

    reposync_rawhide_choose(packages, keep, NOW);
    for (i = 0; i < packages->nelts; i++) {
        const reposync_old_t *old = &APR_ARRAY_IDX(packages, i, reposync_old_t);

        if (old->goes) {
            text = apr_pstrcat(((workspace_t *)*state)->pool, text, old->version, " ", NULL);
        }
    }
    return text;
}

static void the_newest_ones_stay_whatever_their_age(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1.9", 100 * DAY);
    add(packages, "1.10", 90 * DAY);
    add(packages, "1.2", 200 * DAY);
    assert_string_equal(gone(state, packages, 3), "");
    assert_string_equal(gone(state, packages, 2), "1.2 ");
    assert_string_equal(gone(state, packages, 1), "1.9 1.2 ");
}

static void a_week_counts_from_when_the_newer_one_came(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1", 100 * DAY);
    add(packages, "2", REPOSYNC_SUPERSEDED_S - 1);
    assert_string_equal(gone(state, packages, 1), "");
    packages = make(state);
    add(packages, "1", 100 * DAY);
    add(packages, "2", REPOSYNC_SUPERSEDED_S);
    assert_string_equal(gone(state, packages, 1), "1 ");
}

static void the_first_newer_one_counts(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1", 100 * DAY);
    add(packages, "2", 8 * DAY);
    add(packages, "3", 1 * DAY);
    assert_string_equal(gone(state, packages, 1), "1 ");
}

static void what_is_offered_stays(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1", 100 * DAY)->is_offered = true;
    add(packages, "2", 90 * DAY);
    assert_string_equal(gone(state, packages, 1), "");
}

static void the_same_version_twice_supersedes_nothing(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1", 100 * DAY);
    add(packages, "1", 90 * DAY);
    assert_string_equal(gone(state, packages, 1), "");
}

static void an_epoch_counts_more_than_a_version(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "9", 100 * DAY);
    add(packages, "1", 90 * DAY)->epoch = "1";
    assert_string_equal(gone(state, packages, 1), "9 ");
}

static void other_names_and_architectures_are_other_packages(void **state)
{
    apr_array_header_t *packages = make(state);

    add(packages, "1", 100 * DAY)->arch = "i686";
    add(packages, "2", 90 * DAY);
    add(packages, "3", 90 * DAY)->name = "bash-doc";
    assert_string_equal(gone(state, packages, 1), "");
}

static void only_the_version_rawhide_is_rawhide(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;

    assert_true(reposync_rawhide_is("fedora-rawhide-x86_64", p));
    assert_false(reposync_rawhide_is("fedora-36-x86_64", p));
    assert_false(reposync_rawhide_is("rawhide-36-x86_64", p));
    assert_false(reposync_rawhide_is("fedora-36-rawhide", p));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_ones_stay_whatever_their_age),
        TEST(a_week_counts_from_when_the_newer_one_came),
        TEST(the_first_newer_one_counts),
        TEST(what_is_offered_stays),
        TEST(the_same_version_twice_supersedes_nothing),
        TEST(an_epoch_counts_more_than_a_version),
        TEST(other_names_and_architectures_are_other_packages),
        TEST(only_the_version_rawhide_is_rawhide),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
