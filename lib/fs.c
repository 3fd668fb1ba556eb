/* SPDX-License-Identifier: Apache-2.0 */
/* See fs.h. */
#include "lib/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/clock.h"

#define LOCK_STEP_MS   50 /* between two looks at a lock that is held */
#define NAME_MAX_BYTES 256
#define UNFINISHED     ".new" /* ends the name of a file that is being written; "." begins it */

apr_status_t retrace_fs_open_dir(int *pfd, int at, const char *name, retrace_error_t *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return retrace_fail(err, errno, "open directory %s", name);
    }
    *pfd = fd;
    return APR_SUCCESS;
}

apr_status_t retrace_fs_make_dir(int *pfd, int at, const char *name, mode_t mode,
                                 retrace_error_t *err)
{
    if (mkdirat(at, name, mode) != 0 && errno != EEXIST) {
        return retrace_fail(err, errno, "make directory %s", name);
    }
    return retrace_fs_open_dir(pfd, at, name, err);
}

static apr_status_t read_all(const char **ptext, apr_size_t *plength, int fd, const char *name,
                             apr_size_t max, retrace_error_t *err, apr_pool_t *p)
{
    struct stat info;
    char *text;
    apr_size_t done = 0;
    ssize_t got;

    if (fstat(fd, &info) != 0) {
        return retrace_fail(err, errno, "look at %s", name);
    }
    if (!S_ISREG(info.st_mode)) {
        return retrace_fail(err, APR_EINVAL, "%s is not a regular file", name);
    }
    if ((apr_uint64_t)info.st_size > max) {
        return retrace_fail(err, APR_EINVAL, "%s is longer than %lu bytes", name,
                            (unsigned long)max);
    }
    text = apr_palloc(p, (apr_size_t)info.st_size + 1);
    while (done < (apr_size_t)info.st_size) {
        got = read(fd, text + done, (apr_size_t)info.st_size - done);
        if (got < 0) {
            return retrace_fail(err, errno, "read %s", name);
        }
        if (got == 0) {
            break;
        }
        done += (apr_size_t)got;
    }
    text[done] = '\0';
    *ptext = text;
    if (plength != NULL) {
        *plength = done;
    }
    return APR_SUCCESS;
}

apr_status_t retrace_fs_read(const char **ptext, apr_size_t *plength, int dir, const char *name,
                             apr_size_t max, retrace_error_t *err, apr_pool_t *p)
{
    /* O_NONBLOCK: a FIFO of that name must not hold us. */
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", name);
    }
    rv = read_all(ptext, plength, fd, name, max, err, p);
    (void)close(fd);
    return rv;
}

apr_status_t retrace_fs_write_all(int fd, const void *data, apr_size_t length)
{
    const char *at = data;
    ssize_t sent;

    while (length > 0) {
        sent = write(fd, at, length);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno;
        }
        at += sent;
        length -= (apr_size_t)sent;
    }
    return APR_SUCCESS;
}

static apr_status_t write_file(int dir, const char *name, const void *data, apr_size_t length,
                               mode_t mode, bool durable)
{
    apr_status_t rv;
    int fd;

    (void)unlinkat(dir, name, 0); /* of one who was killed: it may have another mode */
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0) {
        return errno;
    }
    rv = retrace_fs_write_all(fd, data, length);
    if (rv == APR_SUCCESS && durable && fsync(fd) != 0) {
        rv = errno;
    }
    if (close(fd) != 0 && rv == APR_SUCCESS) {
        rv = errno;
    }
    return rv;
}

apr_status_t retrace_fs_replace(int dir, const char *name, const void *data, apr_size_t length,
                                mode_t mode, bool durable, retrace_error_t *err)
{
    char temporary[NAME_MAX_BYTES];
    apr_status_t rv;

    /* One writer per file (whoever holds the lock of the task), so that the name needs no chance;
     * what a killed writer left is replaced. */
    if (snprintf(temporary, sizeof(temporary), ".%s" UNFINISHED, name) >= (int)sizeof(temporary)) {
        return retrace_fail(err, ENAMETOOLONG, "write %s", name);
    }
    rv = write_file(dir, temporary, data, length, mode, durable);
    if (rv == APR_SUCCESS && renameat(dir, temporary, dir, name) != 0) {
        rv = errno;
    }
    if (rv == APR_SUCCESS && durable && fsync(dir) != 0) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        (void)unlinkat(dir, temporary, 0);
        return retrace_fail(err, rv, "write %s", name);
    }
    return APR_SUCCESS;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

apr_status_t retrace_fs_each(int dir, bool (*visit)(void *baton, const char *name), void *baton,
                             retrace_error_t *err)
{
    struct dirent *entry;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);

    if (listing == NULL) {
        apr_status_t rv = errno;

        if (fd >= 0) {
            (void)close(fd);
        }
        return retrace_fail(err, rv, "list a directory");
    }
    while ((entry = readdir(listing)) != NULL
           && (is_dot(entry->d_name) || visit(baton, entry->d_name))) {
    }
    (void)closedir(listing);
    return APR_SUCCESS;
}

typedef struct tally_t {
    int count;
    int max;
} tally_t;

static bool count_entry(void *baton, const char *name)
{
    tally_t *tally = baton;

    (void)name;
    return ++tally->count < tally->max;
}

apr_status_t retrace_fs_count(int *pcount, int dir, int max, retrace_error_t *err)
{
    tally_t tally = { 0, max };
    apr_status_t rv = retrace_fs_each(dir, count_entry, &tally, err);

    if (rv == APR_SUCCESS) {
        *pcount = tally.count;
    }
    return rv;
}

bool retrace_fs_is_unfinished(const char *name)
{
    size_t length = strlen(name);

    return name[0] == '.' && length > strlen(UNFINISHED)
        && strcmp(name + length - strlen(UNFINISHED), UNFINISHED) == 0;
}

static bool remove_if_unfinished(void *baton, const char *name)
{
    if (retrace_fs_is_unfinished(name)) {
        (void)unlinkat(*(const int *)baton, name, 0);
    }
    return true;
}

apr_status_t retrace_fs_remove_unfinished(int dir, retrace_error_t *err)
{
    return retrace_fs_each(dir, remove_if_unfinished, &dir, err);
}

bool retrace_fs_exists(int dir, const char *name)
{
    struct stat info;

    return fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0
        || (errno != ENOENT && errno != ENOTDIR);
}

static apr_status_t remove_at(int dir, const char *name, int depth);

static apr_status_t empty_directory(int fd, int depth)
{
    apr_status_t rv = APR_SUCCESS;
    struct dirent *entry;
    DIR *listing = fdopendir(fd);

    if (listing == NULL) {
        rv = errno;
        (void)close(fd);
        return rv;
    }
    while (rv == APR_SUCCESS && (entry = readdir(listing)) != NULL) {
        if (!is_dot(entry->d_name)) {
            rv = remove_at(dirfd(listing), entry->d_name, depth + 1);
        }
    }
    (void)closedir(listing);
    return rv;
}

static apr_status_t remove_at(int dir, const char *name, int depth)
{
    apr_status_t rv;
    int fd;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
        return APR_SUCCESS;
    }
    if (errno != EISDIR && errno != EPERM) {
        return errno;
    }
    if (depth > RETRACE_FS_MAX_DEPTH) {
        return ELOOP;
    }
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? APR_SUCCESS : errno;
    }
    rv = empty_directory(fd, depth);
    if (rv == APR_SUCCESS && unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        rv = errno;
    }
    return rv;
}

apr_status_t retrace_fs_remove(int dir, const char *name, retrace_error_t *err)
{
    apr_status_t rv = remove_at(dir, name, 0);

    return rv == APR_SUCCESS ? rv : retrace_fail(err, rv, "remove %s", name);
}

apr_status_t retrace_fs_lock(int *pfd, int dir, const char *name, bool wait, retrace_error_t *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc;

    if (fd < 0) {
        return retrace_fail(err, errno, "open lock %s", name);
    }
    do {
        rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    }
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        apr_status_t rv = errno == EACCES || errno == EAGAIN ? APR_EBUSY : errno;

        (void)close(fd);
        return retrace_fail(err, rv, "lock %s", name);
    }
    *pfd = fd;
    return APR_SUCCESS;
}

apr_status_t retrace_fs_lock_within(int *pfd, int dir, const char *name, apr_int64_t ms,
                                    retrace_error_t *err)
{
    apr_int64_t deadline_ms = retrace_clock_ms() + ms;
    apr_status_t rv;

    while ((rv = retrace_fs_lock(pfd, dir, name, false, err)) == APR_EBUSY
           && retrace_clock_ms() < deadline_ms) {
        apr_sleep(apr_time_from_msec(LOCK_STEP_MS));
    }
    return rv;
}

apr_status_t retrace_fs_require_owner(const struct stat *info, const char *path,
                                      retrace_error_t *err)
{
    if (info->st_uid != 0 && info->st_uid != geteuid()) {
        return retrace_fail(err, APR_EACCES,
                            "%s must belong to root or to the user who reads it, not to user %ld",
                            path, (long)info->st_uid);
    }
    if ((info->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return retrace_fail(err, APR_EACCES, "%s must not be writable by others: its mode is %04o",
                            path, (unsigned int)(info->st_mode & 07777));
    }
    return APR_SUCCESS;
}

bool retrace_fs_is_locked(int dir, const char *name)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool held;

    if (fd < 0) {
        return errno != ENOENT && errno != ENOTDIR;
    }
    held = fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
    (void)close(fd);
    return held;
}

apr_int64_t retrace_fs_free_bytes(int fd)
{
    struct statvfs info;

    if (fstatvfs(fd, &info) != 0) {
        return -1;
    }
    return (apr_int64_t)info.f_bavail * (apr_int64_t)info.f_frsize;
}
