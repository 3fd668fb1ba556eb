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
            while (text[length - 1] == '/') {
                length--;
            }
            url->scheme = kinds[i].scheme;
            url->text = apr_pstrmemdup(p, text, length);
            return APR_SUCCESS;
        }
    }
    return retrace_fail(err, APR_EINVAL, "%.200s is no URL of https, http, ftp, file or rsync",
                        text);
}

const char *reposync_url_redirects(reposync_scheme_t scheme)
{
    return kinds[scheme].redirects;
}

const char *reposync_url_show(const reposync_url_t *url, apr_pool_t *p)
{
    size_t start = strcspn(url->text, ":") + strlen("://");
    const char *host = url->text + start;
    const char *at = memchr(host, '@', strcspn(host, "/"));

    return at == NULL ? url->text
                      : apr_pstrcat(p, apr_pstrmemdup(p, url->text, start), at + 1, NULL);
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
