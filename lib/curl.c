/* SPDX-License-Identifier: Apache-2.0 */
/* See curl.h. */
#include "lib/curl.h"

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

void retrace_curl_guard(CURL *curl, bool verify)
{
#if CURL_AT_LEAST_VERSION(7, 85, 0)
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTPS | CURLPROTO_HTTP));
#endif
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
}
