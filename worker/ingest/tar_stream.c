/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive with its tar format only and without any filter: the filters have no memory limit,
 * stack up, and ignore what follows the packed stream. */
#include "worker/ingest/tar_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ingest/head.h"

#define TAR_BLOCK 512

struct ingest_tar_t {
    struct archive *archive;
    ingest_decoder_t *decoder;
    ingest_refusal_t *refusal;
    int64_t max_bytes_out;
    bool opened;
    const unsigned char *block; /* given to libarchive last */
    size_t block_length;
    /* The last bytes before the block. libarchive looks at most one tar block ahead, so whatever
     * it has not consumed is either here or in the block. */
    unsigned char tail[TAR_BLOCK];
    size_t tail_length;
    unsigned char head[INGEST_CORE_HEAD]; /* of what was decoded */
    size_t head_length;
};

/* Appends to the tail and keeps its last TAR_BLOCK bytes. */
static void keep_tail(ingest_tar_t *tar, const unsigned char *data, size_t length)
{
    size_t keep = TAR_BLOCK - (length < TAR_BLOCK ? length : TAR_BLOCK);

    if (keep > tar->tail_length) {
        keep = tar->tail_length;
    }
    memmove(tar->tail, tar->tail + tar->tail_length - keep, keep);
    if (length > TAR_BLOCK) {
        data += length - TAR_BLOCK;
        length = TAR_BLOCK;
    }
    if (length > 0) {
        memcpy(tar->tail + keep, data, length);
    }
    tar->tail_length = keep + length;
}

/* A core that came without an archive is not guessed at: its sender means it to be one. */
static bool check_head(ingest_tar_t *tar)
{
    size_t room = sizeof(tar->head) - tar->head_length;
    size_t length = tar->block_length < room ? tar->block_length : room;

    if (length > 0) {
        memcpy(tar->head + tar->head_length, tar->block, length);
        tar->head_length += length;
    }
    return !ingest_head_is_core(tar->head, tar->head_length)
        || ingest_refuse(tar->refusal, 403,
                         "the upload is a bare core: send it as application/x-coredump");
}

/* Every entry was measured by its size, but a stream may also hold bytes that belong to none. */
static bool check_decoded_total(ingest_tar_t *tar)
{
    char size[32];

    if (ingest_decoder_bytes_out(tar->decoder) <= tar->max_bytes_out) {
        return true;
    }
    return ingest_refuse(tar->refusal, 413, "the unpacked archive is larger than %s",
                         ingest_say_size(size, tar->max_bytes_out));
}

/* The next decoded bytes; their length is 0 at the end. */
static bool read_block(ingest_tar_t *tar)
{
    ingest_decode_status_t status;
    const void *data;

    keep_tail(tar, tar->block, tar->block_length);
    status = ingest_decoder_read(tar->decoder, &data, &tar->block_length);
    tar->block = data;
    if (status != INGEST_DECODE_OK && status != INGEST_DECODE_END) {
        return ingest_decoder_refuse(tar->decoder, tar->refusal, NULL);
    }
    return check_head(tar) && check_decoded_total(tar);
}

static la_ssize_t give_block(struct archive *archive, void *baton, const void **pdata)
{
    ingest_tar_t *tar = baton;

    if (!read_block(tar)) {
        archive_set_error(archive, EIO, "the stream cannot be decoded");
        return -1;
    }
    *pdata = tar->block;
    return (la_ssize_t)tar->block_length;
}

/* A warning of libarchive means that it guessed; nothing is guessed about an upload. */
static ingest_tar_status_t judge(ingest_tar_t *tar, int rc)
{
    char quoted[INGEST_QUOTE_MAX];

    if (tar->refusal->status != 0) {
        return INGEST_TAR_REFUSED;
    }
    if (rc == ARCHIVE_OK) {
        return INGEST_TAR_OK;
    }
    if (rc == ARCHIVE_EOF) {
        return INGEST_TAR_END;
    }
    if (archive_errno(tar->archive) == ENOMEM) {
        (void)ingest_refuse(tar->refusal, 500, "there is no memory to read the archive");
        return INGEST_TAR_REFUSED;
    }
    (void)ingest_refuse(tar->refusal, 403, "the archive is not a sound tar archive: %s",
                        ingest_quote(quoted, archive_error_string(tar->archive)));
    return INGEST_TAR_REFUSED;
}

ingest_tar_t *ingest_tar_open(ingest_source_fn source, void *baton, int64_t max_bytes,
                              ingest_refusal_t *refusal)
{
    ingest_tar_t *tar = calloc(1, sizeof(*tar));

    if (tar == NULL) {
        return NULL;
    }
    tar->refusal = refusal;
    if (__builtin_add_overflow(max_bytes, INGEST_MAX_OVERHEAD_BYTES, &tar->max_bytes_out)) {
        tar->max_bytes_out = INT64_MAX;
    }
    tar->decoder = ingest_decoder_new(source, baton);
    tar->archive = archive_read_new();
    if (tar->decoder == NULL || tar->archive == NULL
        || archive_read_support_format_tar(tar->archive) != ARCHIVE_OK) {
        ingest_tar_close(tar);
        return NULL;
    }
    return tar;
}

void ingest_tar_close(ingest_tar_t *tar)
{
    if (tar->archive != NULL) {
        (void)archive_read_free(tar->archive);
    }
    ingest_decoder_free(tar->decoder);
    free(tar);
}

ingest_tar_status_t ingest_tar_next(ingest_tar_t *tar, struct archive_entry **pentry)
{
    int rc = ARCHIVE_OK;

    if (!tar->opened) {
        tar->opened = true;
        rc = archive_read_open(tar->archive, tar, NULL, give_block, NULL);
    }
    if (rc == ARCHIVE_OK) {
        rc = archive_read_next_header(tar->archive, pentry);
    }
    return judge(tar, rc);
}

ingest_tar_status_t ingest_tar_data(ingest_tar_t *tar, const void **pdata, size_t *plength,
                                    int64_t *poffset)
{
    la_int64_t offset = 0;
    int rc = archive_read_data_block(tar->archive, pdata, plength, &offset);

    *poffset = offset;
    return judge(tar, rc);
}

static bool refuse_unless_zero(ingest_tar_t *tar, const unsigned char *data, size_t length)
{
    if (length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0)) {
        return true;
    }
    return ingest_refuse(tar->refusal, 403, "other bytes follow the end of the archive");
}

/* The bytes that libarchive was given but has not consumed. */
static bool check_read_ahead(ingest_tar_t *tar)
{
    int64_t given = ingest_decoder_bytes_out(tar->decoder);
    int64_t unread = given - archive_filter_bytes(tar->archive, 0);
    size_t in_block = tar->block_length;
    size_t in_tail = 0;

    if (unread < 0 || unread > (int64_t)(tar->block_length + tar->tail_length)) {
        return ingest_refuse(tar->refusal, 500, "the end of the archive cannot be told");
    }
    if ((size_t)unread > in_block) {
        in_tail = (size_t)unread - in_block;
    }
    else {
        in_block = (size_t)unread;
    }
    return refuse_unless_zero(tar, tar->tail + tar->tail_length - in_tail, in_tail)
        && refuse_unless_zero(tar, tar->block + tar->block_length - in_block, in_block);
}

bool ingest_tar_finish(ingest_tar_t *tar)
{
    /* Without its closing zeros an archive may have lost entries, and nobody could tell. */
    if (archive_filter_bytes(tar->archive, 0) <= archive_read_header_position(tar->archive)) {
        return ingest_refuse(tar->refusal, 403, "the archive is cut off before its end mark");
    }
    if (!check_read_ahead(tar)) {
        return false;
    }
    do {
        if (!read_block(tar) || !refuse_unless_zero(tar, tar->block, tar->block_length)) {
            return false;
        }
    }
    while (tar->block_length > 0);
    return true;
}

int64_t ingest_tar_bytes_in(const ingest_tar_t *tar)
{
    return ingest_decoder_bytes_in(tar->decoder);
}
