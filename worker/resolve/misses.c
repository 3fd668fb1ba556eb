/* SPDX-License-Identifier: Apache-2.0 */
/* See misses.h. The file's time is when, its content are the servers that were asked. */
#include "worker/resolve/misses.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"

#define DIRECTORY "missing"

typedef struct pruning_t {
    const retrace_config_t *config;
    int directory;
    time_t now;
} pruning_t;

static const char *name_of(const worker_want_t *want, apr_pool_t *p)
{
    return apr_pstrcat(p, want->build_id, ".", worker_file_kind_name(want->kind), NULL);
}

static int open_directory(const retrace_config_t *config, bool make)
{
    int top = -1;
    int directory = -1;

    if (retrace_fs_open_dir(&top, AT_FDCWD, config->cache_dir, NULL) != APR_SUCCESS) {
        return -1;
    }
    if (make) {
        (void)retrace_fs_make_dir(&directory, top, DIRECTORY, 0750, NULL);
    }
    else {
        (void)retrace_fs_open_dir(&directory, top, DIRECTORY, NULL);
    }
    (void)close(top);
    return directory;
}

/* One from the future is none: somebody has set the clock. */
static bool is_recent(int directory, const char *name, const retrace_config_t *config, time_t now)
{
    struct stat info;

    return fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_mtime <= now
        && now - info.st_mtime < config->debuginfod_miss_s;
}

bool worker_miss_is_known(const retrace_config_t *config, const worker_want_t *want, time_t now,
                          apr_pool_t *p)
{
    const char *name = name_of(want, p);
    const char *servers = NULL;
    int directory = open_directory(config, false);
    bool is_known;

    if (directory < 0) {
        return false;
    }
    is_known = is_recent(directory, name, config, now)
        && retrace_fs_read(&servers, NULL, directory, name, RETRACE_CONFIG_MAX_BYTES, NULL, p)
            == APR_SUCCESS
        && strcmp(servers, config->debuginfod_urls) == 0;
    (void)close(directory);
    return is_known;
}

static bool is_full(int directory)
{
    int count = 0;

    return retrace_fs_count(&count, directory, WORKER_MISSES_MAX, NULL) != APR_SUCCESS
        || count >= WORKER_MISSES_MAX;
}

void worker_miss_remember(const retrace_config_t *config, const worker_want_t *want, apr_pool_t *p)
{
    int directory;

    if (config->debuginfod_miss_s == 0 || (directory = open_directory(config, true)) < 0) {
        return;
    }
    if (!is_full(directory)) {
        (void)retrace_fs_replace(directory, name_of(want, p), config->debuginfod_urls,
                                 strlen(config->debuginfod_urls), 0640, false, NULL);
    }
    (void)close(directory);
}

void worker_miss_forget(const retrace_config_t *config, const worker_want_t *want, apr_pool_t *p)
{
    int directory = open_directory(config, false);

    if (directory >= 0) {
        (void)unlinkat(directory, name_of(want, p), 0);
        (void)close(directory);
    }
}

static bool prune_one(void *baton, const char *name)
{
    const pruning_t *pruning = baton;

    if (!is_recent(pruning->directory, name, pruning->config, pruning->now)) {
        (void)unlinkat(pruning->directory, name, 0);
    }
    return true;
}

void worker_misses_prune(const retrace_config_t *config, time_t now)
{
    pruning_t pruning = { config, open_directory(config, false), now };

    if (pruning.directory >= 0) {
        (void)retrace_fs_each(pruning.directory, prune_one, &pruning, NULL);
        (void)close(pruning.directory);
    }
}
