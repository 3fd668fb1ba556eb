/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/reposync/place.h */
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

#include "helpers/reposync/place.h"
#include "tests/unit/workspace.h"

static void names_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = { "",        ".rpm",    "..rpm",   ".a.rpm", "a.rpm.part",
                                       "-a.rpm",  "a/b.rpm", "a b.rpm", "a.RPM",  "a",
                                       "a\n.rpm", "%2e.rpm", "a.rpm " };
    workspace_t *ws = *state;
    char *text = apr_pcalloc(ws->pool, 300);
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(reposync_place_is_name(bad[i]));
    }
    assert_true(reposync_place_is_name("g++-1:2.0~rc1^x-1.fc36.x86_64.rpm"));
    memset(text, 'x', 240);
    memcpy(text + 236, ".rpm", 4);
    assert_true(reposync_place_is_name(text));
    memset(text, 'x', 241);
    memcpy(text + 237, ".rpm", 5);
    assert_false(reposync_place_is_name(text));
}

static reposync_place_t *open_place(workspace_t *ws, bool is_dry, apr_pool_t *p)
{
    const retrace_config_t config = { .repo_dir = ws->path };
    const reposync_t sync = { .config = &config, .is_dry_run = is_dry };
    reposync_place_t *place = NULL;

    assert_int_equal(reposync_place_open(&place, &sync, "x-1-y", &ws->err, p), APR_SUCCESS);
    return place;
}

static void a_package_is_published_whole_and_found_again(void **state)
{
    workspace_t *ws = *state;
    reposync_place_t *place = open_place(ws, false, ws->pool);

    assert_false(reposync_place_is_changed(place));
    workspace_write(ws, "x-1-y/.sync/B.rpm.part", "content");
    assert_false(reposync_place_has(place, "B.rpm", 7));
    assert_int_equal(reposync_place_publish(place, "B.rpm.part", "B.rpm", &ws->err), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "x-1-y/Packages/b/B.rpm"), "content");
    assert_int_equal(workspace_mode(ws, "x-1-y/Packages/b/B.rpm"), 0644);
    assert_true(reposync_place_has(place, "B.rpm", 7));
    assert_false(reposync_place_has(place, "B.rpm", 8));
    assert_true(reposync_place_is_changed(place));
    reposync_place_clear_changed(place);
    assert_false(reposync_place_is_changed(place));
    assert_int_equal(reposync_place_remove(place, "Packages/b/B.rpm", &ws->err), APR_SUCCESS);
    assert_false(reposync_place_has(place, "B.rpm", 7));
    assert_true(reposync_place_is_changed(place));
}

static void packages_that_an_admin_has_put_elsewhere_are_found(void **state)
{
    workspace_t *ws = *state;
    reposync_place_t *place = open_place(ws, false, ws->pool);

    workspace_write(ws, "x-1-y/a.rpm", "1");
    workspace_write(ws, "x-1-y/Packages/c.rpm", "1");
    assert_true(reposync_place_has(place, "a.rpm", 1));
    assert_true(reposync_place_has(place, "c.rpm", 1));
}

static void one_process_at_a_time(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = { .repo_dir = ws->path };
    const reposync_t sync = { .config = &config };
    reposync_place_t *second = NULL;
    apr_pool_t *p = NULL;

    assert_int_equal(apr_pool_create(&p, ws->pool), APR_SUCCESS);
    (void)open_place(ws, false, p);
    assert_int_equal(reposync_place_open(&second, &sync, "x-1-y", &ws->err, ws->pool), APR_EBUSY);
    apr_pool_destroy(p);
    assert_int_equal(reposync_place_open(&second, &sync, "x-1-y", &ws->err, ws->pool), APR_SUCCESS);
}

static void a_dry_run_leaves_nothing(void **state)
{
    workspace_t *ws = *state;
    const reposync_place_t *place;
    const char *path;
    apr_pool_t *p = NULL;

    assert_int_equal(apr_pool_create(&p, ws->pool), APR_SUCCESS);
    place = open_place(ws, true, p);
    path = apr_pstrdup(ws->pool, place->work_path);
    assert_int_equal(access(path, F_OK), 0);
    assert_false(reposync_place_has(place, "a.rpm", 1));
    apr_pool_destroy(p);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(workspace_count(ws, "."), 0);
}

static void a_link_in_the_place_of_a_directory_is_not_followed(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = { .repo_dir = ws->path };
    const reposync_t sync = { .config = &config };
    reposync_place_t *place = NULL;

    workspace_make_dir(ws, "elsewhere");
    workspace_link(ws, "elsewhere", "x-1-y");
    assert_int_not_equal(reposync_place_open(&place, &sync, "x-1-y", &ws->err, ws->pool),
                         APR_SUCCESS);
    assert_null(place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_that_are_none_are_refused),
        TEST(a_package_is_published_whole_and_found_again),
        TEST(packages_that_an_admin_has_put_elsewhere_are_found),
        TEST(one_process_at_a_time),
        TEST(a_dry_run_leaves_nothing),
        TEST(a_link_in_the_place_of_a_directory_is_not_followed),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
