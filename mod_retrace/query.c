/* SPDX-License-Identifier: Apache-2.0 */
/* See query.h. */
#include "mod_retrace/query.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define QUALITY_MAX 1000 /* stands for q=1 */
#define DIGITS_MAX  9    /* of a number in an argument */

const char *mr_query_find(request_rec *r, const char *name)
{
    const char *at = r->args;
    size_t length = strlen(name);

    while (at != NULL && *at != '\0') {
        size_t here = strcspn(at, "&");

        if (here >= length && strncmp(at, name, length) == 0
            && (here == length || at[length] == '=')) {
            const char *value = here == length ? at + here : at + length + 1;

            return apr_pstrmemdup(r->pool, value, (apr_size_t)(at + here - value));
        }
        at += here;
        at += *at == '&';
    }
    return NULL;
}

int mr_query_number(request_rec *r, const char *name, int max)
{
    const char *value = mr_query_find(r, name);
    long number;

    if (value == NULL || value[0] == '\0' || strlen(value) > DIGITS_MAX
        || strspn(value, "0123456789") != strlen(value)) {
        return -1;
    }
    number = strtol(value, NULL, 10);
    return number < max ? (int)number : max;
}

/* "; q=0.5" among the parameters of a type. */
static int read_quality(const char *parameters)
{
    const char *q = parameters;
    double quality;

    while ((q = strchr(q, ';')) != NULL) {
        q += 1 + strspn(q + 1, " \t");
        if ((q[0] == 'q' || q[0] == 'Q') && q[1] == '=') {
            quality = strtod(q + 2, NULL);
            return quality >= 1 ? QUALITY_MAX : quality > 0 ? (int)(quality * QUALITY_MAX) : 0;
        }
    }
    return QUALITY_MAX;
}

int mr_query_accepts(request_rec *r, const char *type)
{
    const char *header = apr_table_get(r->headers_in, "Accept");
    char *rest = header != NULL ? apr_pstrdup(r->pool, header) : NULL;
    char *item;

    while (rest != NULL && (item = strsep(&rest, ",")) != NULL) {
        item += strspn(item, " \t");
        if (strcspn(item, "; \t") == strlen(type) && strncasecmp(item, type, strlen(type)) == 0) {
            return read_quality(item);
        }
    }
    return 0;
}

bool mr_query_wants_json(request_rec *r)
{
    int json = mr_query_accepts(r, "application/json");

    return json > 0 && json >= mr_query_accepts(r, "text/plain")
        && json >= mr_query_accepts(r, "text/html");
}
