/* SPDX-License-Identifier: Apache-2.0 */
/* The file `statistics/stats.json`. Names of packages and paths are what clients have sent. */
#include <apr_strings.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/dispatch/stats_snapshot.h"
#include "lib/facts.h"

#define FORMAT_VERSION 1

typedef enum member_type_t { MEMBER_TEXT, MEMBER_NUMBER } member_type_t;

typedef struct member_t {
    const char *key;
    member_type_t type;
} member_t;

/* What is cut off must not leave half a character: nothing but ASCII stays as it is. */
static json_t *text_value(const char *text)
{
    char cut[STATS_TEXT_MAX + 1] = "";
    size_t i;

    (void)apr_cpystrn(cut, text, sizeof(cut));
    for (i = 0; cut[i] != '\0'; i++) {
        if (cut[i] < 0x20 || cut[i] > 0x7e) {
            cut[i] = '?';
        }
    }
    return json_string(cut);
}

static json_t *number_value(int64_t number)
{
    return json_integer((json_int_t)number);
}

/* One object a row, its members named by column. */
static json_t *objects(const stats_snapshot_t *snapshot, stats_view_t view, const member_t *members,
                       size_t n_members)
{
    json_t *array = json_array();
    size_t m;
    int i;

    for (i = 0; i < stats_snapshot_rows(snapshot, view); i++) {
        const char *const *row = stats_snapshot_row(snapshot, view, i);
        json_t *object = json_object();

        for (m = 0; m < n_members; m++) {
            json_object_set_new(object, members[m].key,
                                members[m].type == MEMBER_TEXT ? text_value(row[m])
                                                               : number_value(apr_atoi64(row[m])));
        }
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_totals(const stats_snapshot_t *snapshot)
{
    json_t *totals = json_object();
    int64_t success = stats_snapshot_number(snapshot, STATS_COUNTERS, "success", 1);
    int64_t failure = stats_snapshot_number(snapshot, STATS_COUNTERS, "failure", 1);
    int64_t denied = 0;
    int i;

    for (i = 0; i < stats_snapshot_rows(snapshot, STATS_REFUSED); i++) {
        denied += apr_atoi64(stats_snapshot_row(snapshot, STATS_REFUSED, i)[1]);
    }
    json_object_set_new(totals, "tasks", number_value(success + failure));
    json_object_set_new(totals, "success", number_value(success));
    json_object_set_new(totals, "failure", number_value(failure));
    json_object_set_new(totals, "denied", number_value(denied));
    json_object_set_new(
        totals, "first_task",
        number_value(stats_snapshot_number(snapshot, STATS_COUNTERS, "first_task", 1)));
    return totals;
}

static json_t *make_days(const stats_snapshot_t *snapshot, apr_pool_t *p)
{
    json_t *days = json_array();
    int i;

    for (i = 0; i < STATS_DAYS; i++) {
        const char *day = stats_snapshot_day(snapshot, i, p);
        json_t *object = json_object();

        json_object_set_new(object, "day", json_string(day));
        json_object_set_new(
            object, "success",
            number_value(stats_snapshot_number(snapshot, STATS_ENDED_DAYS, day, 1)));
        json_object_set_new(
            object, "failure",
            number_value(stats_snapshot_number(snapshot, STATS_ENDED_DAYS, day, 2)));
        json_object_set_new(
            object, "denied",
            number_value(stats_snapshot_number(snapshot, STATS_DENIED_DAYS, day, 1)));
        json_array_append_new(days, object);
    }
    return days;
}

/* Seconds as a number: 0.01, 1. */
static json_t *make_seconds(int64_t ms)
{
    return ms % 1000 == 0 ? number_value(ms / 1000) : json_real((double)ms / 1000);
}

static json_t *make_durations(const stats_snapshot_t *snapshot)
{
    json_t *durations = json_array();
    int i;

    for (i = 0; i < stats_snapshot_rows(snapshot, STATS_BUCKETS); i++) {
        const char *const *row = stats_snapshot_row(snapshot, STATS_BUCKETS, i);
        json_t *object;

        if (strcmp(row[0], "task") != 0) {
            continue;
        }
        object = json_object();
        json_object_set_new(object, "le", make_seconds(apr_atoi64(row[1])));
        json_object_set_new(object, "count", number_value(apr_atoi64(row[2])));
        json_array_append_new(durations, object);
    }
    return durations;
}

static int64_t average_ms(const stats_snapshot_t *snapshot, const char *timing)
{
    int64_t count = stats_snapshot_number(snapshot, STATS_TIMINGS, timing, 1);
    int64_t sum_ms = stats_snapshot_number(snapshot, STATS_TIMINGS, timing, 2);

    return count > 0 ? (sum_ms + count / 2) / count : 0;
}

static json_t *make_stages(const stats_snapshot_t *snapshot)
{
    json_t *stages = json_array();
    int i;

    for (i = 0; i < RETRACE_TIMINGS; i++) {
        const char *name = retrace_timing_name((retrace_timing_t)i);
        json_t *object = json_object();

        json_object_set_new(object, "stage", json_string(name));
        json_object_set_new(object, "average_ms", number_value(average_ms(snapshot, name)));
        json_array_append_new(stages, object);
    }
    return stages;
}

static void set_lists(json_t *page, const stats_snapshot_t *snapshot)
{
    static const member_t named[] = { { "arch", MEMBER_TEXT }, { "count", MEMBER_NUMBER } };
    static const member_t releases[] = { { "release", MEMBER_TEXT },
                                         { "count", MEMBER_NUMBER },
                                         { "success", MEMBER_NUMBER } };
    static const member_t packages[] = { { "package", MEMBER_TEXT },
                                         { "count", MEMBER_NUMBER },
                                         { "success", MEMBER_NUMBER } };
    static const member_t missing[] = { { "kind", MEMBER_TEXT },
                                        { "build_id", MEMBER_TEXT },
                                        { "path", MEMBER_TEXT },
                                        { "count", MEMBER_NUMBER } };
    static const member_t refusals[] = { { "status", MEMBER_NUMBER },
                                         { "reason", MEMBER_TEXT },
                                         { "count", MEMBER_NUMBER } };

    json_object_set_new(page, "architectures", objects(snapshot, STATS_ARCHITECTURES, named, 2));
    json_object_set_new(page, "releases", objects(snapshot, STATS_RELEASES, releases, 3));
    json_object_set_new(page, "packages", objects(snapshot, STATS_PACKAGES, packages, 3));
    json_object_set_new(page, "missing", objects(snapshot, STATS_MISSING, missing, 4));
    json_object_set_new(page, "refusals", objects(snapshot, STATS_REFUSALS, refusals, 3));
}

const char *stats_json_format(const stats_snapshot_t *snapshot, apr_pool_t *p)
{
    json_t *page = json_object();
    char *dump;
    const char *text;

    json_object_set_new(page, "version", number_value(FORMAT_VERSION));
    json_object_set_new(page, "generated", number_value(snapshot->now_s));
    json_object_set_new(page, "totals", make_totals(snapshot));
    json_object_set_new(page, "days", make_days(snapshot, p));
    json_object_set_new(page, "durations", make_durations(snapshot));
    json_object_set_new(page, "stages", make_stages(snapshot));
    set_lists(page, snapshot);
    json_object_set_new(page, "average_seconds",
                        number_value((average_ms(snapshot, "task") + 500) / 1000));
    dump = json_dumps(page, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    json_decref(page);
    text = apr_pstrcat(p, dump != NULL ? dump : "{}", "\n", NULL);
    free(dump);
    return text;
}
