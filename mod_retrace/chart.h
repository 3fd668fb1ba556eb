/* SPDX-License-Identifier: Apache-2.0 */
/* Charts as inline SVG: columns of several parts, and rows. Colours are classes of www/style.css. */
#ifndef MR_CHART_H
#define MR_CHART_H

#include <jansson.h>

#include "mod_retrace/html.h"

/** One part of each column, from the bottom up. */
typedef struct mr_series_t {
    const char *key;   /* of the number in each row of the data, and the part's class */
    const char *label; /* in the legend */
} mr_series_t;

/** A count, whatever somebody wrote into the file: from 0 to 10^12. */
apr_int64_t mr_chart_number(const json_t *value);

/**
 * Columns: one for each object of an array.
 * @param what    says what the chart shows, for who cannot see it; markup-safe
 * @param label   key of the text below a column; each `step`-th is shown
 * @param series  ended by one with key NULL
 */
void mr_chart_columns(mr_html_t *html, const char *what, const json_t *rows, const char *label,
                      int step, const mr_series_t *series);

/**
 * Rows with a bar each, in the order of the array.
 * @param label  key of the text of a row, @param value  of its number
 */
void mr_chart_bars(mr_html_t *html, const char *what, const json_t *rows, const char *label,
                   const char *value);

#endif
