/* SPDX-License-Identifier: Apache-2.0 */
/* See fetch.h. libcurl would follow redirects by itself, but to any host. */
#include "worker/resolve/fetch.h"

#include <apr_strings.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/curl.h"
#include "lib/fs.h"

#define LEAST_BPS   1024L
#define MAX_IGNORED 65536 /* bytes of headers, and of the page that comes with an error */
#define USER_AGENT  "retrace-server-worker/" RETRACE_VERSION

enum { HTTP_OK = 200, HTTP_REDIRECTS = 300, HTTP_REFUSALS = 400, HTTP_NOT_FOUND = 404 };

static const worker_fetch_access_t usual_access = { .is_unverified = false };

struct worker_fetch_t {
    CURL *curl;
    const worker_fetch_access_t *access;
    const apr_array_header_t *servers;
};

/* One answer under way; what libcurl's callbacks know. */
typedef struct transfer_t {
    CURL *curl;
    int fd;
    int64_t max_bytes; /* of the file */
    int64_t left;      /* bytes that the file may still have */
    int64_t ignored;   /* bytes of all else */
    bool is_too_large;
    apr_status_t failure; /* of writing */
    char message[CURL_ERROR_SIZE];
} transfer_t;

/* --- What libcurl calls -------------------------------------------------------------------- */

static size_t ignore(transfer_t *transfer, size_t length)
{
    transfer->ignored += (int64_t)length;
    return transfer->ignored <= MAX_IGNORED ? length : 0;
}

static size_t take_header(char *data, size_t size, size_t count, void *baton)
{
    (void)data;
    return ignore(baton, size * count);
}

static size_t take_body(char *data, size_t size, size_t count, void *baton)
{
    transfer_t *transfer = baton;
    size_t length = size * count;
    curl_off_t announced = -1;
    long status = 0;

    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != HTTP_OK) {
        return ignore(transfer, length);
    }
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if ((int64_t)length > transfer->left || announced > transfer->max_bytes) {
        transfer->is_too_large = true;
        return 0;
    }
    transfer->left -= (int64_t)length;
    transfer->failure = retrace_fs_write_all(transfer->fd, data, length);
    return transfer->failure == APR_SUCCESS ? length : 0;
}

/* --- One request --------------------------------------------------------------------------- */

apr_status_t worker_fetch_make(worker_fetch_t **pfetch, const apr_array_header_t *servers,
                               retrace_error_t *err, apr_pool_t *p)
{
    worker_fetch_t *fetch = apr_palloc(p, sizeof(*fetch));
    apr_status_t rv = retrace_curl_make(&fetch->curl, err, p);

    if (rv == APR_SUCCESS) {
        fetch->servers = servers;
        fetch->access = &usual_access;
        *pfetch = fetch;
    }
    return rv;
}

void worker_fetch_set_access(worker_fetch_t *fetch, const worker_fetch_access_t *access)
{
    fetch->access = access;
}

static void set_text(CURL *curl, CURLoption option, const char *text)
{
    if (text != NULL) {
        curl_easy_setopt(curl, option, text);
    }
}

/* The environment has no say: no proxy, no .netrc. */
static void set_access(CURL *curl, const worker_fetch_access_t *access)
{
    retrace_curl_guard(curl, !access->is_unverified);
    curl_easy_setopt(curl, CURLOPT_PROXY, access->proxy != NULL ? access->proxy : "");
    set_text(curl, CURLOPT_PROXYUSERPWD, access->proxy_user);
    set_text(curl, CURLOPT_USERPWD, access->user);
    set_text(curl, CURLOPT_CAINFO, access->ca_file);
    set_text(curl, CURLOPT_SSLCERT, access->client_cert);
    set_text(curl, CURLOPT_SSLKEY, access->client_key);
}

static void set_options(CURL *curl, transfer_t *transfer)
{
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)WORKER_FETCH_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, LEAST_BPS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)WORKER_FETCH_STALL_S);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->message);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
}

static apr_status_t judge(const transfer_t *transfer, CURLcode code, long status,
                          retrace_error_t *err)
{
    bool is_refusal = code == CURLE_WRITE_ERROR && status >= HTTP_REFUSALS;

    if (transfer->is_too_large) {
        return retrace_fail(err, APR_EINVAL, "the file has more than %ld bytes",
                            (long)transfer->max_bytes);
    }
    if (transfer->failure != APR_SUCCESS) {
        return retrace_fail(err, transfer->failure, "write what the server sends");
    }
    if (code != CURLE_OK && !is_refusal) {
        return retrace_fail(err, APR_TIMEUP, "%s",
                            transfer->message[0] != '\0' ? transfer->message
                                                         : curl_easy_strerror(code));
    }
    if (status == HTTP_NOT_FOUND) {
        return retrace_fail(err, APR_NOTFOUND, "the server does not have it");
    }
    if (status != HTTP_OK && (status < HTTP_REDIRECTS || status >= HTTP_REFUSALS)) {
        return retrace_fail(err, APR_EINVAL, "the server answers with %ld", status);
    }
    return APR_SUCCESS;
}

/* @param plocation  where it redirects to; NULL: the file is there */
static apr_status_t get_once(const char **plocation, const worker_fetch_t *fetch, int fd,
                             const char *url, int64_t max_bytes, int64_t time_ms,
                             retrace_error_t *err, apr_pool_t *p)
{
    transfer_t transfer = {
        .curl = fetch->curl, .fd = fd, .max_bytes = max_bytes, .left = max_bytes
    };
    char *location = NULL;
    long status = 0;
    CURLcode code;
    apr_status_t rv;

    if (time_ms <= 0) {
        return retrace_fail(err, APR_TIMEUP, "the time for it is over");
    }
    set_access(fetch->curl, fetch->access);
    set_options(fetch->curl, &transfer);
    curl_easy_setopt(fetch->curl, CURLOPT_URL, url);
    curl_easy_setopt(fetch->curl, CURLOPT_TIMEOUT_MS, (long)time_ms);
    code = curl_easy_perform(fetch->curl);
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_REDIRECT_URL, &location);
    rv = judge(&transfer, code, status, err);
    if (rv == APR_SUCCESS && status != HTTP_OK && location == NULL) {
        rv = retrace_fail(err, APR_EINVAL, "the server answers with %ld", status);
    }
    if (rv == APR_SUCCESS) {
        *plocation = status != HTTP_OK ? apr_pstrdup(p, location) : NULL;
    }
    curl_easy_reset(fetch->curl); /* it must forget the transfer; connections stay */
    return rv;
}

/* --- Redirects ----------------------------------------------------------------------------- */

/* A part of a URL, in p; NULL when it has none or is no URL. A port may be that of the scheme. */
static const char *part_of(const char *url, CURLUPart what, apr_pool_t *p)
{
    CURLU *parsed = curl_url();
    char *part = NULL;
    const char *copy = NULL;

    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK
        && curl_url_get(parsed, what, &part, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        copy = apr_pstrdup(p, part);
        curl_free(part);
    }
    curl_url_cleanup(parsed);
    return copy;
}

static bool is_equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcasecmp(a, b) == 0;
}

/* A host has more than one server: its other ports are not the admin's word. From http to https
 * alone the port changes with the scheme. */
static bool is_on_server(const char *url, const char *server, apr_pool_t *p)
{
    const char *port = part_of(url, CURLUPART_PORT, p);
    const char *its_port = part_of(server, CURLUPART_PORT, p);

    return is_equal(part_of(url, CURLUPART_HOST, p), part_of(server, CURLUPART_HOST, p))
        && (is_equal(port, its_port)
            || (is_equal(part_of(url, CURLUPART_SCHEME, p), "https") && is_equal(port, "443")
                && is_equal(its_port, "80")));
}

static bool is_on_one_of(const char *url, const apr_array_header_t *servers, apr_pool_t *p)
{
    int i;

    for (i = 0; i < servers->nelts; i++) {
        if (is_on_server(url, APR_ARRAY_IDX(servers, i, const char *), p)) {
            return true;
        }
    }
    return false;
}

bool worker_fetch_may_follow(const apr_array_header_t *servers, const char *from, const char *to,
                             apr_pool_t *p)
{
    const char *scheme = part_of(to, CURLUPART_SCHEME, p);
    bool is_tls = is_equal(scheme, "https");

    if (!is_tls
        && (!is_equal(scheme, "http") || !is_equal(part_of(from, CURLUPART_SCHEME, p), "http"))) {
        return false;
    }
    /* As whom to ask is the admin's word as well. */
    return part_of(to, CURLUPART_USER, p) == NULL && part_of(to, CURLUPART_PASSWORD, p) == NULL
        && is_on_one_of(to, servers, p);
}

apr_status_t worker_fetch_get(worker_fetch_t *fetch, int fd, const char *url, int64_t max_bytes,
                              int64_t time_ms, retrace_error_t *err, apr_pool_t *p)
{
    int64_t deadline_ms = retrace_clock_ms() + time_ms;
    const char *location = NULL;
    int redirects;

    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
        return retrace_fail(err, errno, "empty a file");
    }
    for (redirects = 0; redirects <= WORKER_FETCH_REDIRECTS; redirects++) {
        apr_status_t rv = get_once(&location, fetch, fd, url, max_bytes,
                                   deadline_ms - retrace_clock_ms(), err, p);

        if (rv != APR_SUCCESS || location == NULL) {
            return rv;
        }
        if (!worker_fetch_may_follow(fetch->servers, url, location, p)) {
            return retrace_fail(err, APR_EINVAL, "the server redirects to %s, which is not allowed",
                                location);
        }
        url = location;
    }
    return retrace_fail(err, APR_EINVAL, "the server redirects more than %d times",
                        WORKER_FETCH_REDIRECTS);
}
