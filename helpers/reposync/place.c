/* SPDX-License-Identifier: Apache-2.0 */
/* See place.h. */
#include "helpers/reposync/place.h"

#include <apr_strings.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/reposync/header.h"
#include "lib/fs.h"

#define LOCK        "lock"
#define CHANGED     "changed" /* is there while the repodata is older than the packages */
#define PACKAGES    "Packages"
#define SUFFIX      ".rpm"
#define STRIPPED    ".stripped" SUFFIX
#define NAME_LENGTH 240 /* characters; with ".stripped" and ".part" a directory can still have it */
#define PATH_BYTES  (NAME_LENGTH + 64)
#define DIR_MODE    0755
#define WORK_MODE   0700
#define FILE_MODE   0644

/* --- Opening ------------------------------------------------------------------------------- */

static apr_status_t close_place(void *data)
{
    reposync_place_t *place = data;
    const int descriptors[] = { place->lock, place->work, place->fd };
    size_t i;

    for (i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
        if (descriptors[i] >= 0) {
            (void)close(descriptors[i]);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t check_owner(int fd, const char *path, retrace_error_t *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return retrace_fail(err, errno, "look at %s", path);
    }
    return info.st_uid == geteuid()
        ? APR_SUCCESS
        : retrace_fail(err, APR_EACCES, "%s is not yours: run this as its owner", path);
}

static apr_status_t open_directory(reposync_place_t *place, const reposync_t *sync,
                                   retrace_error_t *err)
{
    const char *repo_dir = sync->config->repo_dir;
    int base = open(repo_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    apr_status_t rv;

    if (base < 0) {
        return retrace_fail(err, errno, "open RepoDir %s", repo_dir);
    }
    rv = retrace_fs_open_dir(&place->fd, base, place->release, err);
    if (APR_STATUS_IS_ENOENT(rv) && sync->is_dry_run) {
        rv = APR_SUCCESS;
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        rv = check_owner(base, repo_dir, err);
        if (rv == APR_SUCCESS) {
            rv = retrace_fs_make_dir(&place->fd, base, place->release, DIR_MODE, err);
        }
    }
    (void)close(base);
    return rv;
}

static apr_status_t remove_temporary(void *data)
{
    const char *path = data;

    return retrace_fs_remove(AT_FDCWD, path, NULL);
}

static apr_status_t open_temporary(reposync_place_t *place, retrace_error_t *err, apr_pool_t *p)
{
    char *path = apr_pstrdup(p, "/tmp/retrace-server-reposync.XXXXXX");

    if (mkdtemp(path) == NULL) {
        return retrace_fail(err, errno, "make a directory in /tmp");
    }
    apr_pool_cleanup_register(p, path, remove_temporary, apr_pool_cleanup_null);
    place->work_path = path;
    return retrace_fs_open_dir(&place->work, AT_FDCWD, path, err);
}

/* What is published must be on the file system of .sync. Told at once, not for each package. */
static apr_status_t check_packages(const reposync_place_t *place, retrace_error_t *err)
{
    struct stat info;

    if (fstatat(place->fd, PACKAGES, &info, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(info.st_mode)) {
        return APR_SUCCESS;
    }
    return retrace_fail(err, APR_ENOTDIR, "%s/" PACKAGES " must be a directory, and no link",
                        place->directory);
}

static apr_status_t open_work(reposync_place_t *place, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = check_owner(place->fd, place->directory, err);

    place->work_path = apr_pstrcat(p, place->directory, "/" REPOSYNC_WORK_DIR, NULL);
    if (rv == APR_SUCCESS) {
        rv = check_packages(place, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&place->work, place->fd, REPOSYNC_WORK_DIR, WORK_MODE, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(&place->lock, place->work, LOCK, false, err);
    }
    return rv == APR_EBUSY ? retrace_fail(err, rv, "another instance is at %s", place->release)
                           : rv;
}

apr_status_t reposync_place_open(reposync_place_t **pplace, const reposync_t *sync,
                                 const char *release, retrace_error_t *err, apr_pool_t *p)
{
    reposync_place_t *place = apr_pcalloc(p, sizeof(*place));
    apr_status_t rv;

    place->release = apr_pstrdup(p, release);
    place->directory = apr_pstrcat(p, sync->config->repo_dir, "/", release, NULL);
    place->fd = -1;
    place->work = -1;
    place->lock = -1;
    rv = open_directory(place, sync, err);
    if (rv == APR_SUCCESS) {
        rv = sync->is_dry_run ? open_temporary(place, err, p) : open_work(place, err, p);
    }
    apr_pool_cleanup_register(p, place, close_place, apr_pool_cleanup_null);
    if (rv == APR_SUCCESS) {
        *pplace = place;
    }
    return rv;
}

/* --- Packages ------------------------------------------------------------------------------ */

static bool has_ending(const char *name, const char *ending)
{
    size_t length = strlen(name);

    return length > strlen(ending) && strcmp(name + length - strlen(ending), ending) == 0;
}

const char *reposync_place_stripped_name(const char *name, apr_pool_t *p)
{
    return apr_pstrcat(p, apr_pstrmemdup(p, name, strlen(name) - strlen(SUFFIX)), STRIPPED, NULL);
}

const char *reposync_place_plain_name(const char *name, apr_pool_t *p)
{
    return has_ending(name, STRIPPED)
        ? apr_pstrcat(p, apr_pstrmemdup(p, name, strlen(name) - strlen(STRIPPED)), SUFFIX, NULL)
        : name;
}

bool reposync_place_is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.+~^:";
    size_t length = strlen(name);

    return length <= NAME_LENGTH && isalnum((unsigned char)name[0])
        && strspn(name, allowed) == length && has_ending(name, SUFFIX)
        && !has_ending(name, STRIPPED);
}

/* Packages/b/bash-….rpm */
static int path_of(char path[PATH_BYTES], const char *name)
{
    return snprintf(path, PATH_BYTES, PACKAGES "/%c/%s", tolower((unsigned char)name[0]), name);
}

#define ANY_SIZE (-1)

static bool is_file(const reposync_place_t *place, const char *path, int64_t size)
{
    struct stat info;

    return fstatat(place->fd, path, &info, 0) == 0 && S_ISREG(info.st_mode)
        && (size == ANY_SIZE || info.st_size == size);
}

/* An admin may have put them elsewhere. */
static bool is_anywhere(const reposync_place_t *place, const char *name, int64_t size)
{
    char path[PATH_BYTES];

    (void)path_of(path, name);
    return is_file(place, path, size) || is_file(place, name, size)
        || (snprintf(path, sizeof(path), PACKAGES "/%s", name) > 0 && is_file(place, path, size));
}

bool reposync_place_has(const reposync_place_t *place, const char *name, int64_t size)
{
    char stripped[PATH_BYTES];

    if (place->fd < 0) {
        return false;
    }
    snprintf(stripped, sizeof(stripped), "%.*s" STRIPPED, (int)(strlen(name) - strlen(SUFFIX)),
             name);
    return is_anywhere(place, name, size) || is_anywhere(place, stripped, ANY_SIZE);
}

static apr_status_t mark_changed(const reposync_place_t *place, retrace_error_t *err)
{
    return reposync_place_is_changed(place)
        ? APR_SUCCESS
        : retrace_fs_replace(place->work, CHANGED, "", 0, FILE_MODE, true, err);
}

static apr_status_t make_letter(const reposync_place_t *place, const char *name,
                                retrace_error_t *err)
{
    const char letter[2] = { (char)tolower((unsigned char)name[0]), '\0' };
    int packages = -1;
    int fd = -1;
    apr_status_t rv = retrace_fs_make_dir(&packages, place->fd, PACKAGES, DIR_MODE, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&fd, packages, letter, DIR_MODE, err);
        (void)close(packages);
    }
    if (rv == APR_SUCCESS) {
        (void)close(fd);
    }
    return rv;
}

static bool is_called(int dir, const char *path, const char *name)
{
    int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool is_called = fd >= 0 && reposync_header_is_of(name, fd);

    if (fd >= 0) {
        (void)close(fd);
    }
    return is_called;
}

bool reposync_place_is_another(const reposync_place_t *place, const char *part, const char *name)
{
    char path[PATH_BYTES];

    (void)path_of(path, name);
    return is_called(place->fd, path, name) && !is_called(place->work, part, name);
}

apr_status_t reposync_place_publish(const reposync_place_t *place, const char *part,
                                    const char *name, retrace_error_t *err)
{
    char path[PATH_BYTES];
    apr_status_t rv = mark_changed(place, err);

    (void)path_of(path, name);
    if (rv == APR_SUCCESS) {
        rv = make_letter(place, name, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* Whatever made it, the workers must be able to read it. */
    if (fchmodat(place->work, part, FILE_MODE, 0) != 0
        || renameat(place->work, part, place->fd, path) != 0) {
        return retrace_fail(err, errno, "move %s to %s/%s", name, place->directory, path);
    }
    return APR_SUCCESS;
}

/* Where a path below the directory leads to without a link on the way. @param pname  behind the last '/' */
static apr_status_t open_parent(int *pfd, const char **pname, const reposync_place_t *place,
                                const char *path, retrace_error_t *err)
{
    int fd = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
    apr_status_t rv = fd >= 0 ? APR_SUCCESS : retrace_fail(err, errno, "open a directory");
    const char *slash;

    while (rv == APR_SUCCESS && (slash = strchr(path, '/')) != NULL) {
        char part[PATH_BYTES];
        int below = -1;

        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        rv = retrace_fs_open_dir(&below, fd, part, err);
        (void)close(fd);
        fd = below;
        path = slash + 1;
    }
    if (rv == APR_SUCCESS) {
        *pfd = fd;
        *pname = path;
    }
    return rv;
}

bool reposync_place_stat(struct stat *info, const reposync_place_t *place, const char *path)
{
    const char *name = NULL;
    int fd = -1;
    bool is_file;

    if (open_parent(&fd, &name, place, path, NULL) != APR_SUCCESS) {
        return false;
    }
    is_file = fstatat(fd, name, info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info->st_mode);
    (void)close(fd);
    return is_file;
}

apr_status_t reposync_place_remove(const reposync_place_t *place, const char *path,
                                   retrace_error_t *err)
{
    const char *name = NULL;
    int fd = -1;
    apr_status_t rv = mark_changed(place, err);

    if (rv == APR_SUCCESS) {
        rv = open_parent(&fd, &name, place, path, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (unlinkat(fd, name, 0) != 0 && errno != ENOENT) {
        rv = retrace_fail(err, errno, "remove %s/%s", place->directory, path);
    }
    (void)close(fd);
    return rv;
}

bool reposync_place_is_changed(const reposync_place_t *place)
{
    return retrace_fs_exists(place->work, CHANGED);
}

void reposync_place_clear_changed(const reposync_place_t *place)
{
    (void)unlinkat(place->work, CHANGED, 0);
}
