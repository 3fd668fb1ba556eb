/* SPDX-License-Identifier: Apache-2.0 */
/* The cache: `CacheDir/<first two digits>/<rest>/{executable,debuginfo,dwz}`. A file is written
 * under a name of its own, then renamed to its final one: all tasks share it, none sees half of it.
 * What is found is held before it is looked at: what is there then stays (cache_hold.h). */
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/cache_account.h"
#include "worker/resolve/cache_entries.h"
#include "worker/resolve/cache_hold.h"
#include "worker/resolve/cache_trim.h"
#include "worker/resolve/source.h"

#define COPY_STEP      (64 * 1024 * 1024) /* bytes of one sendfile */
#define BLOCK          INT64_C(4096)      /* what file systems allocate by */
#define MAKE_ATTEMPTS  16                 /* an upper directory that was empty may go meanwhile */
#define DIRECTORY_MODE 0750

static const char *directory_of(const retrace_config_t *config, const worker_want_t *want,
                                apr_pool_t *p)
{
    return worker_cache_entry_path(config->cache_dir, want->build_id, p);
}

static worker_cache_hold_t *hold_of(const worker_want_t *want)
{
    return want->search != NULL ? want->search->errand->hold : NULL;
}

static apr_status_t look(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    const char *path =
        apr_pstrcat(p, directory_of(config, want, p), "/", worker_file_kind_name(want->kind), NULL);
    apr_status_t rv = worker_source_check(pfound, path, want, worker_source_cache.name, err, p);

    if (rv == APR_SUCCESS) {
        worker_cache_entry_touch(config->cache_dir, want->build_id, p);
    }
    return rv;
}

/* What cannot be held might be removed before it is used: it is a miss. */
static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    worker_cache_hold_t *hold = hold_of(want);

    if (hold != NULL && worker_cache_hold_share(hold, want->build_id, err) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    return look(pfound, config, want, err, p);
}

const worker_source_t worker_source_cache = { "cache", find };

/* --- Space --------------------------------------------------------------------------------- */

static int64_t room_at(const retrace_config_t *config, int fd)
{
    return retrace_fs_free_bytes(fd) - config->min_storage_left_mb * RETRACE_MIB;
}

int64_t worker_cache_room(const retrace_config_t *config)
{
    int64_t room_bytes = 0;
    int top = -1;

    if (retrace_fs_open_dir(&top, AT_FDCWD, config->cache_dir, NULL) == APR_SUCCESS) {
        room_bytes = room_at(config, top);
        (void)close(top);
    }
    return room_bytes > 0 ? room_bytes : 0;
}

static apr_status_t require_room(const retrace_config_t *config, int fd, int64_t bytes,
                                 retrace_error_t *err)
{
    if (room_at(config, fd) >= bytes) {
        return APR_SUCCESS;
    }
    return retrace_fail(err, APR_ENOSPC,
                        "less than MinStorageLeft (%ld MB) would be free in CacheDir",
                        (long)config->min_storage_left_mb);
}

/* Where the file system knows no O_TMPFILE (NFS). */
static int make_and_unlink(const retrace_config_t *config, apr_pool_t *p)
{
    char *name = apr_pstrcat(p, config->cache_dir, "/.new-XXXXXX", NULL);
    int fd = mkostemp(name, O_CLOEXEC);

    if (fd >= 0) {
        (void)unlink(name);
    }
    return fd;
}

apr_status_t worker_cache_temporary(int *pfd, const retrace_config_t *config, retrace_error_t *err,
                                    apr_pool_t *p)
{
    int fd = open(config->cache_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    apr_status_t rv;

    if (fd < 0) {
        fd = make_and_unlink(config, p);
    }
    if (fd < 0) {
        return retrace_fail(err, errno, "make a file in the cache");
    }
    rv = require_room(config, fd, 0, err);
    if (rv != APR_SUCCESS) {
        (void)close(fd);
        return rv;
    }
    *pfd = fd;
    return APR_SUCCESS;
}

/* --- Inserting ----------------------------------------------------------------------------- */

/* What the trimmer finds empty it removes. */
static apr_status_t make_entry(int *pfd, int top, const char *build_id, retrace_error_t *err,
                               apr_pool_t *p)
{
    apr_status_t rv = APR_ENOENT;
    int attempt;

    for (attempt = 0; attempt < MAKE_ATTEMPTS && rv == APR_ENOENT; attempt++) {
        int upper = -1;

        rv = retrace_fs_make_dir(&upper, top, apr_pstrndup(p, build_id, 2), DIRECTORY_MODE, err);
        if (rv == APR_SUCCESS) {
            rv = retrace_fs_make_dir(pfd, upper, build_id + 2, DIRECTORY_MODE, err);
            (void)close(upper);
        }
    }
    return rv;
}

static apr_status_t copy_bytes(int to, int from, retrace_error_t *err)
{
    ssize_t sent;

    do {
        sent = sendfile(to, from, NULL, COPY_STEP);
    }
    while (sent > 0 || (sent < 0 && errno == EINTR));
    return sent == 0 ? APR_SUCCESS : retrace_fail(err, errno, "copy into the cache");
}

static apr_status_t copy_file(int directory, const char *name, const char *path,
                              retrace_error_t *err)
{
    apr_status_t rv;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int to;

    if (from < 0) {
        return retrace_fail(err, errno, "open %s", path);
    }
    to = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0440);
    if (to < 0) {
        rv = retrace_fail(err, errno, "make a file in the cache");
    }
    else {
        rv = copy_bytes(to, from, err);
        if (close(to) != 0 && rv == APR_SUCCESS) {
            rv = retrace_fail(err, errno, "write into the cache");
        }
    }
    (void)close(from);
    return rv;
}

static apr_status_t publish(worker_found_t **pfound, int directory, const char *temporary,
                            const char *name, const retrace_config_t *config,
                            const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, directory_of(config, want, p), "/", temporary, NULL);
    /* Checked again: the file that was copied could have been exchanged after the first look. */
    apr_status_t rv = worker_source_check(pfound, path, want, worker_source_cache.name, err, p);

    if (rv == APR_SUCCESS && renameat(directory, temporary, directory, name) != 0) {
        rv = retrace_fail(err, errno, "publish a file in the cache");
    }
    return rv == APR_SUCCESS ? look(pfound, config, want, err, p) : rv;
}

/* A place for one file, while it is filled. */
typedef struct insertion_t {
    const retrace_config_t *config;
    const worker_want_t *want;
    int top;
    int directory;
    apr_pool_t *pool;
} insertion_t;

static apr_status_t copy_and_publish(worker_found_t **pfound, const insertion_t *insertion,
                                     const char *path, retrace_error_t *err)
{
    const char *name = worker_file_kind_name(insertion->want->kind);
    const char *temporary = apr_pstrcat(insertion->pool, name, ".new", NULL);
    apr_status_t rv;

    (void)unlinkat(insertion->directory, temporary, 0); /* of one who was killed */
    rv = copy_file(insertion->directory, temporary, path, err);
    if (rv == APR_SUCCESS) {
        rv = publish(pfound, insertion->directory, temporary, name, insertion->config,
                     insertion->want, err, insertion->pool);
    }
    (void)unlinkat(insertion->directory, temporary, 0);
    return rv;
}

/* Says that it comes, makes room, and says so again where somebody has counted before it came. */
static apr_status_t add_file(worker_found_t **pfound, const insertion_t *insertion,
                             const char *path, int64_t bytes, retrace_error_t *err)
{
    const retrace_config_t *config = insertion->config;
    int64_t limit_bytes = config->cache_size_mb * RETRACE_MIB;
    worker_cache_account_t account = worker_cache_account_add(insertion->top, bytes);
    apr_status_t rv;

    if (worker_cache_account_is_due(&account, limit_bytes, time(NULL))) {
        (void)worker_cache_trim(NULL, config, worker_cache_goal(limit_bytes, bytes),
                                WORKER_CACHE_LEAVE_IT, NULL, insertion->pool);
    }
    rv = copy_and_publish(pfound, insertion, path, err);
    if (rv == APR_SUCCESS && worker_cache_account_read(insertion->top).count != account.count) {
        (void)worker_cache_account_add(insertion->top, bytes);
    }
    return rv;
}

static apr_status_t fill_entry(worker_found_t **pfound, insertion_t *insertion, const char *path,
                               int64_t bytes, retrace_error_t *err)
{
    const worker_want_t *want = insertion->want;
    int lock = -1;
    apr_status_t rv =
        make_entry(&insertion->directory, insertion->top, want->build_id, err, insertion->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = retrace_fs_lock(
        &lock, insertion->directory,
        apr_pstrcat(insertion->pool, worker_file_kind_name(want->kind), ".lock", NULL), true, err);
    if (rv == APR_SUCCESS) {
        /* Who had the lock before may have done it. */
        if (look(pfound, insertion->config, want, NULL, insertion->pool) != APR_SUCCESS) {
            rv = add_file(pfound, insertion, path, bytes, err);
        }
        (void)close(lock);
    }
    (void)close(insertion->directory);
    return rv;
}

/* Asks for space before anything is made. */
static apr_status_t insert_held(worker_found_t **pfound, insertion_t *insertion, const char *path,
                                retrace_error_t *err)
{
    struct stat info;
    int64_t bytes;
    apr_status_t rv;

    if (look(pfound, insertion->config, insertion->want, NULL, insertion->pool) == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    if (stat(path, &info) != 0) {
        return retrace_fail(err, errno, "open %s", path);
    }
    /* Of the file and of its directory. */
    bytes = (info.st_size + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
    rv = require_room(insertion->config, insertion->top, bytes, err);
    return rv == APR_SUCCESS ? fill_entry(pfound, insertion, path, bytes, err) : rv;
}

/* Who has no hold that lasts needs one for the time of the insertion. */
static apr_status_t hold_for(worker_cache_hold_t **phold, const retrace_config_t *config,
                             const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    worker_cache_hold_t *hold = hold_of(want);
    apr_status_t rv =
        hold == NULL ? worker_cache_hold_open(&hold, config->cache_dir, err, p) : APR_SUCCESS;

    if (rv == APR_SUCCESS) {
        rv = worker_cache_hold_share(hold, want->build_id, err);
    }
    *phold = hold;
    return rv;
}

apr_status_t worker_cache_insert(worker_found_t **pfound, const retrace_config_t *config,
                                 const worker_want_t *want, const char *path, retrace_error_t *err,
                                 apr_pool_t *p)
{
    insertion_t insertion = {
        .config = config, .want = want, .top = -1, .directory = -1, .pool = p
    };
    worker_cache_hold_t *hold = NULL;
    apr_status_t rv = retrace_fs_open_dir(&insertion.top, AT_FDCWD, config->cache_dir, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = hold_for(&hold, config, want, err, p);
    if (rv == APR_SUCCESS) {
        rv = insert_held(pfound, &insertion, path, err);
    }
    if (hold != NULL && hold_of(want) == NULL) {
        worker_cache_hold_close(hold);
    }
    (void)close(insertion.top);
    return rv;
}
