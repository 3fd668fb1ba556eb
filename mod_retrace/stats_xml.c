/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_xml.h. "Required packages" has no rows: packages are not installed here. */
#include "mod_retrace/stats_xml.h"

#include <apr_strings.h>
#include <string.h>
#include <time.h>

#include "mod_retrace/html.h"
#include "mod_retrace/reply.h"

#define COLUMNS 3

/* A table: its heading, the titles of its columns, and the keys of their values in a row. */
typedef struct listing_t {
    const char *rows; /* key of the array; NULL: no rows */
    const char *heading;
    const char *titles[COLUMNS + 1];
    const char *keys[COLUMNS + 1];
} listing_t;

static const listing_t listings[] = {
    { "releases", "Releases", { "Release", "Count", NULL }, { "release", "count", NULL } },
    { "packages", "Retraced packages", { "Name", "Count", NULL }, { "package", "count", NULL } },
    { "architectures",
      "Architectures",
      { "Architecture", "Count", NULL },
      { "arch", "count", NULL } },
    { NULL, "Required packages", { "Name", "Versions", "Count", NULL }, { NULL } },
    { "missing",
      "Missing build-ids",
      { "Build-id", "Shared object name", "Count", NULL },
      { "build_id", "path", "count", NULL } },
};

static const char *value_of(const mr_html_t *html, const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_integer(value)) {
        return apr_psprintf(html->p, "%" APR_INT64_T_FMT, (apr_int64_t)json_integer_value(value));
    }
    return json_is_string(value) ? mr_html_text(html, json_string_value(value)) : "";
}

static void add_total(mr_html_t *html, const char *label, const char *value)
{
    mr_html_add(html, "<tr><td>%s</td><td>%s</td></tr>\n", label, value);
}

static const char *first_task(const mr_html_t *html, const json_t *totals)
{
    time_t when = (time_t)json_integer_value(json_object_get(totals, "first_task"));
    struct tm parts;
    char text[32];

    if (when == 0 || gmtime_r(&when, &parts) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts) == 0) {
        return "No retrace yet";
    }
    return apr_pstrdup(html->p, text);
}

static void add_totals(mr_html_t *html, const json_t *totals)
{
    mr_html_add(html, "<h3>Global statistics</h3>\n<table>\n");
    add_total(html, "Total", value_of(html, totals, "tasks"));
    add_total(html, "Successful", value_of(html, totals, "success"));
    add_total(html, "Failed", value_of(html, totals, "failure"));
    add_total(html, "First retrace", first_task(html, totals));
    add_total(html, "Denied jobs", value_of(html, totals, "denied"));
    mr_html_add(html, "</table>\n");
}

static void add_rows(mr_html_t *html, const listing_t *listing, const json_t *stats)
{
    const json_t *row;
    size_t i;
    int column;

    json_array_foreach(json_object_get(stats, listing->rows), i, row)
    {
        mr_html_add(html, "<tr>");
        for (column = 0; listing->keys[column] != NULL; column++) {
            mr_html_add(html, "<td>%s</td>", value_of(html, row, listing->keys[column]));
        }
        mr_html_add(html, "</tr>\n");
    }
}

static void add_listing(mr_html_t *html, const listing_t *listing, const json_t *stats)
{
    int column;

    mr_html_add(html, "<h3>%s</h3>\n<table>\n<tr>", listing->heading);
    for (column = 0; listing->titles[column] != NULL; column++) {
        mr_html_add(html, "<th>%s</th>", listing->titles[column]);
    }
    mr_html_add(html, "</tr>\n");
    if (listing->rows != NULL) {
        add_rows(html, listing, stats);
    }
    mr_html_add(html, "</table>\n");
}

int mr_stats_xml(request_rec *r, const json_t *stats)
{
    mr_html_t html = { apr_array_make(r->pool, 128, sizeof(const char *)), r->pool };
    const char *text;
    size_t i;

    mr_html_add(&html,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n<head>"
                "<title>Retrace Server statistics</title></head>\n<body>\n"
                "<h1>Retrace Server statistics</h1>\n<h2>%s</h2>\n",
                mr_html_text(&html, r->hostname != NULL ? r->hostname : ""));
    add_totals(&html, json_object_get(stats, "totals"));
    for (i = 0; i < sizeof(listings) / sizeof(listings[0]); i++) {
        add_listing(&html, &listings[i], stats);
    }
    mr_html_add(&html, "</body>\n</html>\n");
    text = apr_array_pstrcat(r->pool, html.parts, '\0');
    return mr_reply_data(r, HTTP_OK, "text/xml; charset=utf-8", text, strlen(text));
}
