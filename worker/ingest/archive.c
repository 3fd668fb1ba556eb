/* SPDX-License-Identifier: Apache-2.0 */
/* What an upload may be: a few regular files with names that we know, each once and each within
 * its limit. Sizes are checked when they are declared, before anything of the file is written. */
#include "worker/ingest/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "worker/ingest/sparse_file.h"
#include "worker/ingest/tar_stream.h"

typedef struct reader_t {
    ingest_tar_t *tar;
    const ingest_limits_t *limits;
    const int *files;
    ingest_refusal_t refusal;
    ingest_member_set_t members;
    int entries;
    bool root_seen;          /* the entry "./" */
    int64_t declared_bytes;  /* of all members so far */
    int64_t small_bytes;     /* of the small ones, as far as they are read */
    int64_t unchecked_bytes; /* written since the last look at the free space */
} reader_t;

/* --- space ------------------------------------------------------------------------------------ */

static bool check_space(reader_t *reader)
{
    struct statvfs fs;
    char size[32];
    uint64_t free_bytes;

    reader->unchecked_bytes = 0;
    if (fstatvfs(reader->files[0], &fs) != 0) {
        return ingest_refuse(&reader->refusal, 500, "the free space cannot be told: %s",
                             strerror(errno));
    }
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &free_bytes)
        || reader->limits->min_free_bytes <= 0
        || free_bytes >= (uint64_t)reader->limits->min_free_bytes) {
        return true;
    }
    return ingest_refuse(&reader->refusal, 507, "less than %s of storage would stay free",
                         ingest_say_size(size, reader->limits->min_free_bytes));
}

static bool refuse_write(reader_t *reader, int error, const char *name)
{
    char size[32];

    if (error == ENOSPC || error == EDQUOT) {
        return ingest_refuse(&reader->refusal, 507,
                             "the storage is full (%s of it should stay free)",
                             ingest_say_size(size, reader->limits->min_free_bytes));
    }
    return ingest_refuse(&reader->refusal, 500, "the file %s cannot be written: %s", name,
                         strerror(error));
}

/* --- one entry -------------------------------------------------------------------------------- */

static bool has_link(struct archive_entry *entry)
{
    /* The narrow name is NULL when it cannot be converted: ask for both. */
    return archive_entry_hardlink(entry) != NULL || archive_entry_hardlink_w(entry) != NULL
        || archive_entry_symlink(entry) != NULL || archive_entry_symlink_w(entry) != NULL;
}

/* `tar -C dir .` begins with the directory itself. */
static bool is_root(const reader_t *reader, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);

    return !reader->root_seen && name != NULL && !has_link(entry)
        && archive_entry_filetype(entry) == AE_IFDIR
        && (strcmp(name, "./") == 0 || strcmp(name, ".") == 0);
}

static bool check_kind(reader_t *reader, struct archive_entry *entry)
{
    char name[INGEST_QUOTE_MAX];

    ingest_quote(name, archive_entry_pathname(entry));
    if (archive_entry_filetype(entry) != AE_IFREG || has_link(entry)) {
        return ingest_refuse(&reader->refusal, 403, "\"%s\" is not a regular file", name);
    }
    if (archive_entry_is_encrypted(entry)) {
        return ingest_refuse(&reader->refusal, 403, "\"%s\" is encrypted", name);
    }
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0) {
        return ingest_refuse(&reader->refusal, 403, "\"%s\" has no size", name);
    }
    return true;
}

static bool find_member(reader_t *reader, struct archive_entry *entry, ingest_member_t *pmember)
{
    const char *path = archive_entry_pathname(entry);
    char name[INGEST_QUOTE_MAX];
    ingest_member_t member = path == NULL ? INGEST_MEMBERS : ingest_member_find(path);

    if (member == INGEST_MEMBERS) {
        return ingest_refuse(&reader->refusal, 403, "the file \"%s\" does not belong here",
                             ingest_quote(name, path));
    }
    if (INGEST_HAS(reader->members, member)) {
        return ingest_refuse(&reader->refusal, 403, "the file %s comes twice",
                             ingest_member_rule(member)->name);
    }
    *pmember = member;
    return true;
}

static int64_t file_limit(const reader_t *reader, ingest_member_t member)
{
    switch (ingest_member_rule(member)->size_class) {
    case INGEST_SIZE_SMALL:
        return reader->limits->max_small_bytes;
    case INGEST_SIZE_PACKAGES:
        return INGEST_MAX_PACKAGES_BYTES;
    case INGEST_SIZE_CORE:
        break;
    }
    return INT64_MAX;
}

static bool check_size(reader_t *reader, ingest_member_t member, int64_t size)
{
    int64_t limit = file_limit(reader, member);
    char text[32];

    if (size > limit) {
        return ingest_refuse(&reader->refusal, 413, "the file %s is larger than %s",
                             ingest_member_rule(member)->name, ingest_say_size(text, limit));
    }
    limit = reader->limits->max_unpacked_bytes;
    if (size > limit - reader->declared_bytes) {
        return ingest_refuse(&reader->refusal, 413, "the unpacked files are larger than %s",
                             ingest_say_size(text, limit));
    }
    reader->declared_bytes += size;
    return true;
}

/* Only for small files: nothing needs one that is mostly repetition, while every core is. */
static bool check_ratio(reader_t *reader, int64_t unpacked)
{
    int64_t packed = ingest_tar_bytes_in(reader->tar);

    if (packed <= INGEST_RATIO_MIN_PACKED || unpacked <= INGEST_RATIO_MIN_UNPACKED
        || unpacked / packed < INGEST_RATIO_MAX) {
        return true;
    }
    return ingest_refuse(&reader->refusal, 413,
                         "the small files unpack to more than %d bytes per byte of the upload",
                         INGEST_RATIO_MAX);
}

static bool store(reader_t *reader, ingest_member_t member, const void *data, size_t length,
                  int64_t offset)
{
    int64_t written = 0;
    int error = ingest_sparse_write(reader->files[member], data, length, offset, &written);

    if (error != 0) {
        return refuse_write(reader, error, ingest_member_rule(member)->name);
    }
    reader->unchecked_bytes += written;
    return reader->unchecked_bytes < INGEST_SPACE_CHECK_STEP || check_space(reader);
}

static bool refuse_map(reader_t *reader, ingest_member_t member)
{
    return ingest_refuse(&reader->refusal, 403, "the sparse map of the file %s is broken",
                         ingest_member_rule(member)->name);
}

/* Pieces come in order and within the size, whatever a sparse map says. */
static bool check_piece(reader_t *reader, ingest_member_t member, int64_t position, int64_t size,
                        int64_t offset, size_t length)
{
    if (offset < position || offset > size || length > (uint64_t)(size - offset)) {
        return refuse_map(reader, member);
    }
    return ingest_member_rule(member)->size_class == INGEST_SIZE_CORE
        || check_ratio(reader, reader->small_bytes + offset + (int64_t)length);
}

/* How many bytes the pieces of a file must have together; -1 when no file has as many. libarchive
 * itself takes a file that ends before its map does. */
static int64_t mapped_bytes(struct archive_entry *entry)
{
    int64_t sum = 0;
    la_int64_t offset;
    la_int64_t length;
    int pieces = archive_entry_sparse_reset(entry);

    if (pieces == 0) {
        return archive_entry_size(entry);
    }
    for (; pieces > 0 && archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK;
         pieces--) {
        if (__builtin_add_overflow(sum, length, &sum)) {
            return -1;
        }
    }
    return sum;
}

static bool read_pieces(reader_t *reader, ingest_member_t member, struct archive_entry *entry)
{
    int64_t expected = mapped_bytes(entry);
    ingest_tar_status_t status;
    int64_t position = 0;
    int64_t sum = 0;
    int64_t offset;
    const void *data;
    size_t length;

    while ((status = ingest_tar_data(reader->tar, &data, &length, &offset)) == INGEST_TAR_OK) {
        if (!check_piece(reader, member, position, archive_entry_size(entry), offset, length)
            || !store(reader, member, data, length, offset)) {
            return false;
        }
        position = offset + (int64_t)length;
        sum += (int64_t)length;
    }
    if (status != INGEST_TAR_END) {
        return false;
    }
    return sum == expected || refuse_map(reader, member);
}

static bool read_content(reader_t *reader, ingest_member_t member, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    int error;

    if (!read_pieces(reader, member, entry)) {
        return false;
    }
    if (ingest_member_rule(member)->size_class != INGEST_SIZE_CORE) {
        reader->small_bytes += size;
    }
    error = ingest_sparse_finish(reader->files[member], size);
    return error == 0 || refuse_write(reader, error, ingest_member_rule(member)->name);
}

static bool read_entry(reader_t *reader, struct archive_entry *entry)
{
    ingest_member_t member = INGEST_MEMBERS;

    if (++reader->entries > INGEST_MAX_ENTRIES) {
        return ingest_refuse(&reader->refusal, 403, "the archive has more than %d entries",
                             INGEST_MAX_ENTRIES);
    }
    if (is_root(reader, entry)) {
        reader->root_seen = true;
        return true;
    }
    if (!check_kind(reader, entry) || !find_member(reader, entry, &member)
        || !check_size(reader, member, archive_entry_size(entry))
        || !read_content(reader, member, entry)) {
        return false;
    }
    reader->members |= UINT32_C(1) << member;
    return true;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool check_complete(reader_t *reader)
{
    const char *name = ingest_member_missing(reader->members, reader->limits->required);

    return name == NULL || ingest_refuse(&reader->refusal, 403, "the file %s is missing", name);
}

static bool read_entries(reader_t *reader)
{
    struct archive_entry *entry;
    ingest_tar_status_t status;

    while ((status = ingest_tar_next(reader->tar, &entry)) == INGEST_TAR_OK) {
        if (!read_entry(reader, entry)) {
            return false;
        }
    }
    return status == INGEST_TAR_END;
}

static void read_upload(reader_t *reader, ingest_source_fn source, void *baton)
{
    if (!check_space(reader)) {
        return;
    }
    reader->tar =
        ingest_tar_open(source, baton, reader->limits->max_unpacked_bytes, &reader->refusal);
    if (reader->tar == NULL) {
        (void)ingest_refuse(&reader->refusal, 500, "there is no memory to read the archive");
        return;
    }
    (void)(read_entries(reader) && ingest_tar_finish(reader->tar) && check_space(reader)
           && check_complete(reader));
    ingest_tar_close(reader->tar);
}

void ingest_archive_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                         const int files[INGEST_MEMBERS], const ingest_limits_t *limits)
{
    reader_t reader;

    memset(&reader, 0, sizeof(reader));
    reader.limits = limits;
    reader.files = files;
    read_upload(&reader, source, baton);

    verdict->status = reader.refusal.status == 0 ? 201 : reader.refusal.status;
    memcpy(verdict->sentence, reader.refusal.sentence, sizeof(verdict->sentence));
    verdict->members = reader.members;
}
