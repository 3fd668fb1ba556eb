/* SPDX-License-Identifier: Apache-2.0 */
/* See load.h. */
#include "mod_retrace/load.h"

#include <apr_strings.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/estimate.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/spool.h"

#define RETRY_MIN_S 10
#define RETRY_MAX_S 600

/* Calls `visit` for each id in a directory of the spool. */
static void each_entry(int root, const char *name,
                       void (*visit)(void *baton, int directory, uint32_t id), void *baton)
{
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    uint32_t id = 0;

    if (listing == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    while ((entry = readdir(listing)) != NULL) {
        if (retrace_id_parse(entry->d_name, &id)) {
            visit(baton, dirfd(listing), id);
        }
    }
    (void)closedir(listing);
}

static void count_one(void *baton, int directory, uint32_t id)
{
    (void)directory;
    (void)id;
    ++*(int *)baton;
}

mr_load_t mr_load_read(const retrace_config_t *config)
{
    mr_load_t load = { 0, 0, false };
    int root = -1;

    if (retrace_fs_open_dir(&root, AT_FDCWD, config->save_dir, NULL) != APR_SUCCESS) {
        load.is_full = true;
        return load;
    }
    each_entry(root, RETRACE_DIR_QUEUE, count_one, &load.queued);
    each_entry(root, RETRACE_DIR_RUNNING, count_one, &load.running);
    (void)close(root);
    load.is_full =
        load.running + load.queued >= config->max_parallel_tasks + config->max_queued_tasks;
    return load;
}

typedef struct position_t {
    struct timespec since; /* of the entry that is asked for */
    uint32_t id;
    int ahead;
} position_t;

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void count_before(void *baton, int directory, uint32_t id)
{
    position_t *position = baton;
    struct stat info;

    if (id != position->id
        && fstatat(directory, retrace_id_format(id).text, &info, AT_SYMLINK_NOFOLLOW) == 0
        && is_before(&info.st_mtim, &position->since)) {
        position->ahead++;
    }
}

int mr_load_ahead(int root, uint32_t id, apr_pool_t *p)
{
    position_t position = { .id = id };
    const char *name = apr_pstrcat(p, RETRACE_DIR_QUEUE "/", retrace_id_format(id).text, NULL);
    struct stat info;

    if (fstatat(root, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return -1;
    }
    position.since = info.st_mtim;
    each_entry(root, RETRACE_DIR_QUEUE, count_before, &position);
    return position.ahead;
}

const char *mr_load_statistics(const retrace_config_t *config, const char *name, apr_size_t max,
                               apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, config->save_dir, "/" RETRACE_DIR_STATISTICS "/", name, NULL);
    const char *text = "";

    (void)retrace_fs_read(&text, NULL, AT_FDCWD, path, max, NULL, p);
    return text;
}

int mr_load_retry_s(const retrace_config_t *config, apr_pool_t *p)
{
    const char *text = mr_load_statistics(config, RETRACE_FILE_ESTIMATES, RETRACE_ESTIMATES_MAX, p);
    int64_t seconds = retrace_estimate_find(text, NULL, NULL) / config->max_parallel_tasks;

    if (seconds < RETRY_MIN_S) {
        return RETRY_MIN_S;
    }
    return seconds < RETRY_MAX_S ? (int)seconds : RETRY_MAX_S;
}
