/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats_snapshot.h: the three files that others read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <jansson.h>

#include "helpers/dispatch/stats_snapshot.h"
#include "lib/estimate.h"
#include "tests/unit/stats_fixture.h"
#include "tests/unit/workspace.h"

#define ID    UINT32_C(123456789)
#define NOW_S STATS_FIXTURE_END_S

static void read_snapshot(stats_snapshot_t *snapshot, workspace_t *ws, stats_db_t *db)
{
    assert_int_equal(stats_snapshot_read(snapshot, db, NOW_S, &ws->err, ws->pool), APR_SUCCESS);
}

/* Two of bash, one of them failed, and what httpd has counted. */
static void make_sample(stats_snapshot_t *snapshot, workspace_t *ws)
{
    stats_db_t *db = stats_fixture_open(ws);

    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID, true));
    stats_fixture_insert(ws, db, stats_fixture_task(ws, ID + 1, false));
    stats_fixture_shell(ws,
                        "INSERT INTO refusals VALUES ('2023-11-14', 413, 'too_big', 3), "
                        "('2023-11-13', 413, 'type', 1), ('2023-01-01', 503, 'full', 9);"
                        "UPDATE counters SET value = 6 WHERE name = 'uploads'");
    read_snapshot(snapshot, ws, db);
}

static json_t *parse_json(const stats_snapshot_t *snapshot, workspace_t *ws)
{
    const char *text = stats_json_format(snapshot, ws->pool);
    json_t *page = json_loads(text, 0, NULL);

    assert_true(strlen(text) <= STATS_JSON_MAX);
    assert_non_null(page);
    return page;
}

static void expect_json(json_t *page, const char *key, const char *expected)
{
    char *dump = json_dumps(json_object_get(page, key), JSON_COMPACT | JSON_ENCODE_ANY);

    assert_string_equal(dump, expected);
    free(dump);
}

/* --- stats.json ---------------------------------------------------------------------------- */

static void the_page_of_an_empty_database_is_whole(void **state)
{
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;
    json_t *page;

    read_snapshot(&snapshot, ws, stats_fixture_open(ws));
    page = parse_json(&snapshot, ws);
    expect_json(page, "version", "1");
    expect_json(page, "generated", "1700000000");
    expect_json(page, "totals",
                "{\"tasks\":0,\"success\":0,\"failure\":0,\"denied\":0,\"first_task\":0}");
    expect_json(page, "packages", "[]");
    expect_json(page, "missing", "[]");
    expect_json(page, "average_seconds", "0");
    assert_int_equal(json_array_size(json_object_get(page, "days")), 30);
    assert_int_equal(json_array_size(json_object_get(page, "stages")), 4);
    json_decref(page);
}

static void the_page_has_what_was_recorded(void **state)
{
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;
    json_t *page;

    make_sample(&snapshot, ws);
    page = parse_json(&snapshot, ws);
    expect_json(
        page, "totals",
        "{\"tasks\":2,\"success\":1,\"failure\":1,\"denied\":13,\"first_task\":1699999993}");
    expect_json(page, "architectures", "[{\"arch\":\"x86_64\",\"count\":2}]");
    expect_json(page, "releases", "[{\"release\":\"fedora-36\",\"count\":2,\"success\":1}]");
    expect_json(page, "packages", "[{\"package\":\"bash\",\"count\":2,\"success\":1}]");
    expect_json(
        page, "missing",
        "[{\"kind\":\"debuginfo\",\"build_id\":\"00112233445566778899aabbccddeeff00112233\","
        "\"path\":\"/usr/bin/bash\",\"count\":2}]");
    expect_json(page, "refusals",
                "[{\"status\":503,\"reason\":\"full\",\"count\":9},"
                "{\"status\":413,\"reason\":\"too_big\",\"count\":3},"
                "{\"status\":413,\"reason\":\"type\",\"count\":1}]");
    expect_json(page, "stages",
                "[{\"stage\":\"analyze\",\"average_ms\":20},"
                "{\"stage\":\"environment\",\"average_ms\":300},"
                "{\"stage\":\"debugger\",\"average_ms\":5000},"
                "{\"stage\":\"report\",\"average_ms\":40}]");
    expect_json(page, "average_seconds", "6");
    json_decref(page);
}

static void the_last_thirty_days_are_there_with_and_without_tasks(void **state)
{
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;
    json_t *page;
    json_t *days;

    make_sample(&snapshot, ws);
    page = parse_json(&snapshot, ws);
    days = json_object_get(page, "days");
    json_object_set_new(page, "first", json_incref(json_array_get(days, 0)));
    expect_json(page, "first", "{\"day\":\"2023-10-16\",\"success\":0,\"failure\":0,\"denied\":0}");
    json_object_set_new(page, "eve", json_incref(json_array_get(days, 28)));
    expect_json(page, "eve", "{\"day\":\"2023-11-13\",\"success\":0,\"failure\":0,\"denied\":1}");
    json_object_set_new(page, "last", json_incref(json_array_get(days, 29)));
    expect_json(page, "last", "{\"day\":\"2023-11-14\",\"success\":1,\"failure\":1,\"denied\":3}");
    json_decref(page);
}

static void durations_are_counted_up_to_each_boundary(void **state)
{
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;
    json_t *page;
    json_t *durations;

    make_sample(&snapshot, ws);
    page = parse_json(&snapshot, ws);
    durations = json_object_get(page, "durations");
    assert_int_equal(json_array_size(durations), 16);
    json_object_set_new(page, "least", json_incref(json_array_get(durations, 0)));
    expect_json(page, "least", "{\"le\":0.01,\"count\":0}");
    json_object_set_new(page, "below", json_incref(json_array_get(durations, 7)));
    expect_json(page, "below", "{\"le\":5,\"count\":0}");
    json_object_set_new(page, "above", json_incref(json_array_get(durations, 8)));
    expect_json(page, "above", "{\"le\":10,\"count\":2}");
    json_decref(page);
}

static void texts_are_cut_and_stay_readable(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_snapshot_t snapshot;
    json_t *page;
    json_t *packages;

    stats_fixture_shell(ws,
                        "INSERT INTO tallies VALUES "
                        "('package', printf('%.200c', 'a'), 4, 0), "
                        "('package', printf('%.201c', 'b'), 3, 0), "
                        "('package', 'caf' || char(233) || x'ff0a', 2, 0), "
                        "('package', '<b>\"\\', 1, 0)");
    read_snapshot(&snapshot, ws, db);
    page = parse_json(&snapshot, ws);
    packages = json_object_get(page, "packages");
    assert_int_equal(json_string_length(json_object_get(json_array_get(packages, 0), "package")),
                     STATS_TEXT_MAX);
    assert_int_equal(json_string_length(json_object_get(json_array_get(packages, 1), "package")),
                     STATS_TEXT_MAX);
    assert_string_equal(json_string_value(json_object_get(json_array_get(packages, 2), "package")),
                        "caf????");
    assert_string_equal(json_string_value(json_object_get(json_array_get(packages, 3), "package")),
                        "<b>\"\\");
    json_decref(page);
}

/* Each list has a limit of rows, so that the file has one of bytes, whatever clients send. */
static void the_worst_page_is_within_its_limit(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_snapshot_t snapshot;
    json_t *page;

    stats_fixture_shell(
        ws,
        "CREATE TEMP TABLE n (i); INSERT INTO n WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL "
        "SELECT i + 1 FROM n WHERE i < 60) SELECT i || printf('%.200c', '\"') "
        "FROM n;"
        "INSERT INTO tallies SELECT k.column1, i, 1, 1 FROM n, (VALUES ('arch'), ('release'), "
        "('package')) AS k;"
        "INSERT INTO missing (taskid, kind, build_id, path) SELECT 1, i, i, i FROM n;"
        "INSERT INTO refusals SELECT '2023-11-14', 400, i, 1 FROM n");
    read_snapshot(&snapshot, ws, db);
    page = parse_json(&snapshot, ws);
    assert_int_equal(json_array_size(json_object_get(page, "architectures")), 50);
    assert_int_equal(json_array_size(json_object_get(page, "releases")), 50);
    assert_int_equal(json_array_size(json_object_get(page, "packages")), 37);
    assert_int_equal(json_array_size(json_object_get(page, "missing")), 20);
    assert_int_equal(json_array_size(json_object_get(page, "refusals")), 50);
    json_decref(page);
}

static void the_most_frequent_come_first(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_snapshot_t snapshot;

    stats_fixture_shell(ws,
                        "INSERT INTO tallies VALUES ('package', 'rare', 1, 1), "
                        "('package', 'often', 9, 1), ('package', 'some', 5, 1);"
                        "INSERT INTO missing (taskid, kind, build_id, path) VALUES "
                        "(1, 'dwz', 'aa', '/a'), (1, 'dwz', 'bb', '/b'), (2, 'dwz', 'bb', "
                        "'/b')");
    read_snapshot(&snapshot, ws, db);
    assert_string_equal(stats_snapshot_row(&snapshot, STATS_PACKAGES, 0)[0], "often");
    assert_string_equal(stats_snapshot_row(&snapshot, STATS_PACKAGES, 2)[0], "rare");
    assert_string_equal(stats_snapshot_row(&snapshot, STATS_MISSING, 0)[1], "bb");
    assert_string_equal(stats_snapshot_row(&snapshot, STATS_MISSING, 0)[3], "2");
}

/* --- metrics ------------------------------------------------------------------------------- */

static void expect_line(const char *metrics, const char *line, apr_pool_t *p)
{
    if (strstr(metrics, apr_pstrcat(p, "\n", line, "\n", NULL)) == NULL) {
        fail_msg("no line %s in\n%s", line, metrics);
    }
}

/* Whether it can be parsed is tested where a server has written it, tests/e2e. */
static void metrics_have_what_was_recorded(void **state)
{
    static const char *const lines[] = {
        "retrace_tasks_finished{result=\"success\"} 1",
        "retrace_tasks_finished{result=\"fail\"} 1",
        "retrace_tasks_ended_total{result=\"success\"} 1",
        "retrace_tasks_ended_total{result=\"failure\"} 1",
        "retrace_task_duration_seconds_bucket{le=\"5.0\"} 0",
        "retrace_task_duration_seconds_bucket{le=\"10.0\"} 2",
        "retrace_task_duration_seconds_bucket{le=\"+Inf\"} 2",
        "retrace_task_duration_seconds_count 2",
        "retrace_task_duration_seconds_sum 12.000",
        "# UNIT retrace_stage_duration_seconds seconds",
        "retrace_stage_duration_seconds_bucket{stage=\"analyze\",le=\"0.01\"} 0",
        "retrace_stage_duration_seconds_bucket{stage=\"analyze\",le=\"0.05\"} 2",
        "retrace_stage_duration_seconds_count{stage=\"report\"} 2",
        "retrace_stage_duration_seconds_sum{stage=\"report\"} 0.080",
        "# TYPE retrace_cache_hits counter",
        "retrace_cache_hits_total 6",
        "retrace_cache_misses_total 4",
        "retrace_missing_files_total 2",
        "retrace_uploads_recorded_total 6",
        "retrace_throttled_recorded_total 0",
        "retrace_refusals_recorded_total{status=\"413\"} 4",
        "retrace_refusals_recorded_total{status=\"503\"} 9",
    };
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;
    const char *metrics;
    size_t i;

    make_sample(&snapshot, ws);
    metrics = stats_metrics_format(&snapshot, ws->pool);
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        expect_line(metrics, lines[i], ws->pool);
    }
    assert_null(strstr(metrics, "# EOF"));
    assert_null(strstr(metrics, "\n\n"));
    assert_string_equal(metrics + strlen(metrics) - 1, "\n");
}

/* --- estimates ----------------------------------------------------------------------------- */

static void estimates_of_no_experience_are_empty(void **state)
{
    workspace_t *ws = *state;
    stats_snapshot_t snapshot;

    read_snapshot(&snapshot, ws, stats_fixture_open(ws));
    assert_string_equal(stats_estimates_format(&snapshot, ws->pool), "");
}

static void averages_are_rounded_and_at_least_one(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_snapshot_t snapshot;
    const char *text;

    stats_fixture_shell(ws,
                        "INSERT INTO package_time (package, release, time) VALUES "
                        "('bash', 'fedora-36', 2), ('bash', 'fedora-36', 3), "
                        "('bash', 'fedora-36', 3), ('quick', 'fedora-36', 0), "
                        "('slow', 'rhel-8', 99999999), ('-', 'fedora-36', 12), "
                        "('lost', '-', 5)");
    read_snapshot(&snapshot, ws, db);
    text = stats_estimates_format(&snapshot, ws->pool);
    assert_int_equal(retrace_estimate_find(text, "bash", "fedora-36"), 3);
    assert_int_equal(retrace_estimate_find(text, "quick", "fedora-36"), 1);
    assert_int_equal(retrace_estimate_find(text, "slow", "rhel-8"), 9999999);
    assert_int_equal(retrace_estimate_find(text, NULL, "fedora-36"), 4); /* 20 / 5 */
    /* What is unknown counts among all, and has no line that would be taken for a general one. */
    assert_null(strstr(text, "lost"));
    assert_int_equal(strncmp(text, "- - 9999999\n- ", 14), 0);
    workspace_write(ws, "estimates", text);
    workspace_shell(ws, "test $(grep -c '^- ' estimates) = 3");
}

static void only_the_rarest_packages_are_cut_off(void **state)
{
    workspace_t *ws = *state;
    stats_db_t *db = stats_fixture_open(ws);
    stats_snapshot_t snapshot;
    const char *text;

    stats_fixture_shell(ws,
                        "INSERT INTO estimates WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL "
                        "SELECT i + 1 FROM n WHERE i < 6000) SELECT printf('p%05d', i) || "
                        "printf('%.100c', 'x'), 'fedora-36', i, 1, 8 FROM n;"
                        "INSERT INTO estimates VALUES ('', '', 1, 1, 5), ('', 'rhel-8', 1, 1, "
                        "6)");
    read_snapshot(&snapshot, ws, db);
    text = stats_estimates_format(&snapshot, ws->pool);
    assert_true(strlen(text) <= RETRACE_ESTIMATES_MAX);
    assert_true(strlen(text) > RETRACE_ESTIMATES_MAX - 256);
    assert_int_equal(strncmp(text, "- - 5\n- rhel-8 6\np06000xxx", 25), 0);
    assert_null(strstr(text, "p00001"));
    assert_string_equal(text + strlen(text) - 3, " 8\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_of_an_empty_database_is_whole),
        TEST(the_page_has_what_was_recorded),
        TEST(the_last_thirty_days_are_there_with_and_without_tasks),
        TEST(durations_are_counted_up_to_each_boundary),
        TEST(texts_are_cut_and_stay_readable),
        TEST(the_worst_page_is_within_its_limit),
        TEST(the_most_frequent_come_first),
        TEST(metrics_have_what_was_recorded),
        TEST(estimates_of_no_experience_are_empty),
        TEST(averages_are_rounded_and_at_least_one),
        TEST(only_the_rarest_packages_are_cut_off),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
