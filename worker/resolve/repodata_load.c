/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h: the files themselves. Each is compared with its checksum before it is unpacked. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "worker/resolve/repodata.h"

#define MAX_PACKED (2048 * RETRACE_MIB) /* bytes of one file */

apr_status_t worker_repomd_parse(worker_repomd_t **prepomd, const char *text, size_t length,
                                 retrace_error_t *err, apr_pool_t *p)
{
    worker_repomd_t *repomd = apr_palloc(p, sizeof(*repomd));
    apr_status_t rv = retrace_repodata_find(&repomd->primary, text, length, "primary", err, p);

    if (rv == APR_SUCCESS) {
        rv = retrace_repodata_find(&repomd->filelists, text, length, "filelists", err, p);
    }
    if (rv == APR_SUCCESS) {
        *prepomd = repomd;
    }
    return rv == APR_NOTFOUND ? APR_EINVAL : rv;
}

static apr_status_t open_file(int *pfd, int repository, const retrace_repodata_list_t *file,
                              retrace_error_t *err)
{
    retrace_error_t why;
    struct stat info;
    int fd = openat(repository, file->href, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", file->href);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > MAX_PACKED) {
        rv = retrace_fail(err, APR_EINVAL, "%s is not a regular file of at most %ld MB", file->href,
                          (long)(MAX_PACKED / RETRACE_MIB));
    }
    else {
        rv = retrace_checksum_verify(&file->checksum, fd, &why);
        if (rv != APR_SUCCESS) {
            rv = retrace_fail(err, APR_EINVAL, "%s is damaged: %s", file->href, why.text);
        }
    }
    if (rv == APR_SUCCESS) {
        *pfd = fd;
    }
    else {
        (void)close(fd);
    }
    return rv;
}

static apr_status_t name_file(const retrace_repodata_list_t *file, apr_status_t status,
                              const retrace_error_t *why, retrace_error_t *err)
{
    return status == APR_SUCCESS
        ? status
        : retrace_fail(err, APR_EINVAL, "%s is damaged: %s", file->href, why->text);
}

static apr_status_t collect(worker_repodata_t *data, const worker_repomd_t *repomd, const int *fds,
                            retrace_error_t *err)
{
    retrace_error_t why = { .text = "" };
    apr_status_t rv =
        name_file(&repomd->primary, worker_repodata_primary(data, fds[0], &why), &why, err);

    if (rv == APR_SUCCESS) {
        rv =
            name_file(&repomd->filelists, worker_repodata_filelists(data, fds[1], &why), &why, err);
    }
    return rv;
}

apr_status_t worker_repodata_load(worker_repodata_t **pdata, int repository,
                                  const worker_repomd_t *repomd, const apr_hash_t *known,
                                  retrace_error_t *err, apr_pool_t *p)
{
    worker_repodata_t *data = worker_repodata_make(known, p);
    int fds[2] = { -1, -1 };
    apr_status_t rv = open_file(&fds[0], repository, &repomd->primary, err);

    if (rv == APR_SUCCESS) {
        rv = open_file(&fds[1], repository, &repomd->filelists, err);
    }
    if (rv == APR_SUCCESS) {
        rv = collect(data, repomd, fds, err);
    }
    if (rv == APR_SUCCESS) {
        worker_repodata_sort(data);
        *pdata = data;
    }
    if (fds[0] >= 0) {
        (void)close(fds[0]);
    }
    if (fds[1] >= 0) {
        (void)close(fds[1]);
    }
    return rv;
}
