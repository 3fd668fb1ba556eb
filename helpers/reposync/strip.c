/* SPDX-License-Identifier: Apache-2.0 */
/* See strip.h. Of hard links only the last one comes with the content: the ones before it wait until it
 * is known whether they are kept. */
#include "helpers/reposync/strip.h"

#include <apr_hash.h>
#include <apr_tables.h>
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "helpers/reposync/header.h"
#include "lib/fs.h"

#define BLOCK         65536 /* bytes of one read */
#define DIGEST_SHA256 8     /* OpenPGP's numbers */
#define DIGEST_SHA512 10

/* --- What stays ---------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *directory)
{
    return strncmp(path, directory, strlen(directory)) == 0;
}

bool reposync_strip_keeps(const char *path, const char *start, size_t length)
{
    if (is_below(path, "/usr/lib/debug/")) {
        return true;
    }
    return start != NULL ? length >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0
                         : is_below(path, "/usr/lib/.build-id/");
}

/* --- The part that is signed ----------------------------------------------------------------- */

/* Workers check each file of a reduced package by the header's digest of it. Without the tag it is MD5. */
static bool has_strong_digests(const reposync_header_t *header, int fd)
{
    uint32_t algorithm = 0;

    return reposync_header_number(&algorithm, header, fd, REPOSYNC_TAG_FILE_DIGEST)
        && algorithm >= DIGEST_SHA256 && algorithm <= DIGEST_SHA512;
}

static apr_status_t copy_head(int to, int from, int64_t length, retrace_error_t *err)
{
    char block[BLOCK];
    int64_t done = 0;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && done < length) {
        size_t wanted = length - done < BLOCK ? (size_t)(length - done) : BLOCK;
        ssize_t got = pread(from, block, wanted, (off_t)done);

        if (got <= 0) {
            return retrace_fail(err, APR_EINVAL, "it breaks off");
        }
        rv = retrace_fs_write_all(to, block, (apr_size_t)got);
        done += got;
    }
    return rv == APR_SUCCESS ? rv : retrace_fail(err, rv, "write a package");
}

/* --- The payload --------------------------------------------------------------------------- */

typedef struct stripper_t {
    struct archive *in;
    struct archive *out;
    apr_hash_t *waiting; /* inode → apr_array_header_t * of struct archive_entry * */
    int files;           /* regular ones and links */
    int kept;
    retrace_error_t *err;
    apr_pool_t *pool;
} stripper_t;

static apr_status_t fail_reading(const stripper_t *stripper)
{
    return retrace_fail(stripper->err, APR_EINVAL, "its content cannot be unpacked: %s",
                        archive_error_string(stripper->in));
}

static apr_status_t fail_writing(const stripper_t *stripper)
{
    int number = archive_errno(stripper->out);

    return retrace_fail(stripper->err, number > 0 ? number : APR_EGENERAL, "write a package");
}

static apr_status_t write_header(stripper_t *stripper, struct archive_entry *entry)
{
    stripper->kept++;
    archive_entry_set_hardlink(entry, NULL);
    return archive_write_header(stripper->out, entry) == ARCHIVE_OK ? APR_SUCCESS
                                                                    : fail_writing(stripper);
}

/* Names are "./usr/bin/x". */
static const char *path_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);

    return name == NULL ? "" : name[0] == '.' && name[1] == '/' ? name + 1 : name;
}

static apr_array_header_t *waiting_of(const stripper_t *stripper, struct archive_entry *entry)
{
    int64_t inode = (int64_t)archive_entry_ino64(entry);

    return archive_entry_nlink(entry) > 1 ? apr_hash_get(stripper->waiting, &inode, sizeof(inode))
                                          : NULL;
}

static apr_status_t free_entry(void *data)
{
    archive_entry_free(data);
    return APR_SUCCESS;
}

static void let_wait(const stripper_t *stripper, struct archive_entry *entry)
{
    apr_array_header_t *waiting = waiting_of(stripper, entry);
    struct archive_entry *copy = archive_entry_clone(entry);

    if (waiting == NULL) {
        int64_t *inode = apr_palloc(stripper->pool, sizeof(*inode));

        *inode = (int64_t)archive_entry_ino64(entry);
        waiting = apr_array_make(stripper->pool, 2, sizeof(struct archive_entry *));
        apr_hash_set(stripper->waiting, inode, sizeof(*inode), waiting);
    }
    apr_pool_cleanup_register(stripper->pool, copy, free_entry, apr_pool_cleanup_null);
    APR_ARRAY_PUSH(waiting, struct archive_entry *) = copy;
}

static bool keeps_one_of(const apr_array_header_t *waiting, const char *start, size_t length)
{
    int i;

    for (i = 0; waiting != NULL && i < waiting->nelts; i++) {
        if (reposync_strip_keeps(path_of(APR_ARRAY_IDX(waiting, i, struct archive_entry *)), start,
                                 length)) {
            return true;
        }
    }
    return false;
}

static apr_status_t write_waiting(stripper_t *stripper, const apr_array_header_t *waiting)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; waiting != NULL && i < waiting->nelts && rv == APR_SUCCESS; i++) {
        rv = write_header(stripper, APR_ARRAY_IDX(waiting, i, struct archive_entry *));
    }
    return rv;
}

static apr_status_t copy_content(const stripper_t *stripper, char *block, la_ssize_t got)
{
    while (got > 0) {
        if (archive_write_data(stripper->out, block, (size_t)got) != got) {
            return fail_writing(stripper);
        }
        got = archive_read_data(stripper->in, block, BLOCK);
    }
    return got == 0 ? APR_SUCCESS : fail_reading(stripper);
}

static apr_status_t take_file(stripper_t *stripper, struct archive_entry *entry)
{
    char block[BLOCK];
    const apr_array_header_t *waiting = waiting_of(stripper, entry);
    la_ssize_t got = archive_read_data(stripper->in, block, sizeof(block));
    apr_status_t rv;

    if (got < 0) {
        return fail_reading(stripper);
    }
    if (!reposync_strip_keeps(path_of(entry), block, (size_t)got)
        && !keeps_one_of(waiting, block, (size_t)got)) {
        return APR_SUCCESS;
    }
    rv = write_waiting(stripper, waiting);
    if (rv == APR_SUCCESS) {
        rv = write_header(stripper, entry);
    }
    return rv == APR_SUCCESS ? copy_content(stripper, block, got) : rv;
}

static apr_status_t take_entry(stripper_t *stripper, struct archive_entry *entry)
{
    if (archive_entry_filetype(entry) != AE_IFLNK && archive_entry_filetype(entry) != AE_IFREG) {
        return APR_SUCCESS;
    }
    if (++stripper->files > REPOSYNC_STRIP_MAX_FILES) {
        return retrace_fail(stripper->err, APR_EINVAL, "it has more than %d files",
                            REPOSYNC_STRIP_MAX_FILES);
    }
    if (archive_entry_filetype(entry) == AE_IFLNK) {
        return reposync_strip_keeps(path_of(entry), NULL, 0) ? write_header(stripper, entry)
                                                             : APR_SUCCESS;
    }
    if (archive_entry_nlink(entry) > 1 && archive_entry_size(entry) == 0) {
        let_wait(stripper, entry);
        return APR_SUCCESS;
    }
    return take_file(stripper, entry);
}

static apr_status_t take_entries(stripper_t *stripper)
{
    struct archive_entry *entry = NULL;
    apr_status_t rv = APR_SUCCESS;
    int rc;

    while (rv == APR_SUCCESS
           && (rc = archive_read_next_header(stripper->in, &entry)) != ARCHIVE_EOF) {
        rv = rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? take_entry(stripper, entry)
                                                    : fail_reading(stripper);
    }
    return rv;
}

static void allow_formats(struct archive *in)
{
    (void)archive_read_support_filter_rpm(in);
    (void)archive_read_support_filter_gzip(in);
    (void)archive_read_support_filter_bzip2(in);
    (void)archive_read_support_filter_lzma(in);
    (void)archive_read_support_filter_xz(in);
    (void)archive_read_support_filter_zstd(in);
    (void)archive_read_support_format_cpio(in);
}

static apr_status_t strip_payload(stripper_t *stripper, int to, int from)
{
    apr_status_t rv;

    allow_formats(stripper->in);
    if (lseek(from, 0, SEEK_SET) != 0
        || archive_read_open_fd(stripper->in, from, BLOCK) != ARCHIVE_OK) {
        return fail_reading(stripper);
    }
    if (archive_write_set_format_cpio_newc(stripper->out) != ARCHIVE_OK
        || archive_write_add_filter_zstd(stripper->out) != ARCHIVE_OK
        || archive_write_set_bytes_in_last_block(stripper->out, 1) != ARCHIVE_OK
        || archive_write_open_fd(stripper->out, to) != ARCHIVE_OK) {
        return fail_writing(stripper);
    }
    rv = take_entries(stripper);
    if (rv == APR_SUCCESS && archive_write_close(stripper->out) != ARCHIVE_OK) {
        rv = fail_writing(stripper);
    }
    return rv;
}

apr_status_t reposync_strip(int *pdropped, int to, int from, retrace_error_t *err,
                            apr_pool_t *scratch)
{
    stripper_t stripper = { .in = archive_read_new(),
                            .out = archive_write_new(),
                            .waiting = apr_hash_make(scratch),
                            .err = err,
                            .pool = scratch };
    reposync_header_t header;
    apr_status_t rv;

    if (stripper.in == NULL || stripper.out == NULL) {
        rv = retrace_fail(err, APR_ENOMEM, "unpack a package");
    }
    else if (!reposync_header_find(&header, from)) {
        rv = retrace_fail(err, APR_EINVAL, "it is no RPM package");
    }
    else if (!has_strong_digests(&header, from)) {
        rv = retrace_fail(err, APR_EINVAL, "its header has no SHA-2 checksums of files");
    }
    else {
        rv = copy_head(to, from, reposync_header_end(&header), err);
    }
    if (rv == APR_SUCCESS) {
        rv = strip_payload(&stripper, to, from);
    }
    if (rv == APR_SUCCESS) {
        /* Packages come packed better than here. */
        *pdropped =
            lseek(to, 0, SEEK_END) < lseek(from, 0, SEEK_END) ? stripper.files - stripper.kept : 0;
    }
    (void)archive_read_free(stripper.in);
    (void)archive_write_free(stripper.out);
    return rv;
}
