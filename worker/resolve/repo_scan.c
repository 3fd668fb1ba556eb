/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_private.h: which files a repository has, before anybody reads them. */
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/repo_private.h"

#define PACKAGES "Packages"
#define SUFFIX   ".rpm"

#define DIRECTORIES_MAX 5000 /* of one release */

static int compare_names(const void *a, const void *b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static int64_t microseconds(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
}

apr_status_t worker_repo_open_package(int *pfd, worker_index_entry_t *entry,
                                      const worker_repo_t *repo, const char *file,
                                      retrace_error_t *err)
{
    struct stat info;
    int fd = openat(repo->fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return retrace_fail(err, errno, "it cannot be opened");
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        return retrace_fail(err, APR_EINVAL, "it is not a regular file");
    }
    if (info.st_size > WORKER_REPO_MAX_PACKAGE_BYTES) {
        (void)close(fd);
        return retrace_fail(err, APR_ENOSPC, "it is larger than %ld MB",
                            (long)(WORKER_REPO_MAX_PACKAGE_BYTES / RETRACE_MIB));
    }
    entry->file = file;
    entry->size = info.st_size;
    entry->mtime_us = microseconds(&info);
    entry->refusal = NULL;
    *pfd = fd;
    return APR_SUCCESS;
}

typedef struct scan_t {
    const worker_repo_t *repo;
    const char *prefix;           /* of the directory that is read: "", "Packages/", … */
    apr_array_header_t *files;    /* of const char * */
    apr_array_header_t *children; /* names that are no packages */
    apr_pool_t *pool;
} scan_t;

static bool take_entry(void *baton, const char *name)
{
    scan_t *scan = baton;
    size_t length = strlen(name);
    bool is_package = length > strlen(SUFFIX) && name[0] != '.'
        && strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;

    if (name[0] != '.' && (is_package || scan->children->nelts < DIRECTORIES_MAX)) {
        APR_ARRAY_PUSH(is_package ? scan->files : scan->children, const char *) =
            apr_pstrcat(scan->pool, scan->prefix, name, NULL);
    }
    return scan->files->nelts < WORKER_REPO_MAX_PACKAGES && scan->children->nelts < DIRECTORIES_MAX;
}

/* @return false when it is no directory */
static bool scan_directory(scan_t *scan, const char *path)
{
    int fd = openat(scan->repo->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    scan->prefix = strcmp(path, ".") == 0 ? "" : apr_pstrcat(scan->pool, path, "/", NULL);
    (void)retrace_fs_each(fd, take_entry, scan, NULL);
    (void)close(fd);
    return true;
}

const char *worker_repo_time(const worker_repo_t *repo, const char *path, apr_pool_t *p)
{
    struct stat info;

    if (fstatat(repo->fd, path, &info, 0) != 0) {
        return "";
    }
    return apr_psprintf(p, "%s %" APR_INT64_T_FMT "\n", path, (apr_int64_t)microseconds(&info));
}

static bool is_listed(const apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those in which packages that are fetched get their place. */
static apr_status_t add_named_directories(apr_array_header_t *directories,
                                          const worker_repo_t *repo, retrace_error_t *err,
                                          apr_pool_t *p)
{
    apr_array_header_t *named = NULL;
    apr_status_t rv = worker_index_directories(&named, repo->index, err, p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < named->nelts && directories->nelts < DIRECTORIES_MAX;
         i++) {
        const char *name = APR_ARRAY_IDX(named, i, const char *);

        if (!is_listed(directories, name)) {
            APR_ARRAY_PUSH(directories, const char *) = name;
        }
    }
    return rv;
}

apr_status_t worker_repo_directories(apr_array_header_t **pdirectories, const worker_repo_t *repo,
                                     retrace_error_t *err, apr_pool_t *p)
{
    scan_t scan = { repo, "", apr_array_make(p, 8, sizeof(const char *)),
                    apr_array_make(p, 8, sizeof(const char *)), p };
    apr_array_header_t *directories = apr_array_make(p, 8, sizeof(const char *));

    APR_ARRAY_PUSH(directories, const char *) = ".";
    if (scan_directory(&scan, PACKAGES)) {
        APR_ARRAY_PUSH(directories, const char *) = PACKAGES;
    }
    qsort(scan.children->elts, (size_t)scan.children->nelts, sizeof(const char *), compare_names);
    apr_array_cat(directories, scan.children);
    *pdirectories = directories;
    return add_named_directories(directories, repo, err, p);
}

apr_array_header_t *worker_repo_files(const worker_repo_t *repo,
                                      const apr_array_header_t *directories, apr_pool_t *p)
{
    scan_t scan = { repo, "", apr_array_make(p, 64, sizeof(const char *)),
                    apr_array_make(p, 8, sizeof(const char *)), p };
    int i;

    for (i = 0; i < directories->nelts; i++) {
        (void)scan_directory(&scan, APR_ARRAY_IDX(directories, i, const char *));
    }
    return scan.files;
}
