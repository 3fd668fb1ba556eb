/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages are taken for a core, and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/packages.h"

/* --- The choice ------------------------------------------------------------------------------ */

/* "a-1 b-2": packages that have a file, by name and version. */
static void add_wish(apr_array_header_t *wishes, const char *packages, apr_pool_t *p)
{
    worker_wish_t *wish = apr_array_push(wishes);
    char *rest = NULL;
    char *word = apr_strtok(apr_pstrdup(p, packages), " ", &rest);

    memset(wish, 0, sizeof(*wish));
    wish->candidates = apr_array_make(p, 2, sizeof(worker_candidate_t));
    for (; word != NULL; word = apr_strtok(NULL, " ", &rest)) {
        APR_ARRAY_PUSH(wish->candidates, worker_candidate_t) =
            (worker_candidate_t){ .file = word,
                                  .path = "/usr/bin/x",
                                  .name =
                                      apr_pstrmemdup(p, word, (size_t)(strrchr(word, '-') - word)),
                                  .arch = "x86_64",
                                  .source = "",
                                  .epoch = "",
                                  .version = strrchr(word, '-') + 1,
                                  .release = "1" };
    }
}

static apr_array_header_t *make_wishes(const workspace_t *ws)
{
    return apr_array_make(ws->pool, 4, sizeof(worker_wish_t));
}

static const char *choose_all(apr_array_header_t *wishes, apr_pool_t *p)
{
    const worker_candidate_t *best;
    const char *chosen = "";

    while ((best = worker_packages_next(wishes, p)) != NULL) {
        chosen = apr_pstrcat(p, chosen, chosen[0] != '\0' ? " " : "", best->file, NULL);
        worker_packages_take(wishes, best->file);
    }
    return chosen;
}

static void nothing_is_wanted(void **state)
{
    const workspace_t *ws = *state;

    assert_null(worker_packages_next(make_wishes(ws), ws->pool));
}

static void a_file_that_no_package_has_stays_a_wish(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "", ws->pool);
    add_wish(wishes, "a-1", ws->pool);
    assert_string_equal(choose_all(wishes, ws->pool), "a-1");
    assert_null(APR_ARRAY_IDX(wishes, 0, worker_wish_t).package);
    assert_string_equal(APR_ARRAY_IDX(wishes, 1, worker_wish_t).package, "a-1");
    assert_string_equal(APR_ARRAY_IDX(wishes, 1, worker_wish_t).path, "/usr/bin/x");
}

static void whoever_has_most_is_taken_for_all_of_it(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "a-9 all-1", ws->pool);
    add_wish(wishes, "b-9 all-1", ws->pool);
    add_wish(wishes, "c-1", ws->pool);
    assert_string_equal(choose_all(wishes, ws->pool), "all-1 c-1");
}

/* The second time only what is left counts. */
static void what_is_covered_does_not_count_again(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "a-1 b-1", ws->pool);
    add_wish(wishes, "a-1 b-1", ws->pool);
    add_wish(wishes, "a-1", ws->pool);
    add_wish(wishes, "b-1 c-2", ws->pool);
    assert_string_equal(choose_all(wishes, ws->pool), "a-1 c-2");
}

static void of_equals_the_newer_one_is_taken(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "a-1.9 a-1.10", ws->pool);
    assert_string_equal(choose_all(wishes, ws->pool), "a-1.10");
}

/* A library that was not changed is in both versions, the program is not: newer debug information of the
 * library alone would not fit the library of the old version that comes along. */
static void debug_information_is_of_the_version_that_was_taken(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "a-1", ws->pool);
    add_wish(wishes, "a-1 a-2", ws->pool);
    add_wish(wishes, "a-debuginfo-1 a-debuginfo-2", ws->pool);
    assert_string_equal(choose_all(wishes, ws->pool), "a-1 a-debuginfo-1");
}

static void a_package_that_is_dropped_is_not_taken(void **state)
{
    const workspace_t *ws = *state;
    apr_array_header_t *wishes = make_wishes(ws);

    add_wish(wishes, "a-1.10 a-1.9", ws->pool);
    add_wish(wishes, "a-1.10", ws->pool);
    worker_packages_drop(wishes, "a-1.10");
    assert_string_equal(choose_all(wishes, ws->pool), "a-1.9");
    assert_null(APR_ARRAY_IDX(wishes, 1, worker_wish_t).package);
}

/* --- Names ----------------------------------------------------------------------------------- */

static worker_package_t make_package(void)
{
    return (worker_package_t){ .name = "libstdc++",
                               .epoch = "",
                               .version = "12.1~rc1",
                               .release = "2.fc36",
                               .arch = "x86_64" };
}

static void a_package_has_an_exact_name(void **state)
{
    const workspace_t *ws = *state;
    worker_package_t package = make_package();
    worker_needed_t needed = { 0 };

    assert_true(worker_packages_name(&needed, &package, ws->pool));
    assert_string_equal(needed.nevra, "libstdc++-12.1~rc1-2.fc36.x86_64");
    assert_string_equal(needed.name, "libstdc++.x86_64");
    package.epoch = "2";
    assert_true(worker_packages_name(&needed, &package, ws->pool));
    assert_string_equal(needed.nevra, "libstdc++-2:12.1~rc1-2.fc36.x86_64");
}

static void expect_no_name(const workspace_t *ws, const worker_package_t *package)
{
    worker_needed_t needed = { 0 };

    assert_false(worker_packages_name(&needed, package, ws->pool));
    assert_null(needed.nevra);
}

static void hostile_parts_of_a_name_are_refused(void **state)
{
    static const char *const bad[] = { "",     "-x",    "a b",     "a'b", "'''",     "$(id)",
                                       "a\nb", "../x",  "{{7*7}}", "a/b", "*",       "[a-z]x",
                                       "a:b",  "@core", "(a)",     "a;b", "\xc3\xa9" };
    const workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        worker_package_t package = make_package();

        package.name = bad[i];
        expect_no_name(ws, &package);
        package = make_package();
        package.version = bad[i];
        expect_no_name(ws, &package);
        package = make_package();
        package.release = bad[i];
        expect_no_name(ws, &package);
        package = make_package();
        package.arch = bad[i];
        expect_no_name(ws, &package);
        if (bad[i][0] != '\0') {
            package = make_package();
            package.epoch = bad[i];
            expect_no_name(ws, &package);
        }
    }
}

/* A dash in a version would make another name of the whole. */
static void a_part_must_be_found_again_in_the_whole(void **state)
{
    const workspace_t *ws = *state;
    worker_package_t package = make_package();

    package.version = "1-2";
    expect_no_name(ws, &package);
    package = make_package();
    package.release = "1-2";
    expect_no_name(ws, &package);
}

static void a_name_has_a_greatest_length(void **state)
{
    const workspace_t *ws = *state;
    worker_package_t package = {
        .name = "", .epoch = "", .version = "1", .release = "1", .arch = "x"
    };
    worker_needed_t needed = { 0 };
    char name[WORKER_NEVRA_MAX];

    memset(name, 'a', sizeof(name));
    name[WORKER_NEVRA_MAX - 1 - strlen("-1-1.x")] = '\0';
    package.name = name;
    assert_true(worker_packages_name(&needed, &package, ws->pool));
    assert_int_equal(strlen(needed.nevra), WORKER_NEVRA_MAX - 1);
    name[WORKER_NEVRA_MAX - 1 - strlen("-1-1.x")] = 'a';
    name[WORKER_NEVRA_MAX - strlen("-1-1.x")] = '\0';
    needed.nevra = NULL;
    expect_no_name(ws, &package);
}

static void a_source_package_tells_the_name_of_the_dwz_file(void **state)
{
    const workspace_t *ws = *state;
    const char *name = NULL;

    assert_false(worker_packages_dwz(&name, "", "x86_64", ws->pool));
    assert_false(worker_packages_dwz(&name, ".src.rpm", "x86_64", ws->pool));
    assert_false(worker_packages_dwz(&name, "bash-5.1-2.fc36.x86_64.rpm", "x86_64", ws->pool));
    assert_null(name);
    assert_true(worker_packages_dwz(&name, "bash-5.1-2.fc36.src.rpm", "x86_64", ws->pool));
    assert_string_equal(name, "bash-5.1-2.fc36.x86_64");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_wanted),
        TEST(a_file_that_no_package_has_stays_a_wish),
        TEST(whoever_has_most_is_taken_for_all_of_it),
        TEST(what_is_covered_does_not_count_again),
        TEST(of_equals_the_newer_one_is_taken),
        TEST(debug_information_is_of_the_version_that_was_taken),
        TEST(a_package_that_is_dropped_is_not_taken),
        TEST(a_package_has_an_exact_name),
        TEST(hostile_parts_of_a_name_are_refused),
        TEST(a_part_must_be_found_again_in_the_whole),
        TEST(a_name_has_a_greatest_length),
        TEST(a_source_package_tells_the_name_of_the_dwz_file),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
