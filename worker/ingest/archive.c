/* SPDX-License-Identifier: Apache-2.0 */
/* What an upload may be: a few regular files with names that we know, each once and each within
 * its limit. Sizes are checked when they are declared, before anything of the file is written. */
#include "worker/ingest/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/ingest/core_stream.h"
#include "worker/ingest/tar_stream.h"

typedef struct reader_t {
    ingest_tar_t *tar;
    ingest_sink_t sink;
    int entries;
    bool root_seen;      /* the entry "./" */
    int64_t small_bytes; /* of the small members, as far as they are read */
} reader_t;

/* What the table of members makes of an entry. */
typedef struct place_t {
    ingest_member_t member;
    bool is_packed;
} place_t;

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
        return ingest_refuse(&reader->sink.refusal, 403, "\"%s\" is not a regular file", name);
    }
    if (archive_entry_is_encrypted(entry)) {
        return ingest_refuse(&reader->sink.refusal, 403, "\"%s\" is encrypted", name);
    }
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0) {
        return ingest_refuse(&reader->sink.refusal, 403, "\"%s\" has no size", name);
    }
    return true;
}

static bool find_place(reader_t *reader, struct archive_entry *entry, place_t *pplace)
{
    const char *path = archive_entry_pathname(entry);
    char name[INGEST_QUOTE_MAX];
    bool is_packed = false;
    ingest_member_t member = path == NULL ? INGEST_MEMBERS : ingest_member_find(path, &is_packed);

    if (member == INGEST_MEMBERS) {
        return ingest_refuse(&reader->sink.refusal, 403, "the file \"%s\" does not belong here",
                             ingest_quote(name, path));
    }
    if (INGEST_HAS(reader->sink.members, member)) {
        return ingest_refuse(&reader->sink.refusal, 403, "the file %s comes twice",
                             ingest_member_rule(member)->name);
    }
    pplace->member = member;
    pplace->is_packed = is_packed;
    return true;
}

static int64_t file_limit(const reader_t *reader, ingest_member_t member)
{
    switch (ingest_member_rule(member)->size_class) {
    case INGEST_SIZE_SMALL:
        return reader->sink.limits->max_small_bytes;
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
        return ingest_refuse(&reader->sink.refusal, 413, "the file %s is larger than %s",
                             ingest_member_rule(member)->name, ingest_say_size(text, limit));
    }
    return ingest_sink_count(&reader->sink, size);
}

/* Only for small files: nothing needs one that is mostly repetition, while every core is. */
static bool check_ratio(reader_t *reader, int64_t unpacked)
{
    int64_t packed = ingest_tar_bytes_in(reader->tar);

    if (packed <= INGEST_RATIO_MIN_PACKED || unpacked <= INGEST_RATIO_MIN_UNPACKED
        || unpacked / packed < INGEST_RATIO_MAX) {
        return true;
    }
    return ingest_refuse(&reader->sink.refusal, 413,
                         "the small files unpack to more than %d bytes per byte of the upload",
                         INGEST_RATIO_MAX);
}

static bool refuse_map(reader_t *reader, ingest_member_t member)
{
    return ingest_refuse(&reader->sink.refusal, 403, "the sparse map of the file %s is broken",
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
            || !ingest_sink_write(&reader->sink, member, data, length, offset)) {
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

    if (!check_size(reader, member, size) || !read_pieces(reader, member, entry)) {
        return false;
    }
    if (ingest_member_rule(member)->size_class != INGEST_SIZE_CORE) {
        reader->small_bytes += size;
    }
    return ingest_sink_finish(&reader->sink, member, size);
}

/* --- a packed entry ----------------------------------------------------------------------------- */

typedef struct packed_t {
    reader_t *reader;
    const char *name;
    const unsigned char *data; /* a piece, as far as it is not handed out */
    size_t length;
    int64_t position; /* behind the piece */
} packed_t;

static bool refuse_holes(const packed_t *packed)
{
    return ingest_refuse(&packed->reader->sink.refusal, 403, "the file %s is packed, but has holes",
                         packed->name);
}

static ssize_t read_packed(void *baton, void *buffer, size_t size)
{
    packed_t *packed = baton;

    while (packed->length == 0) {
        const void *data;
        int64_t offset;
        ingest_tar_status_t status =
            ingest_tar_data(packed->reader->tar, &data, &packed->length, &offset);

        if (status == INGEST_TAR_END) {
            packed->length = 0;
            return 0;
        }
        if (status != INGEST_TAR_OK || (offset != packed->position && !refuse_holes(packed))) {
            return -1;
        }
        packed->data = data;
        packed->position += (int64_t)packed->length;
    }
    if (size > packed->length) {
        size = packed->length;
    }
    memcpy(buffer, packed->data, size);
    packed->data += size;
    packed->length -= size;
    return (ssize_t)size;
}

/* Its own size is bounded by what the whole archive may have. */
static bool read_packed_core(reader_t *reader, struct archive_entry *entry)
{
    char name[INGEST_QUOTE_MAX];
    packed_t packed = { .reader = reader,
                        .name = ingest_quote(name, archive_entry_pathname(entry)) };

    return ingest_core_unpack(&reader->sink, read_packed, &packed, name)
        && (packed.position == archive_entry_size(entry) || refuse_holes(&packed));
}

/* --- the whole ---------------------------------------------------------------------------------- */

static bool read_entry(reader_t *reader, struct archive_entry *entry)
{
    place_t place = { INGEST_MEMBERS, false };

    if (++reader->entries > INGEST_MAX_ENTRIES) {
        return ingest_refuse(&reader->sink.refusal, 403, "the archive has more than %d entries",
                             INGEST_MAX_ENTRIES);
    }
    if (is_root(reader, entry)) {
        reader->root_seen = true;
        return true;
    }
    if (!check_kind(reader, entry) || !find_place(reader, entry, &place)) {
        return false;
    }
    return place.is_packed ? read_packed_core(reader, entry)
                           : read_content(reader, place.member, entry);
}

static bool check_complete(reader_t *reader)
{
    const char *name = ingest_member_missing(reader->sink.members, reader->sink.limits->required);

    return name == NULL
        || ingest_refuse(&reader->sink.refusal, 403, "the file %s is missing", name);
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
    if (!ingest_sink_check_space(&reader->sink)) {
        return;
    }
    reader->tar = ingest_tar_open(source, baton, reader->sink.limits->max_unpacked_bytes,
                                  &reader->sink.refusal);
    if (reader->tar == NULL) {
        (void)ingest_refuse(&reader->sink.refusal, 500, "there is no memory to read the archive");
        return;
    }
    (void)(read_entries(reader) && ingest_tar_finish(reader->tar)
           && ingest_sink_check_space(&reader->sink) && check_complete(reader));
    ingest_tar_close(reader->tar);
}

void ingest_archive_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                         const int files[INGEST_MEMBERS], const ingest_limits_t *limits)
{
    reader_t reader;

    memset(&reader, 0, sizeof(reader));
    ingest_sink_open(&reader.sink, files, limits);
    read_upload(&reader, source, baton);
    ingest_sink_judge(verdict, &reader.sink);
}
