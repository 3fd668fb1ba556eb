/* SPDX-License-Identifier: Apache-2.0 */
/* See extract.h. Two readers of libarchive, one behind the other: the first one undoes the one compression
 * that the payload has, the second one reads the cpio archive that comes out. In between everything
 * is counted: nothing that libarchive does is without a limit. Of the rest of it nothing is reached. */
#include "worker/resolve/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "worker/resolve/rpm_payload.h"

#define BLOCK 65536 /* bytes of one read */

const worker_extract_limits_t worker_extract_usual = { .entries = 500000,
                                                       .file_bytes = 4096 * RETRACE_MIB,
                                                       .decoded_bytes = 16384 * RETRACE_MIB,
                                                       .time_ms = 600 * 1000 };

typedef struct reader_t {
    struct archive *decoder; /* the payload → a cpio archive */
    struct archive *archive; /* that archive */
    int64_t decoded_bytes;   /* handed from the one to the other */
    bool is_beyond;          /* a limit: err says which one */
    apr_array_header_t *items;
    const worker_extract_limits_t *limits;
    int64_t start_ms;
    int entries;
    retrace_error_t *err;
} reader_t;

static apr_status_t check_limits(reader_t *reader)
{
    const worker_extract_limits_t *limits = reader->limits;

    if (reader->entries > limits->entries) {
        return retrace_fail(reader->err, APR_ENOSPC, "it has more than %d files", limits->entries);
    }
    if (reader->decoded_bytes > limits->decoded_bytes) {
        return retrace_fail(reader->err, APR_ENOSPC, "it has more than %ld MB unpacked",
                            (long)(limits->decoded_bytes / RETRACE_MIB));
    }
    if (retrace_clock_ms() - reader->start_ms > limits->time_ms) {
        return retrace_fail(reader->err, APR_ENOSPC, "it took more than %ld s to unpack",
                            (long)(limits->time_ms / 1000));
    }
    return APR_SUCCESS;
}

static apr_status_t fail_decoding(const reader_t *reader, struct archive *archive)
{
    const char *reason = archive_error_string(archive);

    if (reader->is_beyond) {
        return APR_ENOSPC;
    }
    return retrace_fail(reader->err, APR_EINVAL, "its content cannot be unpacked: %s",
                        reason != NULL ? reason : "it is damaged");
}

/* --- The compression ----------------------------------------------------------------------- */

/* A block for the second reader: the only way by which it gets anything. */
static la_ssize_t read_decoded(struct archive *archive, void *data, const void **pblock)
{
    reader_t *reader = data;
    size_t length = 0;
    la_int64_t offset = 0;
    int rc = archive_read_data_block(reader->decoder, pblock, &length, &offset);

    if (rc == ARCHIVE_EOF) {
        return 0;
    }
    if (rc != ARCHIVE_OK) {
        const char *reason = archive_error_string(reader->decoder);

        archive_set_error(archive, EINVAL, "%s", reason != NULL ? reason : "it is damaged");
        return ARCHIVE_FATAL;
    }
    reader->decoded_bytes += (int64_t)length;
    if (check_limits(reader) != APR_SUCCESS) {
        reader->is_beyond = true;
        return ARCHIVE_FATAL;
    }
    return (la_ssize_t)length;
}

static apr_status_t open_decoder(reader_t *reader, int fd)
{
    struct archive_entry *entry = NULL;
    int filter = ARCHIVE_FILTER_NONE;
    apr_status_t rv = worker_rpm_payload(&filter, fd, reader->err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    (void)archive_read_support_format_raw(reader->decoder);
    if ((filter != ARCHIVE_FILTER_NONE
         && archive_read_append_filter(reader->decoder, filter) != ARCHIVE_OK)
        || archive_read_open_fd(reader->decoder, fd, BLOCK) != ARCHIVE_OK
        || archive_read_next_header(reader->decoder, &entry) != ARCHIVE_OK) {
        return fail_decoding(reader, reader->decoder);
    }
    return APR_SUCCESS;
}

/* --- The files ----------------------------------------------------------------------------- */

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

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return errno;
        }
        data += written;
        offset += written;
        length -= (size_t)written;
    }
    return APR_SUCCESS;
}

static apr_status_t copy_entry(reader_t *reader, const worker_extract_item_t *item)
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
            return fail_decoding(reader, reader->archive);
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

static apr_status_t take_entry(reader_t *reader, struct archive_entry *entry, int *pleft)
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
            return fail_decoding(reader, reader->archive);
        }
        reader->entries++;
        rv = check_limits(reader);
        if (rv == APR_SUCCESS) {
            rv = take_entry(reader, entry, &left);
        }
    }
    return rv;
}

static apr_status_t read_all(reader_t *reader, int fd)
{
    apr_status_t rv = open_decoder(reader, fd);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    (void)archive_read_support_format_cpio(reader->archive);
    return archive_read_open(reader->archive, reader, NULL, read_decoded, NULL) == ARCHIVE_OK
        ? read_entries(reader)
        : fail_decoding(reader, reader->archive);
}

apr_status_t worker_extract(apr_array_header_t *items, int fd,
                            const worker_extract_limits_t *limits, retrace_error_t *err)
{
    reader_t reader = { .decoder = archive_read_new(),
                        .archive = archive_read_new(),
                        .items = items,
                        .limits = limits,
                        .start_ms = retrace_clock_ms(),
                        .err = err };
    apr_status_t rv = reader.decoder != NULL && reader.archive != NULL
        ? read_all(&reader, fd)
        : retrace_fail(err, APR_ENOMEM, "unpack a package");

    (void)archive_read_free(reader.archive);
    (void)archive_read_free(reader.decoder);
    return rv;
}
