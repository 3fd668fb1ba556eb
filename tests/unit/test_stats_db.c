/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats_db.h; what tests of the statistics as a whole do not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "helpers/dispatch/stats_db.h"
#include "tests/unit/stats_fixture.h"
#include "tests/unit/workspace.h"

/* A reader does not hinder a writer before its commit; then it is too late to give up cheaply. */
static void a_reader_is_waited_for_at_the_beginning(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    pid_t reader = stats_fixture_hold_lock(ws, "BEGIN; SELECT * FROM days");

    assert_int_equal(stats_db_begin(db, &ws->err), APR_EGENERAL);
    assert_string_equal(ws->err.text, "stats.db: database is locked");
    stats_fixture_release_lock(reader);
    assert_int_equal(stats_db_begin(db, &ws->err), APR_SUCCESS);
    assert_int_equal(stats_db_commit(db, &ws->err), APR_SUCCESS);
}

static void a_statement_that_fails_says_why(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    apr_array_header_t *rows = NULL;

    assert_int_equal(stats_db_run(db, "DROP TABLE nowhere", &ws->err), APR_EGENERAL);
    assert_string_equal(ws->err.text, "stats.db: no such table: nowhere");
    assert_int_equal(stats_db_change(NULL, db, "DELETE FROM nowhere", NULL, 0, &ws->err),
                     APR_EGENERAL);
    assert_int_equal(stats_db_select(&rows, db, "SELECT nothing", NULL, 0, &ws->err), APR_EGENERAL);
    assert_null(rows);
}

static void what_is_undone_was_never_there(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    assert_int_equal(stats_db_begin(db, &ws->err), APR_SUCCESS);
    stats_fixture_insert(ws, db, stats_fixture_task(ws, 123456789, true));
    stats_db_rollback(db);
    stats_db_rollback(db); /* there is none any more */
    stats_fixture_expect(ws, "SELECT count(*) FROM tasks", "0\n");
}

static void rows_are_texts_and_null_is_empty(void **state)
{
    static const char *const values[] = { "5", NULL };
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    apr_array_header_t *rows = NULL;
    const char *const *row;

    assert_int_equal(stats_db_select(&rows, db, "SELECT %s, %s, 7 UNION ALL SELECT 1, 2, 3", values,
                                     2, &ws->err),
                     APR_SUCCESS);
    assert_int_equal(rows->nelts, 2);
    row = APR_ARRAY_IDX(rows, 0, const char *const *);
    assert_string_equal(row[0], "5");
    assert_string_equal(row[1], "");
    assert_string_equal(row[2], "7");
}

static void changed_rows_are_counted_without_those_of_triggers(void **state)
{
    static const char statement[] = "UPDATE refusals SET count = count + 1 WHERE status = %s";
    static const char *const value[] = { "413" };
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    int changed = -1;

    assert_int_equal(stats_db_change(&changed, db, statement, value, 1, &ws->err), APR_SUCCESS);
    assert_int_equal(changed, 0);
    stats_fixture_shell(ws, "INSERT INTO refusals VALUES ('2026-01-31', 413, 'x', 1)");
    assert_int_equal(stats_db_change(&changed, db, statement, value, 1, &ws->err), APR_SUCCESS);
    assert_int_equal(changed, 1);
}

static void a_day_is_that_of_utc(void **state)
{
    workspace_t *ws = *state;

    assert_string_equal(stats_db_day(INT64_C(1769903999), ws->pool), "2026-01-31");
    assert_string_equal(stats_db_day(INT64_C(1769904000), ws->pool), "2026-02-01");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_is_waited_for_at_the_beginning),
        TEST(a_statement_that_fails_says_why),
        TEST(what_is_undone_was_never_there),
        TEST(rows_are_texts_and_null_is_empty),
        TEST(changed_rows_are_counted_without_those_of_triggers),
        TEST(a_day_is_that_of_utc),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
