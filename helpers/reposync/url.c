/* SPDX-License-Identifier: Apache-2.0 */
/* See url.h. */
#include "helpers/reposync/url.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

typedef struct kind_t {
    const char *start;
    reposync_scheme_t scheme;
    const char *redirects;
} kind_t;

/* In the order of reposync_scheme_t. */
static const kind_t kinds[] = {
    { "https://", REPOSYNC_HTTPS, "https" }, { "http://", REPOSYNC_HTTP, "https,http" },
    { "ftp://", REPOSYNC_FTP, "ftp" },       { "file:///", REPOSYNC_FILE, "https" },
    { "rsync://", REPOSYNC_RSYNC, "https" },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* One that rsync would get as an argument, which all users of this machine can read. */
static bool has_password(const char *host)
{
    size_t length = strcspn(host, "/");
    const char *colon = memchr(host, ':', length);

    return colon != NULL && memchr(colon, '@', length - (size_t)(colon - host)) != NULL;
}

static apr_status_t take(reposync_url_t *url, const kind_t *kind, const char *text,
                         retrace_error_t *err, apr_pool_t *p)
{
    size_t length = strlen(text);

    if (kind->scheme == REPOSYNC_RSYNC && has_password(text + strlen(kind->start))) {
        return retrace_fail(err, APR_EINVAL,
                            "%.200s: a password would stand in the list of processes",
                            retrace_repo_show(text, p));
    }
    while (text[length - 1] == '/') {
        length--;
    }
    url->scheme = kind->scheme;
    url->is_configured = false;
    url->text = apr_pstrmemdup(p, text, length);
    return APR_SUCCESS;
}

apr_status_t reposync_url_parse(reposync_url_t *url, const char *text, retrace_error_t *err,
                                apr_pool_t *p)
{
    size_t length = strlen(text);
    size_t i;

    for (i = 0; i < KINDS; i++) {
        size_t start = strlen(kinds[i].start);

        if (strncasecmp(text, kinds[i].start, start) == 0 && text[start] != '\0'
            && text[start] != '/' && text[start] != '-' && length <= RETRACE_REPO_VALUE_BYTES
            && is_plain(text)) {
            return take(url, &kinds[i], text, err, p);
        }
    }
    return retrace_fail(err, APR_EINVAL, "%.200s is no URL of https, http, ftp, file or rsync",
                        retrace_repo_show(text, p));
}

const char *reposync_url_redirects(reposync_scheme_t scheme)
{
    return kinds[scheme].redirects;
}

/* What is in names of packages and means something else in URLs. */
const char *reposync_url_join(const reposync_url_t *url, const char *href, apr_pool_t *p)
{
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = apr_palloc(p, 3 * strlen(href) + 1);
    char *to = escaped;

    for (; *href != '\0'; href++) {
        if (url->scheme != REPOSYNC_RSYNC && strchr("+^", *href) != NULL) {
            *to++ = '%';
            *to++ = digits[(unsigned char)*href >> 4];
            *to++ = digits[*href & 15];
        }
        else {
            *to++ = *href;
        }
    }
    *to = '\0';
    return apr_pstrcat(p, url->text, "/", escaped, NULL);
}
