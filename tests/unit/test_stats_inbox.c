/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats_inbox.h */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "helpers/dispatch/stats_counts.h"
#include "helpers/dispatch/stats_inbox.h"
#include "tests/unit/stats_fixture.h"
#include "tests/unit/workspace.h"

static apr_array_header_t *read_inbox(workspace_t *ws)
{
    apr_array_header_t *deliveries = NULL;
    int root = openat(ws->dir, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(stats_inbox_read(&deliveries, root, (int64_t)time(NULL), &ws->err, ws->pool),
                     APR_SUCCESS);
    (void)close(root);
    return deliveries;
}

static apr_array_header_t *insert_all(workspace_t *ws, stats_db_t *db)
{
    apr_array_header_t *deliveries = read_inbox(ws);

    assert_int_equal(stats_db_begin(db, &ws->err), APR_SUCCESS);
    assert_int_equal(stats_inbox_insert(db, deliveries, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(stats_db_commit(db, &ws->err), APR_SUCCESS);
    return deliveries;
}

static int remove_all(workspace_t *ws, const apr_array_header_t *deliveries)
{
    int root = openat(ws->dir, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int malformed = stats_inbox_remove(root, deliveries);

    (void)close(root);
    return malformed;
}

static void no_directory_is_no_delivery(void **state)
{
    workspace_make_dir(*state, "spool");
    assert_int_equal(read_inbox(*state)->nelts, 0);
}

static void what_is_no_delivery_is_removed_and_counted_as_malformed(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    workspace_write(ws, "spool/counts/1.1", "uploads x\n");
    workspace_write(ws, "spool/counts/directory/x", "uploads 1\n");
    workspace_link(ws, "/etc/passwd", "spool/counts/link");
    workspace_fifo(ws, "spool/counts/pipe");
    workspace_write(ws, "spool/counts/good", "uploads 1\n");
    assert_int_equal(remove_all(ws, insert_all(ws, db)), 4);
    assert_int_equal(workspace_count(ws, "spool/counts"), 0);
    stats_fixture_expect(ws, "SELECT value FROM counters WHERE name = 'uploads'", "1\n");
}

static void a_delivery_has_a_limit_of_bytes(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws,
                    apr_psprintf(ws->pool,
                                 "mkdir -p spool/counts && cd spool/counts && "
                                 "{ yes x | head -c %d; echo; } >most && { cat most; echo; } "
                                 ">more",
                                 STATS_DELIVERY_MAX - 1));
    assert_int_equal(remove_all(ws, read_inbox(ws)), 1);
}

static void a_round_takes_a_thousand_files(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws, "mkdir -p spool/counts && cd spool/counts && seq 1000 | xargs touch");
    assert_int_equal(read_inbox(ws)->nelts, STATS_MAX_DELIVERIES);
    workspace_write(ws, "spool/counts/1001", "");
    assert_int_equal(read_inbox(ws)->nelts, STATS_MAX_DELIVERIES);
    assert_int_equal(remove_all(ws, read_inbox(ws)), 0);
    assert_int_equal(workspace_count(ws, "spool/counts"), 1);
}

/* A thousand files of a httpd gone mad hold the dispatcher up for seconds. */
static void a_round_ends_with_the_file_that_reaches_the_limit_of_lines(void **state)
{
    workspace_t *ws = *state;

    workspace_shell(ws,
                    "mkdir -p spool/counts && cd spool/counts && yes 'uploads 1' | "
                    "head -n 400 >x && for i in $(seq 26); do cp x $i; done; rm x");
    assert_int_equal(read_inbox(ws)->nelts, STATS_MAX_COUNTS / 400);
}

static void an_unfinished_file_is_left_until_its_writer_must_be_dead(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "spool/counts/.1.1.new", "uploads");
    workspace_write(ws, "spool/counts/.1.2.new", "uploads");
    workspace_shell(ws, "touch -d '2 minutes ago' spool/counts/.1.2.new");
    assert_int_equal(read_inbox(ws)->nelts, 0);
    assert_true(workspace_exists(ws, "spool/counts/.1.1.new"));
    assert_false(workspace_exists(ws, "spool/counts/.1.2.new"));
}

static void refusals_are_added_up_by_day_status_and_reason(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    workspace_write(ws, "spool/counts/1", "refused 413 too_big 2\nrefused 413 type 1\n");
    workspace_write(ws, "spool/counts/2", "refused 413 too_big 3\nrefused 503 full 1\n");
    workspace_write(ws, "spool/counts/3", "refused 413 too_big 4\n");
    workspace_shell(ws,
                    "touch -d '2026-01-31 23:59:59 UTC' spool/counts/[12];"
                    "touch -d '2026-02-01 00:00:00 UTC' spool/counts/3");
    (void)insert_all(ws, db);
    stats_fixture_expect(ws, "SELECT *, typeof(count) FROM refusals",
                         "2026-01-31|413|too_big|5|integer\n2026-01-31|413|type|1|integer\n"
                         "2026-01-31|503|full|1|integer\n2026-02-01|413|too_big|4|integer\n");
    stats_fixture_expect(ws, "SELECT * FROM refusal_totals",
                         "413|too_big|9\n413|type|1\n503|full|1\n");
}

/* The dispatcher was killed between the commit and the removal of the files. */
static void a_delivery_that_is_met_again_is_not_counted_again(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    workspace_write(ws, "spool/counts/1", "uploads 2\n");
    (void)insert_all(ws, db);
    workspace_write(ws, "spool/counts/2", "uploads 3\n");
    assert_int_equal(remove_all(ws, insert_all(ws, db)), 0);
    assert_int_equal(workspace_count(ws, "spool/counts"), 0);
    stats_fixture_expect(ws, "SELECT value FROM counters WHERE name = 'uploads'", "5\n");
}

static void names_of_deliveries_are_not_kept_for_ever(void **state)
{
    workspace_t *ws = *state;

    (void)stats_fixture_open(ws);
    stats_fixture_expect(ws,
                         "INSERT INTO deliveries (name) WITH RECURSIVE n(i) AS (VALUES (1) "
                         "UNION ALL SELECT i + 1 FROM n WHERE i < 1001) SELECT i FROM n; "
                         "SELECT count(*), min(id) FROM deliveries",
                         "1000|2\n");
}

static void reasons_beyond_the_limit_of_a_day_are_other(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    workspace_shell(ws,
                    "mkdir -p spool/counts && seq 200 | tr 0-9 a-j | "
                    "sed 's/.*/refused 400 & 1/' >spool/counts/1");
    (void)insert_all(ws, db);
    stats_fixture_expect(ws, "SELECT count(*), max(reason = 'other') FROM refusals", "200|0\n");
    workspace_write(ws, "spool/counts/2",
                    "refused 400 new 1\nrefused 400 newer 1\n"
                    "refused 400 b 5\n");
    (void)insert_all(ws, db);
    stats_fixture_expect(ws, "SELECT count(*) FROM refusals", "201\n");
    stats_fixture_expect(ws, "SELECT reason, count FROM refusals WHERE reason IN ('b', 'other')",
                         "b|6\nother|2\n");
}

static void days_long_ago_are_forgotten_and_totals_are_not(void **state)
{
    workspace_t *ws = *state;

    (void)stats_fixture_open(ws);
    stats_fixture_shell(ws,
                        "INSERT INTO refusals VALUES ('2026-01-01', 413, 'x', 1), "
                        "('2026-01-02', 413, 'x', 1), ('2027-02-06', 413, 'x', 1)");
    stats_fixture_expect(ws, "SELECT day FROM refusals; SELECT count FROM refusal_totals",
                         "2026-01-02\n2027-02-06\n3\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_directory_is_no_delivery),
        TEST(what_is_no_delivery_is_removed_and_counted_as_malformed),
        TEST(a_delivery_has_a_limit_of_bytes),
        TEST(a_round_takes_a_thousand_files),
        TEST(a_round_ends_with_the_file_that_reaches_the_limit_of_lines),
        TEST(an_unfinished_file_is_left_until_its_writer_must_be_dead),
        TEST(refusals_are_added_up_by_day_status_and_reason),
        TEST(a_delivery_that_is_met_again_is_not_counted_again),
        TEST(names_of_deliveries_are_not_kept_for_ever),
        TEST(reasons_beyond_the_limit_of_a_day_are_other),
        TEST(days_long_ago_are_forgotten_and_totals_are_not),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
