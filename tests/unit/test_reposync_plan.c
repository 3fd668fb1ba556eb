/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/reposync/plan.h: what becomes of each package that a list names. */
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

#include "helpers/reposync/plan.h"
#include "tests/unit/workspace.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* What a plan needs; what it tells goes to the file `told`. */
typedef struct fixture_t {
    reposync_t sync;
    reposync_place_t place;
    reposync_tally_t tally;
    reposync_plan_t plan;
    int stderr_copy;
} fixture_t;

static fixture_t *make(workspace_t *ws)
{
    fixture_t *fixture = apr_pcalloc(ws->pool, sizeof(*fixture));
    int told = openat(ws->dir, "told", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    fixture->place.release = "x-1-y";
    fixture->place.fd = ws->dir;
    fixture->plan =
        (reposync_plan_t){ .sync = &fixture->sync,
                           .place = &fixture->place,
                           .repository = "r",
                           .named = apr_hash_make(ws->pool),
                           .packages = apr_array_make(ws->pool, 4, sizeof(reposync_package_t)),
                           .tally = &fixture->tally,
                           .pool = ws->pool };
    fixture->stderr_copy = dup(STDERR_FILENO);
    assert_int_equal(dup2(told, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(told), 0);
    return fixture;
}

/* @return how many lines were told */
static int finish(const workspace_t *ws, const fixture_t *fixture)
{
    const char *at = workspace_read(ws, "told");
    int lines = 0;

    assert_int_equal(dup2(fixture->stderr_copy, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(fixture->stderr_copy), 0);
    for (; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

static void add(fixture_t *fixture, const char *href, const char *arch, int64_t size)
{
    retrace_repodata_package_t package = { .name = "n",
                                           .arch = arch,
                                           .epoch = "0",
                                           .version = "1",
                                           .release = "1",
                                           .href = href,
                                           .size = size };

    assert_true(retrace_checksum_parse(&package.checksum, "sha256", SUM));
    assert_int_equal(reposync_plan_add(&fixture->plan, &package, NULL), APR_SUCCESS);
}

static void a_size_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);

    add(fixture, "P/a.rpm", "y", REPOSYNC_MAX_PACKAGE);
    add(fixture, "P/b.rpm", "y", REPOSYNC_MAX_PACKAGE + 1);
    add(fixture, "P/c.rpm", "y", 0);
    add(fixture, "P/d.rpm", "y", -1);
    assert_int_equal(finish(ws, fixture), 3);
    assert_int_equal(fixture->plan.packages->nelts, 1);
    assert_int_equal(fixture->tally.refused, 3);
    assert_int_equal(fixture->plan.bytes, REPOSYNC_MAX_PACKAGE);
}

static void what_is_refused_is_told_up_to_a_limit(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);
    int i;

    for (i = 0; i < REPOSYNC_MAX_TOLD; i++) {
        add(fixture, NULL, "y", 1);
    }
    assert_int_equal(finish(ws, fixture), REPOSYNC_MAX_TOLD);
    assert_null(strstr(workspace_read(ws, "told"), "more packages are not told"));
    fixture = make(ws);
    for (i = 0; i < REPOSYNC_MAX_TOLD + 5; i++) {
        add(fixture, NULL, "y", 1);
    }
    assert_int_equal(finish(ws, fixture), REPOSYNC_MAX_TOLD + 1);
    assert_non_null(strstr(workspace_read(ws, "told"), "x-1-y r: more packages are not told"));
    assert_int_equal(fixture->tally.refused, REPOSYNC_MAX_TOLD + 5);
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);

    reposync_plan_tell(&fixture->plan, "a\033[2J\nb", "bad");
    assert_int_equal(finish(ws, fixture), 1);
    assert_string_equal(workspace_read(ws, "told"), "x-1-y r: a?[2J b: bad\n");
}

static void source_code_is_left_out(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);

    add(fixture, "P/a.src.rpm", "src", 1);
    add(fixture, "P/b.nosrc.rpm", "nosrc", 1);
    assert_int_equal(finish(ws, fixture), 0);
    assert_int_equal(fixture->plan.packages->nelts, 0);
    assert_int_equal(fixture->tally.refused, 0);
}

static void of_two_of_a_name_the_first_counts(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);

    add(fixture, "one/a.rpm", "y", 1);
    add(fixture, "two/a.rpm", "y", 2);
    assert_int_equal(finish(ws, fixture), 0);
    assert_int_equal(fixture->plan.packages->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(fixture->plan.packages, 0, reposync_package_t).href,
                        "one/a.rpm");
}

static void what_is_here_is_kept(void **state)
{
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);

    workspace_write(ws, "Packages/a/a.rpm", "123");
    workspace_write(ws, "Packages/b/b.rpm", "1234");
    workspace_write(ws, "Packages/c/c.stripped.rpm", "1");
    add(fixture, "P/a.rpm", "y", 3);
    add(fixture, "P/b.rpm", "y", 3);
    add(fixture, "P/c.rpm", "y", 3);
    assert_int_equal(finish(ws, fixture), 0);
    assert_int_equal(fixture->tally.kept, 2);
    assert_int_equal(fixture->plan.packages->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(fixture->plan.packages, 0, reposync_package_t).name, "b.rpm");
}

static void only_what_is_of_use_is_taken(void **state)
{
    static const char *const useless[] = { "/usr/bin/x", "/usr/lib/.build-id", "/usr/lib/debug",
                                           "/usr/lib/debugger/x", "/x/usr/lib/debug/x" };
    workspace_t *ws = *state;
    fixture_t *fixture = make(ws);
    size_t i;

    fixture->plan.useful = apr_hash_make(ws->pool);
    for (i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
        assert_int_equal(reposync_plan_note_file(&fixture->plan, SUM, useless[i], NULL),
                         APR_SUCCESS);
    }
    add(fixture, "P/a.rpm", "y", 1);
    assert_int_equal(fixture->tally.skipped, 1);
    assert_int_equal(reposync_plan_note_file(&fixture->plan, SUM, "/usr/lib/debug/.dwz/x", NULL),
                     APR_SUCCESS);
    add(fixture, "P/b.rpm", "y", 1);
    assert_int_equal(finish(ws, fixture), 0);
    assert_int_equal(fixture->tally.skipped, 1);
    assert_int_equal(fixture->plan.packages->nelts, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_size_has_a_limit),
        TEST(what_is_refused_is_told_up_to_a_limit),
        TEST(control_characters_do_not_reach_a_terminal),
        TEST(source_code_is_left_out),
        TEST(of_two_of_a_name_the_first_counts),
        TEST(what_is_here_is_kept),
        TEST(only_what_is_of_use_is_taken),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
