/* SPDX-License-Identifier: Apache-2.0 */
/* See extract.h. Only the formats that packages have are switched on: of the rest of libarchive
 * nothing is reached. */
#include "worker/resolve/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/config.h"

#define BLOCK 65536 /* bytes of one read */

const worker_extract_limits_t worker_extract_usual = { .entries = 500000,
                                                       .file_bytes = 4096 * RETRACE_MIB,
                                                       .decoded_bytes = 16384 * RETRACE_MIB,
                                                       .time_ms = 600 * 1000 };

typedef struct reader_t {
    struct archive *archive;
    apr_array_header_t *items;
    const worker_extract_limits_t *limits;
    int64_t start_ms;
    int entries;
    retrace_error_t *err;
} reader_t;

static apr_status_t check_limits(const reader_t *reader)
{
    const worker_extract_limits_t *limits = reader->limits;

    if (reader->entries > limits->entries) {
        return retrace_fail(reader->err, APR_ENOSPC, "it has more than %d files", limits->entries);
    }
    if (archive_filter_bytes(reader->archive, 0) > limits->decoded_bytes) {
        return retrace_fail(reader->err, APR_ENOSPC, "it has more than %ld MB unpacked",
                            (long)(limits->decoded_bytes / RETRACE_MIB));
    }
    if (retrace_clock_ms() - reader->start_ms > limits->time_ms) {
        return retrace_fail(reader->err, APR_ENOSPC, "it took more than %ld s to unpack",
                            (long)(limits->time_ms / 1000));
    }
    return APR_SUCCESS;
}

static apr_status_t fail_decoding(const reader_t *reader)
{
    return retrace_fail(reader->err, APR_EINVAL, "its content cannot be unpacked: %s",
                        archive_error_string(reader->archive));
}

/* Names are "./usr/bin/x"; those of the items "/usr/bin/x". Of hard links only the last one has the
 * content. */
static worker_extract_item_t *find_item(const reader_t *reader, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    ino_t inode = archive_entry_nlink(entry) > 1 ? (ino_t)archive_entry_ino64(entry) : 0;
    int i;

    if (name == NULL || archive_entry_filetype(entry) != AE_IFREG) {
        return NULL;
    }
    name += name[0] == '.' && name[1] == '/';
    for (i = 0; i < reader->items->nelts; i++) {
        worker_extract_item_t *item = &APR_ARRAY_IDX(reader->items, i, worker_extract_item_t);

        if (item->is_done) {
            continue;
        }
        if (strcmp(item->path, name) == 0
            || (name[0] != '/' && strcmp(item->path + 1, name) == 0)) {
            item->inode = inode;
            return item;
        }
        if (inode != 0 && item->inode == inode) {
            return item;
        }
    }
    return NULL;
}

static apr_status_t write_at(int fd, const char *data, size_t length, int64_t offset)
{
    while (length > 0) {
        ssize_t written = pwrite(fd, data, length, (off_t)offset);

        if (written < 0) {
            return errno;
        }
        data += written;
        offset += written;
        length -= (size_t)written;
    }
    return APR_SUCCESS;
}

static apr_status_t copy_entry(const reader_t *reader, const worker_extract_item_t *item)
{
    const void *data = NULL;
    size_t length = 0;
    la_int64_t offset = 0;
    apr_status_t rv = APR_SUCCESS;
    int rc;

    while (rv == APR_SUCCESS
           && (rc = archive_read_data_block(reader->archive, &data, &length, &offset))
               != ARCHIVE_EOF) {
        if (rc != ARCHIVE_OK) {
            return fail_decoding(reader);
        }
        if (offset + (int64_t)length > reader->limits->file_bytes) {
            return retrace_fail(reader->err, APR_ENOSPC, "%s has more than %ld MB", item->path,
                                (long)(reader->limits->file_bytes / RETRACE_MIB));
        }
        rv = write_at(item->fd, data, length, offset);
        if (rv != APR_SUCCESS) {
            return retrace_fail(reader->err, rv, "unpack %s", item->path);
        }
        rv = check_limits(reader);
    }
    return rv;
}

static apr_status_t take_entry(const reader_t *reader, struct archive_entry *entry, int *pleft)
{
    worker_extract_item_t *item = find_item(reader, entry);
    apr_status_t rv;

    if (item == NULL || archive_entry_size(entry) <= 0) {
        return APR_SUCCESS;
    }
    rv = copy_entry(reader, item);
    if (rv == APR_SUCCESS) {
        item->is_done = true;
        (*pleft)--;
    }
    return rv;
}

static apr_status_t read_entries(reader_t *reader)
{
    struct archive_entry *entry = NULL;
    int left = reader->items->nelts;
    apr_status_t rv = APR_SUCCESS;
    int rc;

    while (left > 0 && rv == APR_SUCCESS
           && (rc = archive_read_next_header(reader->archive, &entry)) != ARCHIVE_EOF) {
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return fail_decoding(reader);
        }
        reader->entries++;
        rv = check_limits(reader);
        if (rv == APR_SUCCESS) {
            rv = take_entry(reader, entry, &left);
        }
    }
    return rv;
}

static void allow_formats(struct archive *archive)
{
    (void)archive_read_support_filter_rpm(archive);
    (void)archive_read_support_filter_gzip(archive);
    (void)archive_read_support_filter_bzip2(archive);
    (void)archive_read_support_filter_lzma(archive);
    (void)archive_read_support_filter_xz(archive);
    (void)archive_read_support_filter_zstd(archive);
    (void)archive_read_support_format_cpio(archive);
}

apr_status_t worker_extract(apr_array_header_t *items, int fd,
                            const worker_extract_limits_t *limits, retrace_error_t *err)
{
    reader_t reader = { .archive = archive_read_new(),
                        .items = items,
                        .limits = limits,
                        .start_ms = retrace_clock_ms(),
                        .err = err };
    apr_status_t rv;

    if (reader.archive == NULL) {
        return retrace_fail(err, APR_ENOMEM, "unpack a package");
    }
    allow_formats(reader.archive);
    rv = archive_read_open_fd(reader.archive, fd, BLOCK) == ARCHIVE_OK ? read_entries(&reader)
                                                                       : fail_decoding(&reader);
    (void)archive_read_free(reader.archive);
    return rv;
}
