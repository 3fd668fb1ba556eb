/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate that a client is told: from what the upload says about itself, which may be
 * anything, the statistics, and the tasks that are there already. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>

#include "lib/estimate.h"
#include "tests/unit/workspace.h"
#include "worker/ingest/forecast.h"

#define ESTIMATES "spool/statistics/estimates"
#define TEXT      "bash fedora-36 12\nbash rhel-8 13\n- fedora-36 30\n- - 50\n"

static int set_up(void **state)
{
    if (workspace_setup(state) != 0) {
        return -1;
    }
    (void)workspace_spool(*state);
    workspace_make_dir(*state, "crash");
    return 0;
}

static int64_t forecast(workspace_t *ws)
{
    const retrace_config_t config = { .max_parallel_tasks = 2 };
    const retrace_spool_t *spool = NULL;
    int crash = openat(ws->dir, "crash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t seconds;

    assert_true(crash >= 0);
    assert_int_equal(retrace_spool_open(&spool, workspace_path(ws, "spool"), &ws->err, ws->pool),
                     APR_SUCCESS);
    seconds = ingest_forecast(spool, crash, &config, ws->pool);
    (void)close(crash);
    return seconds;
}

static void put(workspace_t *ws, const char *member, const char *text)
{
    char name[100];

    snprintf(name, sizeof(name), "crash/%s", member);
    workspace_write(ws, name, text);
}

static void without_statistics_there_is_a_default(void **state)
{
    put(*state, "package", "bash-5.1-2.fc36");
    assert_int_equal(forecast(*state), RETRACE_ESTIMATE_DEFAULT_S);
}

static void an_upload_that_says_nothing_takes_the_average(void **state)
{
    workspace_write(*state, ESTIMATES, TEXT);
    assert_int_equal(forecast(*state), 50);
}

static void package_and_release_are_read(void **state)
{
    workspace_write(*state, ESTIMATES, TEXT);
    put(*state, "package", "bash-5.1-2.fc99\n");
    put(*state, "os_release", "Fedora release 36 (Thirty Six)\nsecond line\n");
    assert_int_equal(forecast(*state), 12);
    put(*state, "package", "zsh-5.1-2.fc99");
    assert_int_equal(forecast(*state), 30);
}

static void the_other_set_of_files_has_its_own_name_for_the_release(void **state)
{
    workspace_write(*state, ESTIMATES, TEXT);
    put(*state, "release", "Fedora release 36 (Thirty Six)");
    assert_int_equal(forecast(*state), 30);
}

static void without_a_release_the_tag_of_the_package_tells_it(void **state)
{
    workspace_write(*state, ESTIMATES, TEXT);
    put(*state, "package", "bash-5.1-2.fc36");
    assert_int_equal(forecast(*state), 12);
    put(*state, "package", "bash-4.4-1.el8_4");
    put(*state, "os_release", "");
    assert_int_equal(forecast(*state), 13);
}

static void only_the_first_line_counts_and_blanks_at_its_end_do_not(void **state)
{
    workspace_write(*state, ESTIMATES, TEXT);
    put(*state, "package", "bash-5.1-2.fc36 \t\r\nzsh-1-1\n");
    assert_int_equal(forecast(*state), 12);
}

static void nonsense_is_unknown(void **state)
{
    static const char *const texts[] = { "", "\n", "-", "../../etc", "a b c", "\xff\xfe", "-1-1" };
    char *longest = test_malloc(100000);
    size_t i;

    memset(longest, 'x', 99999);
    longest[99999] = '\0';
    workspace_write(*state, ESTIMATES, TEXT);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(*state, "package", texts[i]);
        put(*state, "os_release", texts[i]);
        assert_int_equal(forecast(*state), 50);
    }
    put(*state, "package", longest);
    put(*state, "release", longest);
    assert_int_equal(forecast(*state), 50);
    test_free(longest);
}

static void statistics_that_cannot_be_read_are_none(void **state)
{
    workspace_make_dir(*state, ESTIMATES);
    assert_int_equal(forecast(*state), RETRACE_ESTIMATE_DEFAULT_S);
}

/* Two at once: the fifth one waits for two others. */
static void tasks_that_are_there_already_count(void **state)
{
    static const char *const running[] = { "111111111", "222222222" };
    static const char *const due[] = { "333333333", "444444444" };
    char name[100];
    size_t i;

    workspace_write(*state, ESTIMATES, TEXT);
    put(*state, "package", "bash-5.1-2.fc36");
    for (i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "spool/running/%s", running[i]);
        workspace_write(*state, name, "192.0.2.1 1\n");
    }
    assert_int_equal(forecast(*state), 12 + 50);
    for (i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "spool/queue/%s", due[i]);
        workspace_write(*state, name, "192.0.2.1 1\n");
    }
    assert_int_equal(forecast(*state), 12 + 50); /* uploads that are not complete */
    for (i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "spool/%s", due[i]);
        workspace_make_dir(*state, name);
    }
    assert_int_equal(forecast(*state), 12 + 2 * 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_statistics_there_is_a_default),
        TEST(an_upload_that_says_nothing_takes_the_average),
        TEST(package_and_release_are_read),
        TEST(the_other_set_of_files_has_its_own_name_for_the_release),
        TEST(without_a_release_the_tag_of_the_package_tells_it),
        TEST(only_the_first_line_counts_and_blanks_at_its_end_do_not),
        TEST(nonsense_is_unknown),
        TEST(statistics_that_cannot_be_read_are_none),
        TEST(tasks_that_are_there_already_count),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
