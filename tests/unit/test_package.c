/* SPDX-License-Identifier: Apache-2.0 */
/* Packages by build-id: which entries of a package tell one, and which of several packages is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/package.h"

#define REST   "11111111111111111111111111111111111111"
#define LINKS  "/usr/lib/.build-id/11/"
#define DEBUGS "/usr/lib/debug/.build-id/11/"

/* --- Entries ------------------------------------------------------------------------------- */

static void expect_file(void **state, const char *directory, const char *name, const char *link,
                        const worker_package_file_t *expected)
{
    const workspace_t *ws = *state;
    worker_package_file_t file = { 0 };

    assert_true(worker_package_file(&file, directory, name, link, ws->pool));
    assert_int_equal(file.kind, expected->kind);
    assert_string_equal(file.key, expected->key);
    assert_string_equal(file.path, expected->path);
}

static void a_link_tells_the_build_id_of_an_executable(void **state)
{
    const worker_package_file_t expected = { WORKER_FILE_EXECUTABLE, SAMPLE_ID, "/usr/bin/bash" };

    expect_file(state, LINKS, REST, "../../../../usr/bin/bash", &expected);
    expect_file(state, LINKS, REST, "../../../bin/bash", &expected);
    expect_file(state, LINKS, REST, "/usr/bin/bash", &expected);
}

static void a_debug_link_tells_that_of_debug_information(void **state)
{
    const worker_package_file_t linked = { WORKER_FILE_DEBUGINFO, SAMPLE_ID,
                                           "/usr/lib/debug/usr/bin/bash.debug" };
    const worker_package_file_t itself = { WORKER_FILE_DEBUGINFO, SAMPLE_ID, DEBUGS REST ".debug" };

    expect_file(state, DEBUGS, REST ".debug", "../../usr/bin/bash.debug", &linked);
    expect_file(state, DEBUGS, REST ".debug", "", &itself);
}

static void a_dwz_file_is_known_by_its_name_or_by_a_link(void **state)
{
    const worker_package_file_t named = { WORKER_FILE_DWZ, "bash-5.1-2.fc36.x86_64",
                                          "/usr/lib/debug/.dwz/bash-5.1-2.fc36.x86_64" };
    const worker_package_file_t linked = { WORKER_FILE_DWZ, SAMPLE_ID,
                                           "/usr/lib/debug/.dwz/bash-5.1-2.fc36.x86_64" };

    expect_file(state, "/usr/lib/debug/.dwz/", "bash-5.1-2.fc36.x86_64", "", &named);
    expect_file(state, DEBUGS, REST ".debug", "../../.dwz/bash-5.1-2.fc36.x86_64", &linked);
}

static void everything_else_is_passed_over(void **state)
{
    static const char *const entries[][3] = {
        { "/usr/bin/", "bash", "" },
        { "/usr/lib/.build-id/", "11", "" },
        { LINKS, REST ".1", "../../../bin/bash" }, /* a second file with the same build-id */
        { LINKS, REST, "" },                       /* no link */
        { LINKS, "", "../../../bin/bash" },
        { LINKS, "ABCDEF", "../../../bin/bash" },
        { "/usr/lib/.build-id/1g/", REST, "../../../bin/bash" },
        { "/usr/lib/.build-id/111/", REST, "../../../bin/bash" },
        { "/usr/lib/.build-id/11/22/", REST, "../../../bin/bash" },
        { LINKS, REST, "../../../../../../../etc/passwd" },
        { LINKS, REST, "/usr/bin/../../etc/passwd" },
        { LINKS, REST, "../../../bin/a\nb" },
        { DEBUGS, REST, "../../../../../usr/bin/bash" }, /* the executable, in another package */
        { DEBUGS, ".debug", "x" },
        { "/usr/lib/debug/.dwz/", "a\nb", "" },
        { "/usr/lib/debug/.dwz/", "bash", "elsewhere" },
    };
    const workspace_t *ws = *state;
    worker_package_file_t file;
    size_t i;

    for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        assert_false(
            worker_package_file(&file, entries[i][0], entries[i][1], entries[i][2], ws->pool));
    }
}

static void a_build_id_has_a_greatest_length(void **state)
{
    const workspace_t *ws = *state;
    char name[130];
    worker_package_file_t file;

    memset(name, 'a', sizeof(name));
    name[128] = '\0';
    assert_true(worker_package_file(&file, LINKS, name, "../../../bin/bash", ws->pool));
    name[128] = 'a';
    name[129] = '\0';
    assert_false(worker_package_file(&file, LINKS, name, "../../../bin/bash", ws->pool));
}

static void a_path_of_a_list_is_known_without_its_target(void **state)
{
    static const struct {
        const char *path;
        int kind; /* -1: none */
        const char *key;
    } paths[] = {
        { "/usr/lib/.build-id/ab/cdef", WORKER_FILE_EXECUTABLE, "abcdef" },
        { "/usr/lib/debug/.build-id/ab/cdef.debug", WORKER_FILE_DEBUGINFO, "abcdef" },
        { "/usr/lib/debug/.dwz/bash-5.1-2.fc36.x86_64", WORKER_FILE_DWZ, "bash-5.1-2.fc36.x86_64" },
        { "/usr/lib/debug/.build-id/ab/cdef", -1, NULL },
        { "/usr/lib/debug/.build-id/ab/cdef.1.debug", -1, NULL },
        { "/usr/lib/.build-id/ab", -1, NULL },
        { "/usr/lib/.build-id/ab/", -1, NULL },
        { "/usr/lib/.build-id/AB/cdef", -1, NULL },
        { "/usr/lib/.build-id/ab/../cdef", -1, NULL },
        { "/usr/lib/.build-id/ab/cd/ef", -1, NULL },
        { "/usr/lib/debug/.dwz/", -1, NULL },
        { "/usr/lib/debug/.dwz/a/b", -1, NULL },
        { "/usr/lib/libc.so.6", -1, NULL },
        { "", -1, NULL },
    };
    const workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        worker_file_kind_t kind = WORKER_FILE_EXECUTABLE;
        const char *key = NULL;
        bool is_listed = worker_package_may_be_listed(paths[i].path)
            && worker_package_listed(&kind, &key, paths[i].path, ws->pool);

        assert_int_equal(is_listed, paths[i].kind >= 0);
        if (is_listed) {
            assert_int_equal((int)kind, paths[i].kind);
            assert_string_equal(key, paths[i].key);
        }
    }
}

/* --- The choice ---------------------------------------------------------------------------- */

typedef struct offer_t {
    const char *file;
    int rank;
    const char *evr[3];
} offer_t;

/* The names of the offers in the order of preference. */
static void expect_order(void **state, const offer_t *offers, int count, const char *expected)
{
    const workspace_t *ws = *state;
    apr_array_header_t *candidates = apr_array_make(ws->pool, 4, sizeof(worker_candidate_t));
    char order[32] = "";
    int i;

    for (i = 0; i < count; i++) {
        APR_ARRAY_PUSH(candidates, worker_candidate_t) =
            (worker_candidate_t){ .file = offers[i].file,
                                  .rank = offers[i].rank,
                                  .epoch = offers[i].evr[0],
                                  .version = offers[i].evr[1],
                                  .release = offers[i].evr[2] };
    }
    worker_candidates_sort(candidates);
    for (i = 0; i < count; i++) {
        strcat(order, APR_ARRAY_IDX(candidates, i, worker_candidate_t).file);
    }
    assert_string_equal(order, expected);
}

static void who_was_chosen_comes_first_although_older(void **state)
{
    const offer_t offers[] = { { "a", 3, { "", "2.0", "1" } }, { "b", 1, { "", "1.0", "1" } } };

    expect_order(state, offers, 2, "ba");
}

static void of_equals_the_newer_comes_first(void **state)
{
    const offer_t versions[] = { { "a", 1, { "", "1.9", "1" } }, { "b", 1, { "", "1.10", "1" } } };
    const offer_t releases[] = { { "a", 1, { "", "1.0", "9.fc36" } },
                                 { "b", 1, { "", "1.0", "10.fc36" } } };
    const offer_t epochs[] = { { "a", 1, { "", "2.0", "1" } },
                               { "b", 1, { "1", "1.0", "1" } },
                               { "c", 1, { "0", "2.1", "1" } } };
    const offer_t tildes[] = { { "a", 1, { "", "2.0~rc1", "1" } }, { "b", 1, { "", "2.0", "1" } } };

    expect_order(state, versions, 2, "ba");
    expect_order(state, releases, 2, "ba");
    expect_order(state, epochs, 3, "bca");
    expect_order(state, tildes, 2, "ba");
}

static void of_the_same_version_the_name_decides(void **state)
{
    const offer_t offers[] = { { "b", 1, { "", "1", "1" } }, { "a", 1, { "0", "1", "1" } } };

    expect_order(state, offers, 2, "ab");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_link_tells_the_build_id_of_an_executable),
        TEST(a_debug_link_tells_that_of_debug_information),
        TEST(a_dwz_file_is_known_by_its_name_or_by_a_link),
        TEST(everything_else_is_passed_over),
        TEST(a_build_id_has_a_greatest_length),
        TEST(a_path_of_a_list_is_known_without_its_target),
        TEST(who_was_chosen_comes_first_although_older),
        TEST(of_equals_the_newer_comes_first),
        TEST(of_the_same_version_the_name_decides),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
