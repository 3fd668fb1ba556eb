/* SPDX-License-Identifier: Apache-2.0 */
/* See mirror.h: a package is fetched into a file with a name that nobody looks for, and gets its own when
 * it has been verified. Of several tasks that need it one fetches, and the others wait. */
#include <apr_strings.h>
#include <apr_time.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/repodata.h"
#include "worker/resolve/mirror_private.h"

#define LOCKS        16 /* packages are spread over so many locks, each with its own file */
#define LOCK_STEP_MS 50

static int slot_of(const worker_candidate_t *candidate)
{
    apr_ssize_t length = APR_HASH_KEY_STRING;

    return (int)(apr_hashfunc_default(candidate->file, &length) % LOCKS);
}

static apr_status_t lock(int *pfd, const worker_mirror_t *mirror, const worker_repo_t *repo,
                         const worker_candidate_t *candidate, retrace_error_t *err, apr_pool_t *p)
{
    const char *name = apr_psprintf(p, "%s-fetch-%d.lock", repo->name, slot_of(candidate));
    int64_t deadline_ms = worker_mirror_deadline_ms(mirror);
    apr_status_t rv;

    while ((rv = retrace_fs_lock(pfd, repo->locks, name, false, err)) == APR_EBUSY
           && retrace_clock_ms() < deadline_ms) {
        apr_sleep(apr_time_from_msec(LOCK_STEP_MS));
    }
    return rv == APR_EBUSY
        ? retrace_fail(err, APR_TIMEUP, "another task has been fetching for too long")
        : rv;
}

/* --- Its place ----------------------------------------------------------------------------- */

/* The directory that a location is in, made where it is not there; nothing follows a link.
 * @param pname  what is behind the last '/' */
static apr_status_t open_parent(int *pfd, const char **pname, int directory, const char *location,
                                retrace_error_t *err, apr_pool_t *p)
{
    int fd = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    apr_status_t rv = fd >= 0 ? APR_SUCCESS : retrace_fail(err, errno, "open a directory");
    const char *slash;

    while (rv == APR_SUCCESS && (slash = strchr(location, '/')) != NULL) {
        int below = -1;

        rv = retrace_fs_make_dir(
            &below, fd, apr_pstrmemdup(p, location, (apr_size_t)(slash - location)), 0755, err);
        (void)close(fd);
        fd = below;
        location = slash + 1;
    }
    if (rv == APR_SUCCESS) {
        *pfd = fd;
        *pname = location;
    }
    return rv;
}

static apr_status_t publish(const worker_repo_t *repo, const char *temporary, const char *location,
                            retrace_error_t *err, apr_pool_t *p)
{
    const char *name = NULL;
    int parent = -1;
    apr_status_t rv = open_parent(&parent, &name, repo->fd, location, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (renameat(repo->fd, temporary, parent, name) != 0) {
        rv = retrace_fail(err, errno, "give a package its name");
    }
    (void)close(parent);
    return rv;
}

/* --- Getting it ---------------------------------------------------------------------------- */

static apr_status_t check_space(const worker_mirror_t *mirror, const worker_repo_t *repo,
                                int64_t size, retrace_error_t *err)
{
    const retrace_config_t *config = worker_mirror_config(mirror);
    int64_t free_bytes = retrace_fs_free_bytes(repo->fd);

    if (size > config->debuginfod_max_mb * RETRACE_MIB) {
        return retrace_fail(err, APR_EINVAL, "it has more than %ld MB (DebuginfodMaxSize)",
                            (long)config->debuginfod_max_mb);
    }
    if (free_bytes >= 0 && free_bytes - size < config->min_storage_left_mb * RETRACE_MIB) {
        return retrace_fail(err, APR_EINVAL, "less than %ld MB would be left (MinStorageLeft)",
                            (long)config->min_storage_left_mb);
    }
    return APR_SUCCESS;
}

static apr_status_t fetch_verified(worker_mirror_t *mirror, const worker_repo_t *repo, int fd,
                                   const worker_candidate_t *candidate, retrace_error_t *err,
                                   apr_pool_t *p)
{
    apr_status_t rv = worker_mirror_fetch(mirror, fd, candidate, err, p);

    if (rv == APR_SUCCESS) {
        rv = worker_rpm_verify(repo->rpm, apr_psprintf(p, "/proc/self/fd/%d", fd), err, p);
    }
    return rv;
}

static apr_status_t fetch_into_place(worker_mirror_t *mirror, const worker_repo_t *repo,
                                     const worker_candidate_t *candidate, retrace_error_t *err,
                                     apr_pool_t *p)
{
    const char *temporary = apr_psprintf(p, ".fetch-%d", slot_of(candidate));
    apr_status_t rv = check_space(mirror, repo, candidate->remote->size, err);
    int fd;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    fd = openat(repo->fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        return retrace_fail(err, errno, "%s cannot be written to", repo->directory);
    }
    rv = fetch_verified(mirror, repo, fd, candidate, err, p);
    (void)close(fd);
    if (rv == APR_SUCCESS) {
        rv = publish(repo, temporary, candidate->file, err, p);
    }
    if (rv != APR_SUCCESS) {
        (void)unlinkat(repo->fd, temporary, 0);
    }
    return rv;
}

static bool is_here(const worker_repo_t *repo, const char *location)
{
    struct stat info;

    return fstatat(repo->fd, location, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

apr_status_t worker_mirror_get(worker_mirror_t *mirror, const worker_repo_t *repo,
                               const worker_candidate_t *candidate, retrace_error_t *err,
                               apr_pool_t *scratch)
{
    int fd = -1;
    apr_status_t rv;

    if (!retrace_repodata_is_href(candidate->file)) {
        return retrace_fail(err, APR_EINVAL, "its path leads out of the repository");
    }
    rv = lock(&fd, mirror, repo, candidate, err, scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!is_here(repo, candidate->file)) {
        rv = fetch_into_place(mirror, repo, candidate, err, scratch);
    }
    if (rv == APR_SUCCESS) {
        rv = worker_repo_add_package(repo, candidate->file, err, scratch);
    }
    (void)close(fd);
    return rv;
}
