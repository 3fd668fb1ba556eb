/* SPDX-License-Identifier: Apache-2.0 */
/* GET /stats: what the dispatcher wrote into statistics/stats.json, as it is, as a page with charts, or
 * as the XML that the older server had. The database itself is never opened here: a lock on it, or
 * its loss, can hold no request. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <string.h>
#include <time.h>

#include "lib/spool.h"
#include "mod_retrace/chart.h"
#include "mod_retrace/html.h"
#include "mod_retrace/load.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"
#include "mod_retrace/stats_xml.h"

#define STATS_MAX (512 * 1024) /* bytes of the file */

/* --- The page -------------------------------------------------------------------------------- */

static apr_int64_t total(const json_t *stats, const char *key)
{
    return mr_chart_number(json_object_get(json_object_get(stats, "totals"), key));
}

static const char *format_time(apr_int64_t seconds, apr_pool_t *p)
{
    time_t when = (time_t)seconds;
    struct tm parts;
    char text[32];

    if (gmtime_r(&when, &parts) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts) == 0) {
        return "";
    }
    return apr_pstrdup(p, text);
}

static void add_totals(mr_html_t *html, const json_t *stats)
{
    double average = json_number_value(json_object_get(stats, "average_seconds"));

    mr_html_add(
        html,
        "<ul class=\"figures\"><li><b>%" APR_INT64_T_FMT "</b>tasks</li><li><b>%" APR_INT64_T_FMT
        "</b>succeeded</li><li><b>%" APR_INT64_T_FMT "</b>failed</li><li><b>%" APR_INT64_T_FMT
        "</b>uploads refused</li><li><b>%.3g s</b>average</li></ul>\n",
        total(stats, "tasks"), total(stats, "success"), total(stats, "failure"),
        total(stats, "denied"), average);
}

static void add_days(mr_html_t *html, const json_t *stats)
{
    static const mr_series_t series[] = {
        { "success", "succeeded" }, { "failure", "failed" }, { "denied", "refused" }, { NULL, NULL }
    };

    mr_html_add(html, "<h2>Tasks per day</h2>\n");
    mr_chart_columns(html, "Tasks per day: succeeded, failed and refused",
                     json_object_get(stats, "days"), "day", 5, series);
}

static void add_outcome(mr_html_t *html, const json_t *stats)
{
    json_t *rows = json_pack("[{s:s, s:I}, {s:s, s:I}, {s:s, s:I}]", "outcome", "succeeded",
                             "count", (json_int_t)total(stats, "success"), "outcome", "failed",
                             "count", (json_int_t)total(stats, "failure"), "outcome", "refused",
                             "count", (json_int_t)total(stats, "denied"));

    mr_html_add(html, "<h2>Outcome</h2>\n");
    mr_chart_bars(html, "Uploads by outcome", rows, "outcome", "count");
    json_decref(rows);
}

/* The file counts all tasks up to a limit; a column shows those beyond the limit before it. */
static json_t *each_duration(const json_t *stats)
{
    json_t *columns = json_array();
    json_int_t before = 0;
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(stats, "durations"), i, row)
    {
        json_int_t up_to = mr_chart_number(json_object_get(row, "count"));

        json_array_append_new(
            columns,
            json_pack("{s:O?, s:I}", "le", json_object_get(row, "le"), "count", up_to - before));
        before = up_to;
    }
    return columns;
}

static void add_durations(mr_html_t *html, const json_t *stats)
{
    static const mr_series_t series[] = { { "count", "tasks" }, { NULL, NULL } };
    json_t *columns = each_duration(stats);

    mr_html_add(html,
                "<h2>How long tasks take</h2>\n<p class=\"quiet\">Tasks that took at most so "
                "many seconds, and more than the column before.</p>\n");
    mr_chart_columns(html, "Number of tasks by duration", columns, "le", 1, series);
    json_decref(columns);
}

static void add_packages(mr_html_t *html, const json_t *stats)
{
    mr_html_add(html, "<h2>Busiest packages</h2>\n");
    mr_chart_bars(html, "Tasks per package", json_object_get(stats, "packages"), "package",
                  "count");
}

static void add_releases(mr_html_t *html, const json_t *stats)
{
    mr_html_add(html, "<h2>Releases</h2>\n");
    mr_chart_bars(html, "Tasks per release", json_object_get(stats, "releases"), "release",
                  "count");
}

static const char *text_of(const mr_html_t *html, const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return mr_html_text(html, text != NULL ? text : "");
}

static void add_missing(mr_html_t *html, const json_t *stats)
{
    const json_t *row;
    size_t i;

    mr_html_add(html,
                "<h2>Missing files</h2>\n<div class=\"scroll\"><table><tr><th>Build-id</th>"
                "<th>File</th><th>What is missing</th><th class=\"number\">Tasks</th></tr>\n");
    json_array_foreach(json_object_get(stats, "missing"), i, row)
    {
        mr_html_add(html,
                    "<tr><td><code>%s</code></td><td><code>%s</code></td><td>%s</td>"
                    "<td class=\"number\">%" APR_INT64_T_FMT "</td></tr>\n",
                    text_of(html, row, "build_id"), text_of(html, row, "path"),
                    text_of(html, row, "kind"), mr_chart_number(json_object_get(row, "count")));
    }
    mr_html_add(html, "</table></div>\n");
}

static bool has_rows(const json_t *stats, const char *key)
{
    return json_array_size(json_object_get(stats, key)) > 0;
}

static int show_page(request_rec *r, const json_t *stats)
{
    mr_html_t html = mr_html_begin(r, "Statistics");
    apr_int64_t generated = json_integer_value(json_object_get(stats, "generated"));

    if (total(stats, "tasks") == 0 && total(stats, "denied") == 0) {
        mr_html_add(&html, "<p>There is nothing to show: no task has ended yet.</p>\n");
        return mr_html_reply(r, &html);
    }
    mr_html_add(&html, "<p class=\"quiet\">As of %s</p>\n", format_time(generated, r->pool));
    add_totals(&html, stats);
    add_days(&html, stats);
    add_outcome(&html, stats);
    add_durations(&html, stats);
    if (has_rows(stats, "packages")) {
        add_packages(&html, stats);
    }
    if (has_rows(stats, "releases")) {
        add_releases(&html, stats);
    }
    if (has_rows(stats, "missing")) {
        add_missing(&html, stats);
    }
    return mr_html_reply(r, &html);
}

/* --- Choosing -------------------------------------------------------------------------------- */

static int show_json(request_rec *r, const json_t *stats)
{
    return mr_reply_json(r, HTTP_OK, json_incref((json_t *)(uintptr_t)stats));
}

typedef struct form_t {
    const char *type;
    int (*show)(request_rec *r, const json_t *stats);
} form_t;

/* The last one is also for who asks for nothing in particular, as scripts of the older server do. */
static const form_t forms[] = {
    { "text/html", show_page },
    { "application/json", show_json },
    { "text/xml", mr_stats_xml },
    { "application/xml", mr_stats_xml },
};

static const form_t *choose(request_rec *r)
{
    const size_t count = sizeof(forms) / sizeof(forms[0]);
    const form_t *best = &forms[count - 1];
    int quality = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        int accepted = mr_query_accepts(r, forms[i].type);

        if (accepted > quality) {
            quality = accepted;
            best = &forms[i];
        }
    }
    return best;
}

int mr_stats(request_rec *r)
{
    const char *text = mr_load_statistics(mr_server_of(r->server)->config, RETRACE_FILE_STATS_JSON,
                                          STATS_MAX, r->pool);
    json_t *stats = json_loads(text, 0, NULL);
    int result;

    if (stats == NULL) {
        stats = json_object(); /* nothing has been written yet */
    }
    result = choose(r)->show(r, stats);
    json_decref(stats);
    return result;
}
