/* SPDX-License-Identifier: Apache-2.0 */
/* See chart.h. Coordinates are those of the viewBox; the page scales it. */
#include "mod_retrace/chart.h"

#include <apr_strings.h>
#include <string.h>

#include "lib/facts.h"

#define WIDTH       720
#define HEIGHT      200
#define LEFT        44 /* for the numbers of the axis */
#define TOP         8
#define BOTTOM      22 /* for the labels */
#define ROW         22
#define ROW_TEXT    240 /* width of a row's text */
#define ROW_NUMBER  60
#define LABEL_CHARS 36
#define NUMBER_MAX  INT64_C(1000000000000)

/* Sums of a few of them, and their next power of ten, must not overflow. */
apr_int64_t mr_chart_number(const json_t *value)
{
    json_int_t number = json_integer_value(value);

    if (number < 0) {
        return 0;
    }
    return number < NUMBER_MAX ? (apr_int64_t)number : NUMBER_MAX;
}

static apr_int64_t number_of(const json_t *row, const char *key)
{
    return mr_chart_number(json_object_get(row, key));
}

/* Labels are text or numbers. */
static const char *label_of(const mr_html_t *html, const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);

    if (json_is_number(value)) {
        return apr_psprintf(html->p, "%.6g", json_number_value(value));
    }
    if (!json_is_string(value)) {
        return "";
    }
    return strcmp(json_string_value(value), RETRACE_FACT_UNKNOWN) == 0 ? "unknown"
                                                                       : json_string_value(value);
}

/* 1, 2 or 5 with zeros, at least the number: a scale that can be read. */
static apr_int64_t round_up(apr_int64_t number)
{
    apr_int64_t unit = 1;

    while (unit * 10 <= number) {
        unit *= 10;
    }
    if (number <= unit) {
        return unit;
    }
    return number <= 2 * unit ? 2 * unit : number <= 5 * unit ? 5 * unit : 10 * unit;
}

static apr_int64_t sum_of(const json_t *row, const mr_series_t *series)
{
    apr_int64_t sum = 0;

    for (; series->key != NULL; series++) {
        sum += number_of(row, series->key);
    }
    return sum;
}

static apr_int64_t greatest_sum(const json_t *rows, const mr_series_t *series)
{
    apr_int64_t greatest = 1;
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        apr_int64_t sum = sum_of(row, series);

        greatest = sum > greatest ? sum : greatest;
    }
    return greatest;
}

static void add_legend(mr_html_t *html, const mr_series_t *series)
{
    mr_html_add(html, "<ul class=\"key\">");
    for (; series->key != NULL; series++) {
        mr_html_add(html,
                    "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"%s\" "
                    "width=\"10\" height=\"10\"/></svg>%s</li>",
                    series->key, series->label);
    }
    mr_html_add(html, "</ul>\n");
}

static void add_axis(mr_html_t *html, apr_int64_t scale)
{
    int half;

    for (half = 0; half <= 2; half++) {
        int y = TOP + (HEIGHT - TOP - BOTTOM) * (2 - half) / 2;

        if (scale == 1 && half == 1) {
            continue;
        }
        mr_html_add(html,
                    "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>"
                    "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%" APR_INT64_T_FMT "</text>\n",
                    LEFT, y, WIDTH, y, LEFT - 6, y + 4, scale * half / 2);
    }
}

static void add_column(mr_html_t *html, const json_t *row, const char *label, double x,
                       double width, apr_int64_t scale, const mr_series_t *series)
{
    double y = HEIGHT - BOTTOM;

    for (; series->key != NULL; series++) {
        apr_int64_t number = number_of(row, series->key);
        double height = (double)(HEIGHT - TOP - BOTTOM) * (double)number / (double)scale;

        if (number > 0) {
            y -= height;
            mr_html_add(html,
                        "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                        "<title>%s: %s %" APR_INT64_T_FMT "</title></rect>\n",
                        series->key, x, y, width, height, label, series->label, number);
        }
    }
}

void mr_chart_columns(mr_html_t *html, const char *what, const json_t *rows, const char *label,
                      int step, const mr_series_t *series)
{
    apr_int64_t scale = round_up(greatest_sum(rows, series));
    size_t count = json_array_size(rows);
    double width = (double)(WIDTH - LEFT) / (double)(count > 0 ? count : 1);
    const json_t *row;
    size_t i;

    if (series[1].key != NULL) {
        add_legend(html, series);
    }
    mr_html_add(html, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT,
                what);
    add_axis(html, scale);
    json_array_foreach(rows, i, row)
    {
        const char *text = mr_html_text(html, label_of(html, row, label));
        double x = LEFT + width * (double)i;

        add_column(html, row, text, x + width * 0.1, width * 0.8, scale, series);
        if ((int)i % step == 0) {
            mr_html_add(html, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                        x + width / 2, HEIGHT - 6, text);
        }
    }
    mr_html_add(html, "</svg>\n");
}

static apr_int64_t greatest_of(const json_t *rows, const char *key)
{
    const mr_series_t one[] = { { key, "" }, { NULL, NULL } };

    return greatest_sum(rows, one);
}

/* Cut between characters of UTF-8. */
static const char *shorten(const mr_html_t *html, const char *text)
{
    size_t length = strlen(text);

    if (length <= LABEL_CHARS) {
        return text;
    }
    length = LABEL_CHARS - 1;
    while (length > 0 && (text[length] & 0xc0) == 0x80) {
        length--;
    }
    return apr_pstrcat(html->p, apr_pstrmemdup(html->p, text, length), "…", NULL);
}

void mr_chart_bars(mr_html_t *html, const char *what, const json_t *rows, const char *label,
                   const char *value)
{
    apr_int64_t greatest = greatest_of(rows, value);
    const json_t *row;
    size_t i;

    mr_html_add(html, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH,
                (int)json_array_size(rows) * ROW + 4, what);
    json_array_foreach(rows, i, row)
    {
        const char *text = label_of(html, row, label);
        apr_int64_t number = number_of(row, value);
        double width = (double)(WIDTH - ROW_TEXT - ROW_NUMBER) * (double)number / (double)greatest;
        int y = (int)i * ROW;

        mr_html_add(html,
                    "<text class=\"label\" x=\"0\" y=\"%d\">%s<title>%s</title></text>"
                    "<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>"
                    "<text x=\"%.1f\" y=\"%d\">%" APR_INT64_T_FMT "</text>\n",
                    y + 15, mr_html_text(html, shorten(html, text)), mr_html_text(html, text),
                    ROW_TEXT, y + 4, width < 1 ? 1 : width, ROW - 7,
                    ROW_TEXT + (width < 1 ? 1 : width) + 6, y + 15, number);
    }
    mr_html_add(html, "</svg>\n");
}
