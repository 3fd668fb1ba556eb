/* SPDX-License-Identifier: Apache-2.0 */
/* Tar headers by POSIX.1-2017 (pax, "ustar Interchange Format") and GNU tar's manual, chapter D.2,
 * written without any check. */
#include "tests/unit/tar_builder.h"

#include <inttypes.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define PACK_CHUNK (64 * 1024)

void bytes_add(bytes_t *bytes, const void *data, size_t length)
{
    bytes_zero(bytes, length);
    if (length > 0) {
        memcpy(bytes->data + bytes->length - length, data, length);
    }
}

void bytes_zero(bytes_t *bytes, size_t length)
{
    if (bytes->capacity - bytes->length < length) {
        bytes->capacity = 2 * bytes->capacity + length;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL) {
            abort();
        }
    }
    if (length > 0) {
        memset(bytes->data + bytes->length, 0, length);
    }
    bytes->length += length;
}

void bytes_text(bytes_t *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}

void bytes_free(bytes_t *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof(*bytes));
}

void tar_checksum(unsigned char *header)
{
    unsigned int sum = 0;
    char text[8];
    int i;

    memset(header + 148, ' ', 8);
    for (i = 0; i < TAR_BLOCK; i++) {
        sum += header[i];
    }
    (void)snprintf(text, sizeof(text), "%06o", sum & 0777777U);
    memcpy(header + 148, text, 7);
}

/* Octal when it fits in 11 digits, else the binary form of GNU tar. */
static void put_size(unsigned char *header, int64_t size)
{
    char text[32];
    int i;

    if (size >= 0 && size < INT64_C(8) * 1024 * 1024 * 1024) {
        (void)snprintf(text, sizeof(text), "%011" PRIo64, (uint64_t)size);
        memcpy(header + 124, text, 12);
        return;
    }
    memset(header + 124, size < 0 ? 0xff : 0, 12);
    for (i = 0; i < 8; i++) {
        header[135 - i] = (unsigned char)((uint64_t)size >> (8 * i));
    }
    header[124] |= 0x80;
}

void tar_header(bytes_t *tar, char type, const char *name, const char *link, int64_t size)
{
    unsigned char header[TAR_BLOCK] = { 0 };

    memcpy(header, name, strnlen(name, 100));
    memcpy(header + 100, "0000640", 7);
    memcpy(header + 108, "0000000", 7);
    memcpy(header + 116, "0000000", 7);
    put_size(header, size);
    memcpy(header + 136, "14717633211", 11);
    header[156] = (unsigned char)type;
    memcpy(header + 157, link, strnlen(link, 100));
    if (type == 'S' || type == 'L' || type == 'K') {
        memcpy(header + 257, "ustar  ", 8);
    }
    else {
        memcpy(header + 257, "ustar\00000", 8);
    }
    tar_checksum(header);
    bytes_add(tar, header, sizeof(header));
}

void tar_pad(bytes_t *tar)
{
    bytes_zero(tar, (TAR_BLOCK - tar->length % TAR_BLOCK) % TAR_BLOCK);
}

void tar_file(bytes_t *tar, const char *name, const void *data, size_t length)
{
    tar_header(tar, '0', name, "", (int64_t)length);
    bytes_add(tar, data, length);
    tar_pad(tar);
}

void tar_text(bytes_t *tar, const char *name, const char *text)
{
    tar_file(tar, name, text, strlen(text));
}

void pax_record(bytes_t *records, const char *key, const char *value)
{
    size_t body = strlen(key) + strlen(value) + 3; /* blank, '=', newline */
    size_t length = body + 1;
    char digits[24];

    while ((size_t)snprintf(digits, sizeof(digits), "%zu", length) + body != length) {
        length = strlen(digits) + body;
    }
    bytes_text(records, digits);
    bytes_text(records, " ");
    bytes_text(records, key);
    bytes_text(records, "=");
    bytes_text(records, value);
    bytes_text(records, "\n");
}

void tar_pax(bytes_t *tar, char type, bytes_t *records)
{
    tar_header(tar, type, "PaxHeaders/x", "", (int64_t)records->length);
    bytes_add(tar, records->data, records->length);
    tar_pad(tar);
    bytes_free(records);
}

void tar_end(bytes_t *tar)
{
    bytes_zero(tar, 2 * TAR_BLOCK);
}

void tar_usual(bytes_t *tar)
{
    tar_text(tar, "coredump", "\177ELF and so on");
    tar_text(tar, "executable", "/usr/bin/will_segfault");
    tar_text(tar, "package", "will-crash-0.13-1.fc40.x86_64");
}

bytes_t pack_gzip(const bytes_t *plain)
{
    z_stream z = { 0 };
    bytes_t packed = { 0 };

    if (deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        abort();
    }
    bytes_zero(&packed, deflateBound(&z, plain->length));
    z.next_in = plain->data;
    z.avail_in = (unsigned int)plain->length;
    z.next_out = packed.data;
    z.avail_out = (unsigned int)packed.length;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        abort();
    }
    packed.length = z.total_out;
    deflateEnd(&z);
    return packed;
}

bytes_t pack_xz(const bytes_t *plain, unsigned int preset)
{
    bytes_t packed = { 0 };
    size_t length = 0;

    bytes_zero(&packed, lzma_stream_buffer_bound(plain->length));
    if (lzma_easy_buffer_encode(preset, LZMA_CHECK_CRC64, NULL, plain->data, plain->length,
                                packed.data, &length, packed.length)
        != LZMA_OK) {
        abort();
    }
    packed.length = length;
    return packed;
}

bytes_t pack_zstd(const bytes_t *plain)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    bytes_t packed = { 0 };

    bytes_zero(&packed, ZSTD_compressBound(plain->length));
    if (zstd == NULL || ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1))) {
        abort();
    }
    packed.length = ZSTD_compress2(zstd, packed.data, packed.length, plain->data, plain->length);
    if (ZSTD_isError(packed.length)) {
        abort();
    }
    ZSTD_freeCCtx(zstd);
    return packed;
}

bytes_t pack_zstd_window(const bytes_t *plain, unsigned char window)
{
    const unsigned char header[] = { 0x28,
                                     0xb5,
                                     0x2f,
                                     0xfd,
                                     0,
                                     window,
                                     (unsigned char)(1 | plain->length << 3), /* last, raw */
                                     (unsigned char)(plain->length >> 5),
                                     (unsigned char)(plain->length >> 13) };
    bytes_t packed = { 0 };

    bytes_add(&packed, header, sizeof(header));
    bytes_add(&packed, plain->data, plain->length);
    return packed;
}

bytes_t pack_lz4(const bytes_t *plain)
{
    LZ4F_preferences_t preferences = { .frameInfo = { .contentChecksumFlag = 1 } };
    bytes_t packed = { 0 };

    bytes_zero(&packed, LZ4F_compressFrameBound(plain->length, &preferences));
    packed.length =
        LZ4F_compressFrame(packed.data, packed.length, plain->data, plain->length, &preferences);
    if (LZ4F_isError(packed.length)) {
        abort();
    }
    return packed;
}

static bytes_t pack_xz_quickly(const bytes_t *plain)
{
    return pack_xz(plain, 1);
}

const packing_t packings[PACKINGS] = {
    { "gzip", ".gz", pack_gzip },
    { "xz", ".xz", pack_xz_quickly },
    { "zstd", ".zst", pack_zstd },
    { "lz4", ".lz4", pack_lz4 },
};

ssize_t bytes_source(void *baton, void *buffer, size_t size)
{
    bytes_source_t *source = baton;
    size_t length = source->length - source->at;

    source->reads++;
    if (length == 0) {
        return source->breaks_off ? -1 : 0;
    }
    if (length > size) {
        length = size;
    }
    if (source->step > 0 && length > source->step) {
        length = source->step;
    }
    memcpy(buffer, source->data + source->at, length);
    source->at += length;
    return (ssize_t)length;
}

struct bomb_t {
    const bytes_t *first; /* NULL once it is packed */
    int64_t zeros;
    bool xz;
    z_stream z;
    lzma_stream lzma;
    unsigned char chunk[PACK_CHUNK];
};

bomb_t *bomb_new(const bytes_t *first, int64_t zeros, bool xz)
{
    bomb_t *bomb = calloc(1, sizeof(*bomb));

    if (bomb == NULL) {
        abort();
    }
    bomb->first = first;
    bomb->zeros = zeros;
    bomb->xz = xz;
    if (xz ? lzma_easy_encoder(&bomb->lzma, 0, LZMA_CHECK_CRC32) != LZMA_OK
           : deflateInit2(&bomb->z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        abort();
    }
    return bomb;
}

void bomb_free(bomb_t *bomb)
{
    lzma_end(&bomb->lzma);
    (void)deflateEnd(&bomb->z);
    free(bomb);
}

/* The next plain bytes; none when all are out. */
static const void *bomb_plain(bomb_t *bomb, size_t *plength)
{
    const bytes_t *first = bomb->first;

    if (first != NULL) {
        bomb->first = NULL;
        *plength = first->length;
        return first->data;
    }
    *plength = bomb->zeros < PACK_CHUNK ? (size_t)bomb->zeros : PACK_CHUNK;
    bomb->zeros -= (int64_t)*plength;
    return bomb->chunk;
}

static bool is_empty(const bomb_t *bomb)
{
    return bomb->first == NULL && bomb->zeros == 0;
}

static void feed(bomb_t *bomb)
{
    size_t length;
    const void *plain = bomb_plain(bomb, &length);

    if (bomb->xz) {
        bomb->lzma.next_in = plain;
        bomb->lzma.avail_in = length;
    }
    else {
        bomb->z.next_in = (unsigned char *)plain;
        bomb->z.avail_in = (unsigned int)length;
    }
}

static size_t pack_some(bomb_t *bomb, void *buffer, size_t size)
{
    if (bomb->xz) {
        bomb->lzma.next_out = buffer;
        bomb->lzma.avail_out = size;
        if (lzma_code(&bomb->lzma, is_empty(bomb) ? LZMA_FINISH : LZMA_RUN) > LZMA_STREAM_END) {
            abort();
        }
        return size - bomb->lzma.avail_out;
    }
    bomb->z.next_out = buffer;
    bomb->z.avail_out = (unsigned int)size;
    (void)deflate(&bomb->z, is_empty(bomb) ? Z_FINISH : Z_NO_FLUSH);
    return size - bomb->z.avail_out;
}

ssize_t bomb_source(void *baton, void *buffer, size_t size)
{
    bomb_t *bomb = baton;
    size_t packed = 0;
    bool over = false;

    while (packed == 0 && !over) {
        bool hungry = bomb->lzma.avail_in == 0 && bomb->z.avail_in == 0;
        over = hungry && is_empty(bomb);
        if (hungry && !over) {
            feed(bomb);
        }
        packed = pack_some(bomb, buffer, size);
    }
    return (ssize_t)packed;
}
