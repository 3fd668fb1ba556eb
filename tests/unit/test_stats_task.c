/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats_task.h, and what the triggers of the schema make of a task. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "helpers/dispatch/stats_schema.h"
#include "helpers/dispatch/stats_task.h"
#include "tests/unit/stats_fixture.h"
#include "tests/unit/workspace.h"

#define ID      UINT32_C(123456789)
#define ID_TEXT "123456789"
#define TASK    "spool/" ID_TEXT

/* --- Reading ------------------------------------------------------------------------------- */

static const stats_task_t *read_task(workspace_t *ws)
{
    int task = openat(ws->dir, TASK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const stats_task_t *ended = stats_task_read(task, ID, ws->pool);

    (void)close(task);
    return ended;
}

static void a_task_without_an_end_has_not_ended(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, TASK "/started_time", "5\n");
    assert_null(read_task(ws));
    workspace_write(ws, TASK "/finished_time", "soon\n");
    assert_null(read_task(ws));
    workspace_write(ws, TASK "/finished_time", "-5\n");
    assert_null(read_task(ws));
    workspace_write(ws, TASK "/finished_time", "99999999999999999999\n");
    assert_null(read_task(ws));
}

static void a_worker_that_was_killed_leaves_no_facts(void **state)
{
    workspace_t *ws = *state;
    const stats_task_t *task;

    workspace_write(ws, TASK "/finished_time", "12\n");
    task = read_task(ws);
    assert_false(task->is_success);
    assert_int_equal(task->start_s, -1);
    assert_int_equal(task->end_s, 12);
    assert_string_equal(task->facts->package, "-");
    assert_int_equal(task->facts->timing_ms[RETRACE_TIMING_DEBUGGER], -1);
    assert_int_equal(task->facts->missing->nelts, 0);
}

static void facts_that_are_too_long_are_left_out(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, TASK "/finished_time", "12\n");
    workspace_write(ws, TASK "/facts", "package bash\n");
    workspace_shell(ws, apr_psprintf(ws->pool, "truncate -s %d " TASK "/facts", RETRACE_FACTS_MAX));
    assert_string_equal(read_task(ws)->facts->package, "bash");
    workspace_shell(ws,
                    apr_psprintf(ws->pool, "truncate -s %d " TASK "/facts", RETRACE_FACTS_MAX + 1));
    assert_string_equal(read_task(ws)->facts->package, "-");
}

static void a_task_is_read_as_its_files_tell(void **state)
{
    workspace_t *ws = *state;
    const stats_task_t *task;

    stats_fixture_write_task(ws, ID_TEXT);
    task = read_task(ws);
    assert_int_equal(task->id, ID);
    assert_true(task->is_success);
    assert_int_equal(task->end_s - task->start_s, 7);
    assert_string_equal(task->facts->release, "fedora-36");
    assert_int_equal(task->facts->missing->nelts, 1);
}

/* --- One task ------------------------------------------------------------------------------ */

static void a_task_becomes_a_row_with_all_that_is_known(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, true));
    stats_fixture_expect(ws,
                         "SELECT taskid, package, version, release, arch, endtime - starttime, "
                         "duration, coresize, status, analyze_ms, environment_ms, debugger_ms, "
                         "report_ms, cache_hits, cache_misses, missing FROM tasks",
                         ID_TEXT "|bash|5.1-2|fedora-36|x86_64|7|7|4096|success|20|300|5000|40|3|2"
                                 "|1\n");
    stats_fixture_expect(ws, "SELECT taskid, kind, path FROM missing",
                         ID_TEXT "|debuginfo|/usr/bin/bash\n");
    stats_fixture_expect(ws, "SELECT package, release, time, typeof(time) FROM package_time",
                         "bash|fedora-36|7|integer\n");
}

static void totals_follow_the_task(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *failed = stats_fixture_task(ws, ID + 1, false);

    failed->end_s += 86400;
    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, true));
    stats_fixture_insert(ws, db, failed);
    stats_fixture_expect(ws, "SELECT name, value FROM counters ORDER BY name",
                         "cache_hits|6\ncache_misses|4\nfailure|1\nfirst_task|1699999993\n"
                         "missing_files|2\nsuccess|1\nthrottled|0\nuploads|0\n");
    stats_fixture_expect(ws, "SELECT * FROM days", "2023-11-14|1|0\n2023-11-15|0|1\n");
    stats_fixture_expect(ws, "SELECT * FROM tallies ORDER BY kind",
                         "arch|x86_64|2|1\npackage|bash|2|1\nrelease|fedora-36|2|1\n");
    stats_fixture_expect(ws, "SELECT * FROM timings WHERE name IN ('debugger', 'task')",
                         "debugger|2|10000\ntask|2|86412000\n");
    stats_fixture_expect(ws,
                         "SELECT le_ms, count FROM buckets WHERE name = 'environment' AND "
                         "le_ms BETWEEN 100 AND 1000",
                         "100|0\n250|0\n500|2\n1000|2\n");
}

static void expect_task_ms(workspace_t *ws, int seconds, const char *stored)
{
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *task = stats_fixture_task(ws, ID, true);

    task->end_s = task->start_s + seconds;
    stats_fixture_shell(ws, "UPDATE timings SET sum_ms = 0");
    stats_fixture_insert(ws, db, task);
    stats_fixture_expect(ws, "SELECT sum_ms FROM timings WHERE name = 'task'", stored);
}

/* Its own times are whole seconds; those of its stages add up to 5360 ms. */
static void a_tasks_stages_tell_how_long_it_took(void **state)
{
    expect_task_ms(*state, 5, "5360\n");
}

static void time_that_no_stage_counted_is_not_lost(void **state)
{
    expect_task_ms(*state, 600, "599000\n");
}

/* The boundary belongs to the bucket, as the format of metrics wants it. */
static void a_bucket_holds_what_equals_its_boundary(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *task = stats_fixture_task(ws, ID, true);
    retrace_facts_t *facts = retrace_facts_make(ws->pool);

    facts->timing_ms[RETRACE_TIMING_ANALYZE] = 50;
    facts->timing_ms[RETRACE_TIMING_REPORT] = 3600001;
    task->facts = facts;
    stats_fixture_insert(ws, db, task);
    stats_fixture_expect(ws,
                         "SELECT le_ms, count FROM buckets WHERE name = 'analyze' AND le_ms < "
                         "200",
                         "10|0\n50|1\n100|1\n");
    stats_fixture_expect(ws, "SELECT max(count) FROM buckets WHERE name = 'report'", "0\n");
    stats_fixture_expect(ws, "SELECT count FROM timings WHERE name = 'report'", "1\n");
}

static void recording_twice_changes_nothing(void **state)
{
    static const char sums[] =
        "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM package_time), "
        "(SELECT count(*) FROM missing), (SELECT value FROM counters WHERE name = 'success'), "
        "(SELECT sum(count) FROM tallies), (SELECT sum(samples) FROM estimates)";
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *later = stats_fixture_task(ws, ID, true);

    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, true));
    stats_fixture_expect(ws, sums, "1|1|1|1|3|3\n");
    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, true));
    stats_fixture_expect(ws, sums, "1|1|1|1|3|3\n");
    /* The id of a task that was deleted may be given again. */
    later->end_s++;
    stats_fixture_insert(ws, db, later);
    stats_fixture_expect(ws, sums, "2|2|2|2|6|6\n");
}

static void what_is_unknown_is_null(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *task = stats_fixture_task(ws, ID, false);

    task->start_s = -1;
    task->facts = retrace_facts_make(ws->pool);
    stats_fixture_insert(ws, db, task);
    stats_fixture_expect(ws,
                         "SELECT package, starttime IS NULL, duration IS NULL, "
                         "debugger_ms IS NULL, coresize FROM tasks",
                         "-|1|1|1|0\n");
    stats_fixture_expect(ws, "SELECT max(count) FROM timings", "0\n");
    stats_fixture_expect(ws, "SELECT value FROM counters WHERE name = 'first_task'",
                         "1700000000\n");
}

/* They come from a file, which a client's crash has shaped. */
static void numbers_out_of_bounds_are_brought_into_them(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *task = stats_fixture_task(ws, ID, true);
    retrace_facts_t *facts = retrace_facts_make(ws->pool);

    facts->core_bytes = -1;
    facts->cache_hits = INT64_MAX;
    facts->cache_misses = INT64_MIN;
    facts->timing_ms[RETRACE_TIMING_REPORT] = INT64_MAX;
    task->facts = facts;
    task->start_s = task->end_s + 5; /* the clock was set back */
    stats_fixture_insert(ws, db, task);
    stats_fixture_expect(ws,
                         "SELECT coresize, cache_hits, cache_misses, report_ms, duration FROM "
                         "tasks",
                         "0|1000000|0|604800000|0\n");
    stats_fixture_expect(ws, "SELECT time FROM package_time", "1\n");
}

static void a_text_is_never_part_of_a_statement(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_task_t *task = stats_fixture_task(ws, ID, true);
    retrace_facts_t *facts = retrace_facts_make(ws->pool);

    facts->package = "x');DROP";
    facts->release = "%s%n'\"\\";
    APR_ARRAY_PUSH(facts->missing, retrace_missing_t) = (retrace_missing_t){ "'", "\"", "%d;--" };
    task->facts = facts;
    stats_fixture_insert(ws, db, task);
    stats_fixture_expect(ws, "SELECT package, release FROM package_time", "x');DROP|%s%n'\"\\\n");
    stats_fixture_expect(ws, "SELECT kind, build_id, path FROM missing", "'|\"|%d;--\n");
}

/* --- Experience ---------------------------------------------------------------------------- */

static void a_failure_is_no_experience(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, false));
    stats_fixture_expect(ws, "SELECT count(*) FROM package_time", "0\n");
    stats_fixture_expect(ws, "SELECT count(*) FROM estimates", "0\n");
}

static void insert_many(workspace_t *ws, stats_db_t *db, int first, int n)
{
    int i;

    assert_int_equal(stats_db_begin(db, &ws->err), APR_SUCCESS);
    for (i = first; i < first + n; i++) {
        stats_task_t *task = stats_fixture_task(ws, ID + (uint32_t)i, true);

        task->start_s = task->end_s - i;
        stats_fixture_insert(ws, db, task);
    }
    assert_int_equal(stats_db_commit(db, &ws->err), APR_SUCCESS);
}

static void the_newest_hundred_rows_of_a_package_are_kept(void **state)
{
    static const char rows[] = "SELECT count(*), min(time), max(time) FROM package_time "
                               "WHERE package = 'bash' AND release = 'fedora-36'";
    static const char sums[] = "SELECT tasks, samples, seconds FROM estimates "
                               "WHERE package = 'bash' AND release = 'fedora-36'";
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);

    stats_fixture_shell(ws,
                        "INSERT INTO package_time (package, release, time) VALUES "
                        "('bash', 'rhel-8', 1000), ('zsh', 'fedora-36', 2000)");
    insert_many(ws, db, 1, STATS_KEPT_SAMPLES);
    stats_fixture_expect(ws, rows, "100|1|100\n");
    stats_fixture_expect(ws, sums, "100|100|5050\n");
    insert_many(ws, db, STATS_KEPT_SAMPLES + 1, 1);
    stats_fixture_expect(ws, rows, "100|2|101\n");
    stats_fixture_expect(ws, sums, "101|100|5150\n");
    /* Nobody else's go. */
    stats_fixture_expect(ws, "SELECT count(*) FROM package_time", "102\n");
    stats_fixture_expect(ws,
                         "SELECT samples, seconds FROM estimates WHERE package = '' "
                         "ORDER BY release",
                         "102|8150\n101|7150\n1|1000\n");
}

static void the_table_is_as_the_manual_has_it(void **state)
{
    workspace_t *ws = *state;

    (void)stats_fixture_open(ws);
    stats_fixture_expect(ws,
                         "SELECT sql FROM sqlite_schema WHERE name IN ('package_time', "
                         "'package_release')",
                         "CREATE TABLE package_time (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                         "package TEXT, release TEXT, time INTEGER)\n"
                         "CREATE INDEX package_release ON package_time (package, release)\n");
}

/* Each upload may name hundreds of build-ids that nobody has seen before. */
static void missing_files_are_kept_up_to_a_limit(void **state)
{
    workspace_t *ws = *state;

    (void)stats_fixture_open(ws);
    stats_fixture_shell(ws,
                        "INSERT INTO missing (taskid, kind, build_id, path) WITH RECURSIVE "
                        "n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                        "SELECT i, 'debuginfo', i, '/x' FROM n");
    stats_fixture_expect(ws, "SELECT count(*), min(taskid) FROM missing", "20000|1\n");
    stats_fixture_expect(ws,
                         "INSERT INTO missing (taskid, kind, build_id, path) VALUES "
                         "(20001, 'dwz', '0', '/y'); SELECT count(*), min(taskid) FROM missing",
                         "20000|2\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_task_without_an_end_has_not_ended),
        TEST(a_worker_that_was_killed_leaves_no_facts),
        TEST(facts_that_are_too_long_are_left_out),
        TEST(a_task_is_read_as_its_files_tell),
        TEST(a_task_becomes_a_row_with_all_that_is_known),
        TEST(totals_follow_the_task),
        TEST(a_tasks_stages_tell_how_long_it_took),
        TEST(time_that_no_stage_counted_is_not_lost),
        TEST(a_bucket_holds_what_equals_its_boundary),
        TEST(recording_twice_changes_nothing),
        TEST(what_is_unknown_is_null),
        TEST(numbers_out_of_bounds_are_brought_into_them),
        TEST(a_text_is_never_part_of_a_statement),
        TEST(a_failure_is_no_experience),
        TEST(the_newest_hundred_rows_of_a_package_are_kept),
        TEST(the_table_is_as_the_manual_has_it),
        TEST(missing_files_are_kept_up_to_a_limit),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
