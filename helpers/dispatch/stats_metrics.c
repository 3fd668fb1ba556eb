/* SPDX-License-Identifier: Apache-2.0 */
/* The file `statistics/metrics`: metric families of OpenMetrics text. No text of a client's is in
 * it: labels are words of ours, and numbers. */
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "helpers/dispatch/stats_snapshot.h"
#include "lib/facts.h"

typedef struct page_t {
    apr_array_header_t *lines; /* of const char * */
    const stats_snapshot_t *snapshot;
    apr_pool_t *pool;
} page_t;

static void add(page_t *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(page_t *page, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    APR_ARRAY_PUSH(page->lines, const char *) = apr_pvsprintf(page->pool, format, args);
    va_end(args);
}

/* @param unit  NULL when it has none; else the name ends with it */
static void add_family(page_t *page, const char *name, const char *type, const char *unit,
                       const char *help)
{
    add(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    if (unit != NULL) {
        add(page, "# UNIT %s %s\n", name, unit);
    }
}

static int64_t counter(const page_t *page, const char *name)
{
    return stats_snapshot_number(page->snapshot, STATS_COUNTERS, name, 1);
}

/* --- Counters ------------------------------------------------------------------------------ */

static void add_counter(page_t *page, const char *name, const char *help, const char *key)
{
    add_family(page, name, "counter", NULL, help);
    add(page, "%s_total %ld\n", name, (long)counter(page, key));
}

static void add_tasks(page_t *page)
{
    add_family(page, "retrace_tasks_finished", "unknown", NULL,
               "Tasks that have ended, by result, under the name of older servers.");
    add(page, "retrace_tasks_finished{result=\"success\"} %ld\n", (long)counter(page, "success"));
    add(page, "retrace_tasks_finished{result=\"fail\"} %ld\n", (long)counter(page, "failure"));
    add_family(page, "retrace_tasks_ended", "counter", NULL, "Tasks that have ended, by result.");
    add(page, "retrace_tasks_ended_total{result=\"success\"} %ld\n",
        (long)counter(page, "success"));
    add(page, "retrace_tasks_ended_total{result=\"failure\"} %ld\n",
        (long)counter(page, "failure"));
}

static void add_refusals(page_t *page)
{
    int i;

    add_family(page, "retrace_refusals_recorded", "counter", NULL,
               "Refused requests that were taken into the statistics, by status.");
    for (i = 0; i < stats_snapshot_rows(page->snapshot, STATS_REFUSED); i++) {
        const char *const *row = stats_snapshot_row(page->snapshot, STATS_REFUSED, i);

        add(page, "retrace_refusals_recorded_total{status=\"%s\"} %s\n", row[0], row[1]);
    }
}

/* --- Histograms ---------------------------------------------------------------------------- */

/* The format wants "1.0" for a bucket, and "0.05"; APR's %g would make ".05" of it. */
static const char *bucket_seconds(const page_t *page, const char *le_ms)
{
    apr_int64_t ms = apr_atoi64(le_ms);
    char text[32];

    (void)snprintf(text, sizeof(text), ms % 1000 == 0 ? "%.1f" : "%g", (double)ms / 1000);
    return apr_pstrdup(page->pool, text);
}

/* @param labels  "" or some that end with a comma */
static void add_buckets(page_t *page, const char *family, const char *timing, const char *labels)
{
    int i;

    for (i = 0; i < stats_snapshot_rows(page->snapshot, STATS_BUCKETS); i++) {
        const char *const *row = stats_snapshot_row(page->snapshot, STATS_BUCKETS, i);

        if (strcmp(row[0], timing) == 0) {
            add(page, "%s_bucket{%sle=\"%s\"} %s\n", family, labels, bucket_seconds(page, row[1]),
                row[2]);
        }
    }
}

static void add_histogram(page_t *page, const char *family, const char *timing, const char *labels,
                          const char *sum_labels)
{
    int64_t count = stats_snapshot_number(page->snapshot, STATS_TIMINGS, timing, 1);
    int64_t sum_ms = stats_snapshot_number(page->snapshot, STATS_TIMINGS, timing, 2);

    add_buckets(page, family, timing, labels);
    add(page, "%s_bucket{%sle=\"+Inf\"} %ld\n", family, labels, (long)count);
    add(page, "%s_count%s %ld\n", family, sum_labels, (long)count);
    add(page, "%s_sum%s %ld.%03ld\n", family, sum_labels, (long)(sum_ms / 1000),
        (long)(sum_ms % 1000));
}

static void add_stages(page_t *page)
{
    static const char family[] = "retrace_stage_duration_seconds";
    int i;

    add_family(page, family, "histogram", "seconds", "How long the stages of tasks took.");
    for (i = 0; i < RETRACE_TIMINGS; i++) {
        const char *stage = retrace_timing_name((retrace_timing_t)i);

        add_histogram(page, family, stage, apr_psprintf(page->pool, "stage=\"%s\",", stage),
                      apr_psprintf(page->pool, "{stage=\"%s\"}", stage));
    }
}

const char *stats_metrics_format(const stats_snapshot_t *snapshot, apr_pool_t *p)
{
    page_t page = { apr_array_make(p, 128, sizeof(const char *)), snapshot, p };

    add_tasks(&page);
    add_family(&page, "retrace_task_duration_seconds", "histogram", "seconds",
               "How long tasks took, from the start of their worker to their end.");
    add_histogram(&page, "retrace_task_duration_seconds", "task", "", "");
    add_stages(&page);
    add_counter(&page, "retrace_cache_hits", "Files that were in the cache.", "cache_hits");
    add_counter(&page, "retrace_cache_misses",
                "Files that were not in the cache, found elsewhere or not.", "cache_misses");
    add_counter(&page, "retrace_missing_files", "Files that no source had.", "missing_files");
    add_counter(&page, "retrace_uploads_recorded",
                "Uploads that httpd has counted and the statistics have taken.", "uploads");
    add_counter(&page, "retrace_throttled_recorded",
                "Throttled requests that were taken into the statistics.", "throttled");
    add_refusals(&page);
    return apr_array_pstrcat(p, page.lines, '\0');
}
