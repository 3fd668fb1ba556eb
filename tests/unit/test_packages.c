/* SPDX-License-Identifier: Apache-2.0 */
/* lib/packages.h: which lists have to be made again, and which must not be tried again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/package_list.h"
#include "lib/packages.h"
#include "tests/unit/workspace.h"

#define RELEASE "fedora-36-x86_64"
#define OTHER   "fedora-37-x86_64"

static retrace_config_t make_config(const workspace_t *ws)
{
    retrace_config_t config = { .repo_dir = workspace_path(ws, "repos"),
                                .save_dir = workspace_path(ws, "spool") };

    workspace_make_dir(ws, "spool");
    return config;
}

static bool is_due_after(const workspace_t *ws, const retrace_config_t *config, int seconds)
{
    return retrace_packages_are_due(config, apr_time_now() + apr_time_from_sec(seconds), ws->pool);
}

static bool is_due(const workspace_t *ws, const retrace_config_t *config)
{
    return is_due_after(ws, config, 0);
}

/* As the indexer does. */
static void publish(workspace_t *ws, const retrace_config_t *config, const char *release)
{
    int repository = open(apr_pstrcat(ws->pool, config->repo_dir, "/", release, NULL), O_RDONLY);
    retrace_package_state_t state = retrace_package_state(repository, config->fetch_on_demand);
    int lists = -1;

    assert_int_equal(retrace_packages_open(&lists, config, &ws->err), APR_SUCCESS);
    assert_int_equal(retrace_package_list_write(lists, release, &state,
                                                apr_array_make(ws->pool, 1, sizeof(const char *)),
                                                &ws->err, ws->pool),
                     APR_SUCCESS);
    (void)close(lists);
    (void)close(repository);
}

static void nothing_is_due_without_repositories_or_a_spool(void **state)
{
    const workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    assert_false(is_due(ws, &config));
    workspace_make_dir(ws, "repos");
    workspace_make_dir(ws, "repos/" RELEASE);
    assert_false(is_due(ws, &config));
    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    assert_true(is_due(ws, &config));
    config.save_dir = workspace_path(ws, "none");
    assert_false(is_due(ws, &config));
}

static void a_missing_list_is_due(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    assert_true(is_due(ws, &config));
    publish(ws, &config, RELEASE);
    assert_false(is_due(ws, &config));
    workspace_write(ws, "repos/" OTHER "/repodata/repomd.xml", "1");
    assert_true(is_due(ws, &config));
    publish(ws, &config, OTHER);
    assert_false(is_due(ws, &config));
    workspace_write(ws, "spool/packages/" RELEASE, "garbage");
    assert_true(is_due(ws, &config));
}

static void a_list_of_another_state_is_due(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    publish(ws, &config, RELEASE);
    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "22");
    assert_true(is_due(ws, &config));
    publish(ws, &config, RELEASE);
    assert_false(is_due(ws, &config));
    workspace_shell(ws, "rm repos/" RELEASE "/repodata/repomd.xml");
    assert_true(is_due(ws, &config));
    publish(ws, &config, RELEASE);
    assert_false(is_due(ws, &config));
}

static void a_list_without_what_is_fetched_on_demand_is_due(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);
    const char *before;

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    publish(ws, &config, RELEASE);
    before = retrace_packages_state(&config, ws->pool);
    assert_false(is_due(ws, &config));
    config.fetch_on_demand = true;
    assert_true(is_due(ws, &config));
    assert_string_not_equal(before, retrace_packages_state(&config, ws->pool));
    publish(ws, &config, RELEASE);
    assert_false(is_due(ws, &config));
    config.fetch_on_demand = false;
    assert_true(is_due(ws, &config));
}

static void a_list_is_checked_from_time_to_time(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    publish(ws, &config, RELEASE);
    assert_false(is_due_after(ws, &config, RETRACE_PACKAGES_RECHECK_S - 5));
    assert_true(is_due_after(ws, &config, RETRACE_PACKAGES_RECHECK_S + 5));
    assert_true(is_due_after(ws, &config, -RETRACE_PACKAGES_RECHECK_S - 5));
}

static void a_list_of_a_release_that_is_gone_goes(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    publish(ws, &config, RELEASE);
    publish(ws, &config, OTHER);
    workspace_write(ws, "spool/packages/.lock", "");
    assert_true(is_due(ws, &config));
    assert_int_equal(retrace_packages_sweep(&config, &ws->err, ws->pool), APR_SUCCESS);
    assert_false(is_due(ws, &config));
    assert_false(workspace_exists(ws, "spool/packages/" OTHER));
    assert_true(workspace_exists(ws, "spool/packages/" RELEASE));
    assert_true(workspace_exists(ws, "spool/packages/.lock"));
}

static void what_was_given_up_is_due_when_something_changes_or_time_goes_by(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = make_config(ws);
    const char *before;

    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "1");
    before = retrace_packages_state(&config, ws->pool);
    assert_true(is_due(ws, &config));
    assert_int_equal(retrace_packages_give_up(&config, before, &ws->err), APR_SUCCESS);
    assert_false(is_due(ws, &config));
    assert_false(is_due_after(ws, &config, RETRACE_PACKAGES_GIVE_UP_S - 5));
    assert_true(is_due_after(ws, &config, RETRACE_PACKAGES_GIVE_UP_S + 5));
    workspace_write(ws, "repos/" RELEASE "/repodata/repomd.xml", "22");
    assert_true(is_due(ws, &config));
    assert_string_not_equal(before, retrace_packages_state(&config, ws->pool));
    before = retrace_packages_state(&config, ws->pool);
    assert_int_equal(retrace_packages_give_up(&config, before, &ws->err), APR_SUCCESS);
    assert_false(is_due(ws, &config));
    workspace_make_dir(ws, "repos/" OTHER);
    workspace_make_dir(ws, "repos/" OTHER "/repodata");
    assert_true(is_due(ws, &config));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_due_without_repositories_or_a_spool),
        TEST(a_missing_list_is_due),
        TEST(a_list_of_another_state_is_due),
        TEST(a_list_without_what_is_fetched_on_demand_is_due),
        TEST(a_list_is_checked_from_time_to_time),
        TEST(a_list_of_a_release_that_is_gone_goes),
        TEST(what_was_given_up_is_due_when_something_changes_or_time_goes_by),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
