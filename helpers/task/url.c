/* SPDX-License-Identifier: Apache-2.0 */
/* See url.h. */
#include "helpers/task/url.h"

#include <apr_strings.h>
#include <curl/curl.h>
#include <string.h>

#include "helpers/task/exit.h"

/* What may not be in the address, and why. */
typedef struct refused_part_t {
    CURLUPart part;
    const char *why;
} refused_part_t;

static const refused_part_t refused_parts[] = {
    { CURLUPART_USER, "the server's address holds a user: others would see it" },
    { CURLUPART_PASSWORD, "the server's address holds a password: others would see it" },
    { CURLUPART_QUERY, "the server's address ends with a query" },
    { CURLUPART_FRAGMENT, "the server's address ends with a fragment" },
};

static const char *copy_part(CURLU *url, CURLUPart part, apr_pool_t *p)
{
    char *text = NULL;
    const char *copy = NULL;

    if (curl_url_get(url, part, &text, 0) == CURLUE_OK) {
        copy = apr_pstrdup(p, text);
    }
    curl_free(text);
    return copy;
}

static apr_status_t check(const char **purl, CURLU *url, const char *text, retrace_error_t *err,
                          apr_pool_t *p)
{
    const char *scheme;
    const char *whole;
    size_t i;

    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE),
                            "the server's address is not one: %s", text);
    }
    scheme = copy_part(url, CURLUPART_SCHEME, p);
    if (scheme == NULL || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE),
                            "the server's address is neither https nor http");
    }
    for (i = 0; i < sizeof(refused_parts) / sizeof(refused_parts[0]); i++) {
        if (copy_part(url, refused_parts[i].part, p) != NULL) {
            return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE), "%s", refused_parts[i].why);
        }
    }
    whole = copy_part(url, CURLUPART_URL, p);
    if (whole == NULL) {
        return retrace_fail(err, APR_ENOMEM, "read the server's address");
    }
    *purl = whole[strlen(whole) - 1] == '/' ? whole : apr_pstrcat(p, whole, "/", NULL);
    return APR_SUCCESS;
}

apr_status_t task_url_complete(const char **purl, const char *text, retrace_error_t *err,
                               apr_pool_t *p)
{
    CURLU *url = curl_url();
    apr_status_t rv;

    if (url == NULL) {
        return retrace_fail(err, APR_ENOMEM, "read the server's address");
    }
    if (strstr(text, "://") == NULL) {
        text = apr_pstrcat(p, "https://", text, NULL);
    }
    rv = check(purl, url, text, err, p);
    curl_url_cleanup(url);
    return rv;
}
