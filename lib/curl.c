/* SPDX-License-Identifier: Apache-2.0 */
/* See curl.h. */
#include "lib/curl.h"

#if !CURL_AT_LEAST_VERSION(7, 85, 0)
#include <string.h>
#endif

static apr_status_t end(void *baton)
{
    curl_easy_cleanup(baton);
    return APR_SUCCESS;
}

apr_status_t retrace_curl_make(CURL **pcurl, retrace_error_t *err, apr_pool_t *p)
{
    CURL *curl = curl_easy_init();

    if (curl == NULL) {
        return retrace_fail(err, APR_ENOMEM, "start libcurl");
    }
    apr_pool_cleanup_register(p, curl, end, apr_pool_cleanup_null);
    *pcurl = curl;
    return APR_SUCCESS;
}

#if CURL_AT_LEAST_VERSION(7, 85, 0)
static void set_schemes(CURL *curl, const char *schemes, const char *redirects)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, redirects);
}
#else
static long bits_of(const char *schemes)
{
    static const struct {
        const char *name;
        long bit;
    } known[] = { { "https", CURLPROTO_HTTPS },
                  { "http", CURLPROTO_HTTP },
                  { "ftp", CURLPROTO_FTP },
                  { "file", CURLPROTO_FILE } };
    long bits = 0;
    size_t i;

    while (*schemes != '\0') {
        size_t length = strcspn(schemes, ",");

        for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (strlen(known[i].name) == length && memcmp(known[i].name, schemes, length) == 0) {
                bits |= known[i].bit;
            }
        }
        schemes += length + (schemes[length] == ',');
    }
    return bits;
}

static void set_schemes(CURL *curl, const char *schemes, const char *redirects)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, bits_of(schemes));
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, bits_of(redirects));
}
#endif

void retrace_curl_allow(CURL *curl, const char *schemes, const char *redirects, long max)
{
    set_schemes(curl, schemes, redirects != NULL ? redirects : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, redirects != NULL ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, max);
}

void retrace_curl_guard(CURL *curl, bool verify)
{
    set_schemes(curl, "https,http", "https,http");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
}
