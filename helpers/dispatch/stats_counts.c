/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_counts.h. */
#include "helpers/dispatch/stats_counts.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4

typedef struct shape_t {
    const char *name;
    bool is_refusal; /* a status and a reason come before the count */
} shape_t;

static const shape_t shapes[] = {
    { "refused", true },
    { "uploads", false },
    { "throttled", false },
};

static bool parse_count(int64_t *pcount, const char *word)
{
    size_t length = strspn(word, "0123456789");

    if (length == 0 || length > STATS_COUNT_DIGITS || word[length] != '\0' || word[0] == '0') {
        return false;
    }
    *pcount = atoll(word);
    return true;
}

static bool parse_status(int *pstatus, const char *word)
{
    int64_t number = 0;

    if (!parse_count(&number, word) || number < STATS_REFUSAL_LOWEST
        || number > STATS_REFUSAL_HIGHEST) {
        return false;
    }
    *pstatus = (int)number;
    return true;
}

static bool is_reason(const char *word)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz_");

    return length > 0 && length <= STATS_REASON_MAX && word[length] == '\0';
}

/* @return how many there are, WORDS_MAX + 1 for more than that */
static int split(const char *words[], char *line)
{
    char *word;
    int n = 0;

    while ((word = strsep(&line, " ")) != NULL && n < WORDS_MAX) {
        words[n++] = word;
    }
    return word == NULL ? n : WORDS_MAX + 1;
}

static bool parse_shape(stats_count_t *count, const shape_t *shape, const char *const words[],
                        int n)
{
    if (n != (shape->is_refusal ? 4 : 2)) {
        return false;
    }
    count->name = shape->name;
    count->status = 0;
    count->reason = NULL;
    if (shape->is_refusal) {
        if (!parse_status(&count->status, words[1]) || !is_reason(words[2])) {
            return false;
        }
        count->reason = words[2];
    }
    return parse_count(&count->count, words[n - 1]);
}

static bool parse_line(apr_array_header_t *counts, char *line)
{
    const char *words[WORDS_MAX] = { "" };
    stats_count_t count;
    int n = split(words, line);
    size_t i;

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (strcmp(shapes[i].name, words[0]) == 0) {
            if (!parse_shape(&count, &shapes[i], words, n)) {
                return false;
            }
            APR_ARRAY_PUSH(counts, stats_count_t) = count;
        }
    }
    return true;
}

bool stats_counts_parse(apr_array_header_t **pcounts, const char *text, apr_size_t length,
                        apr_pool_t *p)
{
    apr_array_header_t *counts = apr_array_make(p, 16, sizeof(stats_count_t));
    char *rest = apr_pstrmemdup(p, text, length);
    char *line;

    /* httpd may have died while it wrote: half a number is a number, too. */
    if (length > 0 && (text[length - 1] != '\n' || memchr(text, '\0', length) != NULL)) {
        return false;
    }
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (!parse_line(counts, line)) {
            return false;
        }
    }
    *pcounts = counts;
    return true;
}
