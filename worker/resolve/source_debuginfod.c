/* SPDX-License-Identifier: Apache-2.0 */
/* debuginfod servers (debuginfod(8)): `GET <url>/buildid/<id>/executable|debuginfo`. What comes is
 * checked before it gets into the cache, since a server may send anything. One file after the other
 * over one connection: the line is the bottleneck, not the waiting. */
#include <apr_strings.h>
#include <apr_time.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"
#include "worker/resolve/fetch.h"
#include "worker/resolve/misses.h"
#include "worker/resolve/source.h"
#include "worker/text.h"

#define NAME       "debuginfod"
#define MAX_SILENT 2 /* times that a server did not answer: then it is not asked again */
#define TIME_SHARE 2 /* of MaxTaskRuntime: one half is for gdb */
#define LOCKS      "fetching"
#define MS         INT64_C(1000) /* in a second */

typedef struct server_t {
    const char *url;
    int silent;
} server_t;

typedef struct worker_debuginfod_t {
    apr_array_header_t *servers; /* of server_t */
    worker_fetch_t *fetch;       /* NULL: libcurl could not be started */
    int64_t deadline_ms;
} worker_debuginfod_t;

/* One file that is looked for. */
typedef struct quest_t {
    worker_debuginfod_t *session;
    const retrace_config_t *config;
    const worker_want_t *want;
    bool is_miss; /* each server has said that it does not have it */
    apr_pool_t *pool;
} quest_t;

/* --- The session --------------------------------------------------------------------------- */

static worker_debuginfod_t *open_session(const retrace_config_t *config,
                                         const worker_search_t *search, apr_pool_t *p)
{
    worker_debuginfod_t *session = apr_pcalloc(p, sizeof(*session));
    apr_array_header_t *urls = apr_array_make(p, 2, sizeof(const char *));
    retrace_error_t err;
    char *rest = NULL;
    char *url = apr_strtok(apr_pstrdup(p, config->debuginfod_urls), RETRACE_CONFIG_BLANKS, &rest);

    session->servers = apr_array_make(p, 2, sizeof(server_t));
    for (; url != NULL; url = apr_strtok(NULL, RETRACE_CONFIG_BLANKS, &rest)) {
        APR_ARRAY_PUSH(session->servers, server_t) = (server_t){ url, 0 };
        APR_ARRAY_PUSH(urls, const char *) = url;
    }
    session->deadline_ms = retrace_clock_ms() + config->max_task_runtime_s * MS / TIME_SHARE;
    if (session->servers->nelts > 0) {
        if (worker_fetch_make(&session->fetch, urls, &err, p) != APR_SUCCESS) {
            worker_search_tell(search, 'W',
                               apr_pstrcat(p, "No debuginfod server is asked: ", err.text, NULL));
        }
        worker_misses_prune(config, apr_time_sec(apr_time_now()));
    }
    return session;
}

static int64_t left_ms(const quest_t *quest)
{
    int64_t one = quest->config->debuginfod_timeout_s * MS;
    int64_t all = quest->session->deadline_ms - retrace_clock_ms();

    return one < all ? one : all;
}

static void note_asked(const quest_t *quest, const server_t *server)
{
    worker_search_t *search = quest->want->search;

    search->servers = worker_text_list(search->servers, server->url, quest->pool);
}

/* --- One server ---------------------------------------------------------------------------- */

static const char *url_of(const server_t *server, const worker_want_t *want, apr_pool_t *p)
{
    size_t length = strlen(server->url);

    while (length > 0 && server->url[length - 1] == '/') {
        length--;
    }
    /* To it a dwz file is debug information like any other. */
    return apr_psprintf(p, "%.*s/buildid/%s/%s", (int)length, server->url, want->build_id,
                        worker_file_kind_name(want->kind == WORKER_FILE_EXECUTABLE
                                                  ? WORKER_FILE_EXECUTABLE
                                                  : WORKER_FILE_DEBUGINFO));
}

/* The cache's file system keeps MinStorageLeft, too. */
static int64_t largest_bytes(const quest_t *quest)
{
    int64_t limit_bytes = quest->config->debuginfod_max_mb * RETRACE_MIB;
    int64_t room_bytes = worker_cache_room(quest->config);

    return room_bytes < limit_bytes ? room_bytes : limit_bytes;
}

static apr_status_t fetch_into(worker_found_t **pfound, int fd, const quest_t *quest,
                               const char *url, retrace_error_t *err)
{
    const retrace_config_t *config = quest->config;
    worker_elf_file_t *elf = NULL;
    apr_pool_t *p = quest->pool;
    apr_status_t rv = worker_fetch_get(quest->session->fetch, fd, url, largest_bytes(quest),
                                       left_ms(quest), err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (worker_source_check_open(&elf, fd, "what the server sends", quest->want, err, p)
        != APR_SUCCESS) {
        return APR_EINVAL;
    }
    rv = worker_cache_insert(pfound, config, quest->want, apr_psprintf(p, "/proc/self/fd/%d", fd),
                             err, p);
    return rv != APR_NOTFOUND ? rv : APR_EINVAL; /* no word of the server's */
}

/* What comes is in a file without a name: nothing is left, however this process ends. */
static apr_status_t fetch(worker_found_t **pfound, const quest_t *quest, const char *url,
                          retrace_error_t *err)
{
    int fd = -1;
    apr_status_t rv = worker_cache_temporary(&fd, quest->config, err, quest->pool);

    if (rv == APR_SUCCESS) {
        rv = fetch_into(pfound, fd, quest, url, err);
        (void)close(fd);
    }
    return rv;
}

/* For the log; NULL: nothing that is worth a line. */
static const char *describe_end(const server_t *server, const char *url, apr_status_t rv,
                                int64_t took_ms, const char *reason, apr_pool_t *p)
{
    switch (rv) {
    case APR_SUCCESS:
        return apr_psprintf(p, "Fetched in %ld ms: %s", (long)took_ms, url);
    case APR_NOTFOUND:
        return NULL;
    case APR_TIMEUP:
        return apr_psprintf(p, "No answer: %s (%s)%s", url, reason,
                            server->silent == MAX_SILENT ? "; this server is not asked again" : "");
    default:
        return apr_psprintf(p, "Not used: %s (%s)", url, reason);
    }
}

static apr_status_t ask(worker_found_t **pfound, const quest_t *quest, server_t *server,
                        retrace_error_t *err)
{
    const char *url = url_of(server, quest->want, quest->pool);
    int64_t start_ms = retrace_clock_ms();
    retrace_error_t why = { 0 };
    apr_status_t rv = fetch(pfound, quest, url, &why);
    const char *end;

    if (rv == APR_TIMEUP) {
        server->silent++;
    }
    end = describe_end(server, url, rv, retrace_clock_ms() - start_ms, why.text, quest->pool);
    if (end != NULL) {
        worker_search_tell(quest->want->search, rv == APR_SUCCESS ? 'I' : 'W', end);
    }
    return rv == APR_SUCCESS ? rv : retrace_fail(err, rv, "%s: %s", server->url, why.text);
}

/* --- All servers --------------------------------------------------------------------------- */

static apr_status_t ask_all(worker_found_t **pfound, quest_t *quest, retrace_error_t *err)
{
    const apr_array_header_t *servers = quest->session->servers;
    apr_status_t rv = retrace_fail(err, APR_NOTFOUND, "no debuginfod server answers");
    int absent = 0;
    int i;

    for (i = 0; i < servers->nelts && rv != APR_SUCCESS; i++) {
        server_t *server = &APR_ARRAY_IDX(servers, i, server_t);

        if (server->silent >= MAX_SILENT) {
            continue;
        }
        if (left_ms(quest) <= 0) {
            return retrace_fail(err, APR_TIMEUP, "the time for downloads is over");
        }
        note_asked(quest, server);
        rv = ask(pfound, quest, server, err);
        absent += rv == APR_NOTFOUND;
    }
    quest->is_miss = absent == servers->nelts;
    return rv;
}

static void note_all_asked(const quest_t *quest)
{
    const apr_array_header_t *servers = quest->session->servers;
    int i;

    for (i = 0; i < servers->nelts; i++) {
        note_asked(quest, &APR_ARRAY_IDX(servers, i, server_t));
    }
}

/* Another task may have asked just before. @return whether *prv is the answer */
static bool is_known(worker_found_t **pfound, apr_status_t *prv, const quest_t *quest,
                     retrace_error_t *err)
{
    const retrace_config_t *config = quest->config;
    apr_pool_t *p = quest->pool;

    *prv = worker_source_cache.find(pfound, config, quest->want, NULL, p);
    if (*prv == APR_SUCCESS) {
        return true;
    }
    if (!worker_miss_is_known(config, quest->want, apr_time_sec(apr_time_now()), p)) {
        return false;
    }
    note_all_asked(quest);
    *prv = retrace_fail(err, APR_NOTFOUND, "no debuginfod server had it less than %ld s ago",
                        (long)config->debuginfod_miss_s);
    return true;
}

static apr_status_t ask_and_remember(worker_found_t **pfound, quest_t *quest, retrace_error_t *err)
{
    apr_status_t rv = ask_all(pfound, quest, err);

    if (rv == APR_SUCCESS) {
        (*pfound)->source = NAME;
        worker_miss_forget(quest->config, quest->want, quest->pool);
    }
    else if (quest->is_miss) {
        worker_miss_remember(quest->config, quest->want, quest->pool);
    }
    return rv;
}

/* Who has waited for as long as one download may take asks without the lock: to fetch a file twice
 * is better than to do without it. Files of other build-ids share the lock. */
static int lock(const quest_t *quest)
{
    const char *name = apr_psprintf(quest->pool, "%.2s.lock", quest->want->build_id);
    int top = -1;
    int directory = -1;
    int fd = -1;

    if (retrace_fs_open_dir(&top, AT_FDCWD, quest->config->cache_dir, NULL) != APR_SUCCESS) {
        return -1;
    }
    if (retrace_fs_make_dir(&directory, top, LOCKS, 0750, NULL) == APR_SUCCESS) {
        (void)retrace_fs_lock_within(&fd, directory, name, left_ms(quest), NULL);
        (void)close(directory);
    }
    (void)close(top);
    return fd;
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    worker_search_t *search = want->search;
    quest_t quest = { .config = config, .want = want, .pool = p };
    apr_status_t rv;
    int fd;

    if (search == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "no core wants it");
    }
    search->servers = "";
    if (search->debuginfod == NULL) {
        search->debuginfod = open_session(config, search, p);
    }
    quest.session = search->debuginfod;
    if (quest.session->fetch == NULL) {
        return APR_NOTFOUND; /* err keeps what the source before has said */
    }
    if (is_known(pfound, &rv, &quest, err)) {
        return rv;
    }
    fd = lock(&quest);
    if (!is_known(pfound, &rv, &quest, err)) {
        rv = ask_and_remember(pfound, &quest, err);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return rv;
}

const worker_source_t worker_source_debuginfod = { NAME, find };
