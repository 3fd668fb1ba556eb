/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h: the files themselves. Each is compared with its checksum before it is unpacked, by
 * libarchive, within limits of size and time. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "worker/resolve/repodata.h"

#define BLOCK         (256 * 1024)         /* bytes of one read */
#define MAX_PACKED    (2048 * RETRACE_MIB) /* of one file */
#define MAX_UNPACKED  (8192 * RETRACE_MIB)
#define MAX_UNPACK_MS (600 * 1000)

typedef struct unpacked_t {
    struct archive *archive;
    int64_t left;
    int64_t deadline_ms;
} unpacked_t;

static ssize_t read_unpacked(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    unpacked_t *unpacked = baton;
    la_ssize_t got = archive_read_data(unpacked->archive, buffer, length);

    if (got < 0) {
        (void)retrace_fail(err, APR_EINVAL, "it cannot be unpacked: %s",
                           archive_error_string(unpacked->archive));
        return -1;
    }
    unpacked->left -= got;
    if (unpacked->left < 0) {
        (void)retrace_fail(err, APR_EINVAL, "it has more than %ld MB unpacked",
                           (long)(MAX_UNPACKED / RETRACE_MIB));
        return -1;
    }
    if (retrace_clock_ms() > unpacked->deadline_ms) {
        (void)retrace_fail(err, APR_EINVAL, "it took more than %d s to unpack",
                           MAX_UNPACK_MS / 1000);
        return -1;
    }
    return got;
}

static void allow_formats(struct archive *archive)
{
    (void)archive_read_support_filter_gzip(archive);
    (void)archive_read_support_filter_bzip2(archive);
    (void)archive_read_support_filter_xz(archive);
    (void)archive_read_support_filter_zstd(archive);
    (void)archive_read_support_format_raw(archive);
    (void)archive_read_support_format_empty(archive);
}

typedef apr_status_t (*collect_fn)(worker_repodata_t *data, const worker_xml_input_t *input,
                                   worker_xml_reader_fn reader, retrace_error_t *err);

static apr_status_t collect(worker_repodata_t *data, collect_fn fn, int fd,
                            worker_xml_reader_fn reader, retrace_error_t *err)
{
    unpacked_t unpacked = { .archive = archive_read_new(),
                            .left = MAX_UNPACKED,
                            .deadline_ms = retrace_clock_ms() + MAX_UNPACK_MS };
    const worker_xml_input_t input = { read_unpacked, &unpacked };
    struct archive_entry *entry = NULL;
    apr_status_t rv;

    if (unpacked.archive == NULL) {
        return retrace_fail(err, APR_ENOMEM, "unpack metadata");
    }
    allow_formats(unpacked.archive);
    if (lseek(fd, 0, SEEK_SET) != 0
        || archive_read_open_fd(unpacked.archive, fd, BLOCK) != ARCHIVE_OK
        || archive_read_next_header(unpacked.archive, &entry) != ARCHIVE_OK) {
        rv = retrace_fail(err, APR_EINVAL, "it cannot be unpacked: %s",
                          archive_error_string(unpacked.archive));
    }
    else {
        rv = fn(data, &input, reader, err);
    }
    (void)archive_read_free(unpacked.archive);
    return rv;
}

static apr_status_t open_file(int *pfd, int repository, const worker_repomd_file_t *file,
                              retrace_error_t *err)
{
    retrace_error_t why;
    struct stat info;
    int fd = openat(repository, file->location, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", file->location);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > MAX_PACKED) {
        rv = retrace_fail(err, APR_EINVAL, "%s is not a regular file of at most %ld MB",
                          file->location, (long)(MAX_PACKED / RETRACE_MIB));
    }
    else {
        rv = retrace_checksum_verify(&file->checksum, fd, &why);
        if (rv != APR_SUCCESS) {
            rv = retrace_fail(err, APR_EINVAL, "%s is damaged: %s", file->location, why.text);
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

static apr_status_t name_file(const worker_repomd_file_t *file, apr_status_t status,
                              const retrace_error_t *why, retrace_error_t *err)
{
    return status == APR_SUCCESS || status == APR_ENOTIMPL
        ? status
        : retrace_fail(err, APR_EINVAL, "%s is damaged: %s", file->location, why->text);
}

static apr_status_t collect_both(worker_repodata_t *data, const worker_repomd_t *repomd,
                                 const int *fds, worker_xml_reader_fn reader, retrace_error_t *err)
{
    retrace_error_t why = { .text = "" };
    apr_status_t rv = name_file(
        &repomd->primary, collect(data, worker_repodata_primary, fds[0], reader, &why), &why, err);

    if (rv == APR_SUCCESS) {
        rv = name_file(&repomd->filelists,
                       collect(data, worker_repodata_filelists, fds[1], reader, &why), &why, err);
    }
    return rv;
}

/* The scanner first; what is beyond it is read again, all of it. */
static apr_status_t load(worker_repodata_t **pdata, const worker_repomd_t *repomd, const int *fds,
                         const apr_hash_t *known, retrace_error_t *err, apr_pool_t *p)
{
    worker_repodata_t *data = worker_repodata_make(known, p);
    apr_status_t rv = collect_both(data, repomd, fds, worker_xml_scan, err);

    if (rv == APR_ENOTIMPL) {
        data = worker_repodata_make(known, p);
        rv = collect_both(data, repomd, fds, worker_xml_parse, err);
    }
    if (rv == APR_SUCCESS) {
        worker_repodata_sort(data);
        *pdata = data;
    }
    return rv;
}

apr_status_t worker_repodata_load(worker_repodata_t **pdata, int repository,
                                  const worker_repomd_t *repomd, const apr_hash_t *known,
                                  retrace_error_t *err, apr_pool_t *p)
{
    int fds[2] = { -1, -1 };
    apr_status_t rv = open_file(&fds[0], repository, &repomd->primary, err);

    if (rv == APR_SUCCESS) {
        rv = open_file(&fds[1], repository, &repomd->filelists, err);
    }
    if (rv == APR_SUCCESS) {
        rv = load(pdata, repomd, fds, known, err, p);
    }
    if (fds[0] >= 0) {
        (void)close(fds[0]);
    }
    if (fds[1] >= 0) {
        (void)close(fds[1]);
    }
    return rv;
}
