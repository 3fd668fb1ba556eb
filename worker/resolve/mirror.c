/* SPDX-License-Identifier: Apache-2.0 */
/* See mirror.h: which servers there are, and a package from one of them. Its place is mirror_place.c. */
#include "worker/resolve/mirror.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/repo_config.h"
#include "worker/resolve/fetch.h"
#include "worker/resolve/mirror_private.h"

#define MS          1000
#define TIME_SHARE  2 /* of MaxTaskRuntime: one half is for gdb */
#define FILE_SCHEME "file://"
#define COPY_BLOCK  (256 * 1024) /* bytes of one read */

typedef struct server_t {
    const char *url;
    worker_fetch_t *fetch; /* NULL: a directory of this machine */
    int silent;            /* how often it has not answered */
} server_t;

struct worker_mirror_t {
    const retrace_config_t *config;
    apr_array_header_t *servers; /* of server_t */
    int64_t deadline_ms;
    worker_mirror_tell_fn tell;
    void *baton;
};

/* --- Opening ------------------------------------------------------------------------------- */

static bool is_local(const char *url)
{
    return strncasecmp(url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
}

static const char *user_of(const char *name, const char *password, apr_pool_t *p)
{
    return name != NULL && password != NULL ? apr_pstrcat(p, name, ":", password, NULL) : name;
}

static const worker_fetch_access_t *access_of(const retrace_repo_section_t *section, apr_pool_t *p)
{
    worker_fetch_access_t *access = apr_pcalloc(p, sizeof(*access));

    access->is_unverified = !section->sslverify;
    access->ca_file = section->sslcacert;
    access->client_cert = section->sslclientcert;
    access->client_key = section->sslclientkey;
    access->proxy =
        section->proxy != NULL && strcmp(section->proxy, "_none_") != 0 ? section->proxy : NULL;
    access->proxy_user = user_of(section->proxy_username, section->proxy_password, p);
    access->user = user_of(section->username, section->password, p);
    return access;
}

/* All servers of a section share connections and what their redirects may lead to. */
static apr_status_t add_servers(worker_mirror_t *mirror, const retrace_repo_section_t *section,
                                const retrace_repo_variables_t *variables, retrace_error_t *err,
                                apr_pool_t *p)
{
    apr_array_header_t *urls = apr_array_make(p, 2, sizeof(const char *));
    worker_fetch_t *fetch = NULL;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < section->baseurls->nelts && rv == APR_SUCCESS; i++) {
        rv = retrace_repo_url((const char **)apr_array_push(urls),
                              APR_ARRAY_IDX(section->baseurls, i, const char *), variables, err, p);
    }
    if (rv == APR_SUCCESS && urls->nelts > 0) {
        rv = worker_fetch_make(&fetch, urls, err, p);
    }
    if (rv != APR_SUCCESS || urls->nelts == 0) {
        return rv;
    }
    worker_fetch_set_access(fetch, access_of(section, p));
    for (i = 0; i < urls->nelts; i++) {
        const char *url = APR_ARRAY_IDX(urls, i, const char *);

        APR_ARRAY_PUSH(mirror->servers, server_t) =
            (server_t){ .url = url, .fetch = is_local(url) ? NULL : fetch };
    }
    return rv;
}

apr_status_t worker_mirror_open(worker_mirror_t **pmirror, const retrace_config_t *config,
                                const char *release, worker_mirror_tell_fn tell, void *baton,
                                retrace_error_t *err, apr_pool_t *p)
{
    worker_mirror_t *mirror = apr_pcalloc(p, sizeof(*mirror));
    apr_array_header_t *sections = NULL;
    retrace_repo_variables_t variables = { "", "" };
    apr_status_t rv = retrace_repo_config_read(&sections, config->repo_config_dir, release, err, p);
    int i;

    mirror->config = config;
    mirror->servers = apr_array_make(p, 4, sizeof(server_t));
    mirror->tell = tell;
    mirror->baton = baton;
    mirror->deadline_ms = retrace_clock_ms() + config->max_task_runtime_s * MS / TIME_SHARE;
    if (rv == APR_SUCCESS && !retrace_repo_variables(&variables, release, p)) {
        rv = retrace_fail(err, APR_EINVAL, "%s is no name of a release", release);
    }
    for (i = 0; rv == APR_SUCCESS && i < sections->nelts; i++) {
        const retrace_repo_section_t *section =
            APR_ARRAY_IDX(sections, i, const retrace_repo_section_t *);

        if (section->is_enabled) {
            rv = add_servers(mirror, section, &variables, err, p);
        }
    }
    if (rv == APR_SUCCESS && mirror->servers->nelts == 0) {
        rv = retrace_fail(err, APR_EINVAL, "%s/%s.repo has no baseurl of an enabled section",
                          config->repo_config_dir, release);
    }
    if (rv == APR_SUCCESS) {
        *pmirror = mirror;
    }
    return rv;
}

/* --- One server ---------------------------------------------------------------------------- */

static int64_t left_ms(const worker_mirror_t *mirror)
{
    int64_t one = mirror->config->debuginfod_timeout_s * MS;
    int64_t all = mirror->deadline_ms - retrace_clock_ms();

    return one < all ? one : all;
}

const retrace_config_t *worker_mirror_config(const worker_mirror_t *mirror)
{
    return mirror->config;
}

int64_t worker_mirror_deadline_ms(const worker_mirror_t *mirror)
{
    return retrace_clock_ms() + left_ms(mirror);
}

static apr_status_t copy_blocks(int to, int from, int64_t left, char *block, retrace_error_t *err)
{
    ssize_t length;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && (length = read(from, block, COPY_BLOCK)) != 0) {
        if (length < 0) {
            return retrace_fail(err, errno, "read it");
        }
        left -= length;
        if (left < 0) {
            return retrace_fail(err, APR_EINVAL, "the file is longer than it should be");
        }
        rv = retrace_fs_write_all(to, block, (apr_size_t)length);
        if (rv != APR_SUCCESS) {
            rv = retrace_fail(err, rv, "write it");
        }
    }
    return rv;
}

static apr_status_t copy_local(int to, const char *path, int64_t size, retrace_error_t *err)
{
    struct stat info;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *block = NULL;
    apr_status_t rv;

    if (from < 0) {
        return retrace_fail(err, errno, "open it");
    }
    block = malloc(COPY_BLOCK);
    if (block == NULL || ftruncate(to, 0) != 0 || lseek(to, 0, SEEK_SET) != 0) {
        rv = retrace_fail(err, errno, "empty a file");
    }
    else if (fstat(from, &info) != 0 || !S_ISREG(info.st_mode)) {
        rv = retrace_fail(err, APR_EINVAL, "it is not a regular file");
    }
    else {
        rv = copy_blocks(to, from, size, block, err);
    }
    free(block);
    (void)close(from);
    return rv;
}

/* Of a name every character but letters, digits and a few more, so that it means itself in a URL. */
static const char *escape(const char *location, apr_pool_t *p)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-~";
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = apr_palloc(p, 3 * strlen(location) + 1);
    char *to = escaped;

    for (; *location != '\0'; location++) {
        if (strchr(plain, *location) != NULL) {
            *to++ = *location;
            continue;
        }
        *to++ = '%';
        *to++ = digits[(unsigned char)*location >> 4];
        *to++ = digits[(unsigned char)*location & 15];
    }
    *to = '\0';
    return escaped;
}

static apr_status_t check(int fd, const worker_remote_file_t *remote, retrace_error_t *err)
{
    retrace_checksum_t checksum;
    struct stat info;

    if (fstat(fd, &info) != 0 || info.st_size != remote->size) {
        return retrace_fail(err, APR_EINVAL, "it has another size than repodata say");
    }
    if (!retrace_checksum_parse(&checksum, remote->type, remote->checksum)) {
        return retrace_fail(err, APR_EINVAL, "its checksum is of an unknown form");
    }
    return retrace_checksum_verify(&checksum, fd, err);
}

static apr_status_t get_from(const worker_mirror_t *mirror, const server_t *server, int fd,
                             const worker_candidate_t *candidate, retrace_error_t *err,
                             apr_pool_t *p)
{
    const worker_remote_file_t *remote = candidate->remote;
    apr_status_t rv;

    if (server->fetch == NULL) {
        rv = copy_local(
            fd, apr_pstrcat(p, server->url + strlen(FILE_SCHEME), "/", candidate->file, NULL),
            remote->size, err);
    }
    else {
        rv = worker_fetch_get(server->fetch, fd,
                              apr_pstrcat(p, server->url, "/", escape(candidate->file, p), NULL),
                              remote->size, left_ms(mirror), err, p);
    }
    return rv == APR_SUCCESS ? check(fd, remote, err) : rv;
}

/* --- All servers --------------------------------------------------------------------------- */

static void tell(const worker_mirror_t *mirror, const server_t *server,
                 const worker_candidate_t *candidate, apr_status_t rv, int64_t took_ms,
                 const retrace_error_t *why, apr_pool_t *p)
{
    const char *text;

    if (mirror->tell == NULL) {
        return;
    }
    text = rv == APR_SUCCESS
        ? apr_psprintf(p, "Fetched in %ld ms: %s/%s", (long)took_ms, server->url, candidate->file)
        : apr_psprintf(
            p, "Not fetched: %s/%s (%s)%s", server->url, candidate->file, why->text,
            server->silent == WORKER_MIRROR_MAX_SILENT ? "; this server is not asked again" : "");
    mirror->tell(mirror->baton, rv == APR_SUCCESS ? 'I' : 'W', text);
}

apr_status_t worker_mirror_fetch(worker_mirror_t *mirror, int fd,
                                 const worker_candidate_t *candidate, retrace_error_t *err,
                                 apr_pool_t *p)
{
    apr_status_t rv = retrace_fail(err, APR_NOTFOUND, "no server of its release answers");
    retrace_error_t why;
    int i;

    for (i = 0; i < mirror->servers->nelts && rv != APR_SUCCESS; i++) {
        server_t *server = &APR_ARRAY_IDX(mirror->servers, i, server_t);
        int64_t start_ms = retrace_clock_ms();

        if (server->silent >= WORKER_MIRROR_MAX_SILENT) {
            continue;
        }
        if (left_ms(mirror) <= 0) {
            return retrace_fail(err, APR_TIMEUP, "the time for downloads is over");
        }
        rv = get_from(mirror, server, fd, candidate, &why, p);
        server->silent += rv == APR_TIMEUP;
        tell(mirror, server, candidate, rv, retrace_clock_ms() - start_ms, &why, p);
        if (rv != APR_SUCCESS) {
            (void)retrace_fail(err, APR_EINVAL, "it cannot be fetched: %s", why.text);
        }
    }
    return rv;
}
