/* SPDX-License-Identifier: Apache-2.0 */
/* See download.h. */
#include "helpers/reposync/download.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/curl.h"
#include "lib/fs.h"

#define USER_AGENT "retrace-server-reposync/" RETRACE_VERSION
#define SHOW_MS    200 /* between two looks of the progress line */

enum { HTTP_NOT_FOUND = 404, HTTP_GONE = 410, HTTP_RANGE = 416 };

/* One attempt; what libcurl's callbacks know. */
typedef struct transfer_t {
    const reposync_download_t *download;
    int fd;
    int64_t offset; /* what was there */
    int64_t got;
    int64_t max_bytes;
    bool is_too_large;
    bool is_over;
    apr_status_t failure; /* of writing */
    int64_t start_ms;
    int64_t shown_ms;
    char message[CURL_ERROR_SIZE];
} transfer_t;

/* --- What libcurl calls -------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *baton)
{
    transfer_t *transfer = baton;
    size_t length = size * count;

    if (transfer->offset + transfer->got + (int64_t)length > transfer->max_bytes) {
        transfer->is_too_large = true;
        return 0;
    }
    transfer->failure = retrace_fs_write_all(transfer->fd, data, length);
    transfer->got += (int64_t)length;
    return transfer->failure == APR_SUCCESS ? length : 0;
}

static void show(transfer_t *transfer, int64_t expected)
{
    int64_t now_ms = retrace_clock_ms();
    int64_t took_ms = now_ms - transfer->start_ms;
    task_progress_t *progress = &transfer->download->sync->progress;
    char label[TASK_PROGRESS_LINE];

    if (progress->out == NULL || now_ms - transfer->shown_ms < SHOW_MS) {
        return;
    }
    transfer->shown_ms = now_ms;
    snprintf(label, sizeof(label), "%.1f MB/s %s",
             (double)transfer->got / 1048576.0 * 1000.0 / (double)(took_ms > 0 ? took_ms : 1),
             transfer->download->label);
    task_progress_show(progress, label,
                       task_progress_percent(transfer->offset + transfer->got, expected));
}

/* Called at least once a second, also while nothing comes. */
static int look_around(void *baton, curl_off_t whole, curl_off_t done, curl_off_t up_whole,
                       curl_off_t up_done)
{
    transfer_t *transfer = baton;

    (void)done;
    (void)up_whole;
    (void)up_done;
    show(transfer, whole > 0 ? transfer->offset + (int64_t)whole : 0);
    transfer->is_over = reposync_is_over(transfer->download->sync);
    return transfer->is_over ? 1 : 0;
}

/* --- Options ------------------------------------------------------------------------------- */

static void set_text(CURL *curl, CURLoption option, const char *text)
{
    if (text != NULL) {
        curl_easy_setopt(curl, option, text);
    }
}

static void set_section(CURL *curl, const retrace_repo_section_t *section)
{
    set_text(curl, CURLOPT_CAINFO, section->sslcacert);
    set_text(curl, CURLOPT_SSLCERT, section->sslclientcert);
    set_text(curl, CURLOPT_SSLKEY, section->sslclientkey);
    if (section->proxy != NULL) {
        set_text(curl, CURLOPT_PROXY, strcmp(section->proxy, "_none_") == 0 ? "" : section->proxy);
        set_text(curl, CURLOPT_PROXYUSERNAME, section->proxy_username);
        set_text(curl, CURLOPT_PROXYPASSWORD, section->proxy_password);
    }
}

/* Whoever serves a list of mirrors must not be able to have the password sent to where it likes. */
static void set_login(CURL *curl, const retrace_repo_section_t *section, const reposync_url_t *url)
{
    if (url->is_configured) {
        set_text(curl, CURLOPT_USERNAME, section->username);
        set_text(curl, CURLOPT_PASSWORD, section->password);
    }
}

static void set_options(CURL *curl, transfer_t *transfer, const reposync_url_t *url)
{
    const reposync_download_t *download = transfer->download;

    retrace_curl_guard(curl, download->section->sslverify);
    retrace_curl_allow(curl, "https,http,ftp,file", reposync_url_redirects(url->scheme),
                       REPOSYNC_REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)download->sync->timeout_s);
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)download->sync->timeout_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)REPOSYNC_LEAST_BPS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)download->sync->timeout_s);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->message);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->offset);
    set_section(curl, download->section);
    set_login(curl, download->section, url);
}

/* --- One attempt --------------------------------------------------------------------------- */

static bool is_missing(CURLcode code, long status)
{
    return code == CURLE_REMOTE_FILE_NOT_FOUND || code == CURLE_FILE_COULDNT_READ_FILE
        || (code == CURLE_HTTP_RETURNED_ERROR && (status == HTTP_NOT_FOUND || status == HTTP_GONE));
}

static apr_status_t judge(const transfer_t *transfer, CURLcode code, long status,
                          retrace_error_t *err)
{
    if (code == CURLE_OK) {
        return APR_SUCCESS;
    }
    if (transfer->is_over) {
        return retrace_fail(err, REPOSYNC_INTERRUPTED, "download");
    }
    if (transfer->is_too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return retrace_fail(err, APR_EINVAL, "it has more than %ld bytes",
                            (long)transfer->max_bytes);
    }
    if (transfer->failure != APR_SUCCESS) {
        return retrace_fail(err, transfer->failure, "write what the server sends");
    }
    if (is_missing(code, status)) {
        return retrace_fail(err, APR_NOTFOUND, "the server does not have it");
    }
    return retrace_fail(err, APR_TIMEUP, "%s",
                        transfer->message[0] != '\0' ? transfer->message
                                                     : curl_easy_strerror(code));
}

/* Would it help to ask for all of it? */
static bool is_range_refused(const transfer_t *transfer, CURLcode code, long status)
{
    return transfer->offset > 0
        && (code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME
            || code == CURLE_FTP_COULDNT_USE_REST
            || (code == CURLE_HTTP_RETURNED_ERROR && status == HTTP_RANGE));
}

static apr_status_t attempt(bool *pis_range_refused, const reposync_download_t *download, int fd,
                            const reposync_url_t *url, int64_t max_bytes, retrace_error_t *err)
{
    transfer_t transfer = { .download = download,
                            .fd = fd,
                            .offset = (int64_t)lseek(fd, 0, SEEK_END),
                            .max_bytes = max_bytes,
                            .start_ms = retrace_clock_ms() };
    long status = 0;
    CURLcode code;

    if (transfer.offset < 0) {
        return retrace_fail(err, errno, "look at a file");
    }
    set_options(download->curl, &transfer, url);
    curl_easy_setopt(download->curl, CURLOPT_URL, url->text);
    code = curl_easy_perform(download->curl);
    (void)curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);
    *pis_range_refused = is_range_refused(&transfer, code, status);
    curl_easy_reset(download->curl); /* it must forget the transfer; connections stay */
    return judge(&transfer, code, status, err);
}

apr_status_t reposync_download(const reposync_download_t *download, int fd,
                               const reposync_url_t *url, int64_t max_bytes, retrace_error_t *err)
{
    bool is_range_refused = false;
    apr_status_t rv = attempt(&is_range_refused, download, fd, url, max_bytes, err);

    if (is_range_refused) {
        rv = ftruncate(fd, 0) == 0 ? attempt(&is_range_refused, download, fd, url, max_bytes, err)
                                   : retrace_fail(err, errno, "empty a file");
    }
    return rv;
}
