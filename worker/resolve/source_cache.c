/* SPDX-License-Identifier: Apache-2.0 */
/* The cache: `CacheDir/<first two digits>/<rest>/{executable,debuginfo,dwz}`. A file is written
 * under a name of its own, then linked to its final one: all tasks share it, none sees half of it.
 * */
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/source.h"

#define COPY_STEP (64 * 1024 * 1024) /* bytes of one sendfile */

static const char *directory_of(const retrace_config_t *config, const worker_want_t *want,
                                apr_pool_t *p)
{
    return apr_psprintf(p, "%s/%.2s/%s", config->cache_dir, want->build_id, want->build_id + 2);
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    const char *path =
        apr_pstrcat(p, directory_of(config, want, p), "/", worker_file_kind_name(want->kind), NULL);

    return worker_source_check(pfound, path, want, worker_source_cache.name, err, p);
}

const worker_source_t worker_source_cache = { "cache", find };

apr_status_t worker_cache_temporary(int *pfd, const retrace_config_t *config, retrace_error_t *err,
                                    apr_pool_t *p)
{
    char *name = apr_pstrcat(p, config->cache_dir, "/.new-XXXXXX", NULL);
    int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0) {
        return retrace_fail(err, errno, "make a file in the cache");
    }
    (void)unlink(name);
    *pfd = fd;
    return APR_SUCCESS;
}

static apr_status_t make_directories(int *pfd, const retrace_config_t *config,
                                     const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    int top = -1;
    int middle = -1;
    apr_status_t rv = retrace_fs_open_dir(&top, AT_FDCWD, config->cache_dir, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&middle, top, apr_pstrndup(p, want->build_id, 2), 0750, err);
        (void)close(top);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(pfd, middle, want->build_id + 2, 0750, err);
        (void)close(middle);
    }
    return rv;
}

static apr_status_t copy_bytes(int to, int from, retrace_error_t *err)
{
    ssize_t sent;

    do {
        sent = sendfile(to, from, NULL, COPY_STEP);
    }
    while (sent > 0);
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
    return rv == APR_SUCCESS ? find(pfound, config, want, err, p) : rv;
}

apr_status_t worker_cache_insert(worker_found_t **pfound, const retrace_config_t *config,
                                 const worker_want_t *want, const char *path, retrace_error_t *err,
                                 apr_pool_t *p)
{
    const char *name = worker_file_kind_name(want->kind);
    const char *lock_name = apr_pstrcat(p, name, ".lock", NULL);
    const char *temporary = apr_pstrcat(p, name, ".new", NULL);
    int directory = -1;
    int lock = -1;
    apr_status_t rv = make_directories(&directory, config, want, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = retrace_fs_lock(&lock, directory, lock_name, true, err);
    if (rv == APR_SUCCESS && find(pfound, config, want, NULL, p) != APR_SUCCESS) {
        (void)unlinkat(directory, temporary, 0); /* of one who was killed */
        rv = copy_file(directory, temporary, path, err);
        if (rv == APR_SUCCESS) {
            rv = publish(pfound, directory, temporary, name, config, want, err, p);
        }
        (void)unlinkat(directory, temporary, 0);
    }
    if (lock >= 0) {
        (void)close(lock);
    }
    (void)close(directory);
    return rv;
}
