/* SPDX-License-Identifier: Apache-2.0 */
/* Three codecs behind one loop. The loop asks the source only when the codec has nothing more to
 * give, and hands out what there is at once: decoding keeps pace with the upload. What was decoded
 * before a fault is handed out before the fault is, so that offences are seen in stream order. */
#include "worker/ingest/decode.h"

#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define INPUT_BYTES  (64 * 1024)  /* what a pipe holds */
#define OUTPUT_BYTES (128 * 1024) /* stays in the second-level cache until it is written */
#define MAGIC_MAX    6

typedef struct codec_t {
    unsigned char magic[MAGIC_MAX];
    size_t magic_length;
    bool (*start)(ingest_decoder_t *decoder);
    /* Decodes a piece into data/length (none is fine) and tells how things stand after it. */
    ingest_decode_status_t (*step)(ingest_decoder_t *decoder);
    void (*stop)(ingest_decoder_t *decoder);
} codec_t;

struct ingest_decoder_t {
    ingest_source_fn source;
    void *baton;
    const codec_t *codec;          /* NULL until the magic number is known */
    ingest_decode_status_t status; /* once it is not OK, it stays */
    const char *reason;
    z_stream gzip;
    lzma_stream xz;
    bool between_members; /* gzip: one member is over, the next has not begun */
    bool output_full;     /* the codec may hold more than fitted in */
    bool source_ended;
    const unsigned char *input; /* not yet decoded */
    size_t input_length;
    const unsigned char *data; /* decoded by the last step */
    size_t length;
    int64_t bytes_in;
    int64_t bytes_out;
    unsigned char input_buffer[INPUT_BYTES];
    unsigned char output_buffer[OUTPUT_BYTES];
};

static ingest_decode_status_t fail(ingest_decoder_t *decoder, ingest_decode_status_t status,
                                   const char *reason)
{
    decoder->reason = reason;
    return status;
}

/* Appends to the input; the rest of it, if any, is moved to the front. */
static ingest_decode_status_t fill_input(ingest_decoder_t *decoder)
{
    unsigned char *buffer = decoder->input_buffer;
    ssize_t n;

    if (decoder->input_length > 0) {
        memmove(buffer, decoder->input, decoder->input_length);
    }
    decoder->input = buffer;
    n = decoder->source(decoder->baton, buffer + decoder->input_length,
                        INPUT_BYTES - decoder->input_length);
    if (n < 0) {
        return fail(decoder, INGEST_DECODE_SOURCE, "the source failed");
    }
    decoder->source_ended = (n == 0);
    decoder->input_length += (size_t)n;
    decoder->bytes_in += n;
    return INGEST_DECODE_OK;
}

static void take_output(ingest_decoder_t *decoder, size_t input_left, size_t output_left)
{
    decoder->input += decoder->input_length - input_left;
    decoder->input_length = input_left;
    decoder->data = decoder->output_buffer;
    decoder->length = OUTPUT_BYTES - output_left;
    decoder->output_full = (output_left == 0);
}

/* --- plain ------------------------------------------------------------------------------------ */

static bool start_plain(ingest_decoder_t *decoder)
{
    (void)decoder;
    return true;
}

static ingest_decode_status_t step_plain(ingest_decoder_t *decoder)
{
    decoder->data = decoder->input;
    decoder->length = decoder->input_length;
    decoder->input_length = 0;
    return decoder->length == 0 ? INGEST_DECODE_END : INGEST_DECODE_OK;
}

static void stop_plain(ingest_decoder_t *decoder)
{
    (void)decoder;
}

/* --- gzip ------------------------------------------------------------------------------------- */

static bool start_gzip(ingest_decoder_t *decoder)
{
    return inflateInit2(&decoder->gzip, 16 + MAX_WBITS) == Z_OK;
}

/* RFC 1952, 2.2: a file is a series of members. Anything else behind one is a second file that
 * other programs would not see, so it is refused. */
static ingest_decode_status_t start_member(ingest_decoder_t *decoder)
{
    if (decoder->input_length == 0) {
        return INGEST_DECODE_END;
    }
    if (decoder->input[0] != decoder->codec->magic[0]) {
        return fail(decoder, INGEST_DECODE_CORRUPT, "other bytes follow the gzip stream");
    }
    decoder->between_members = false;
    inflateReset(&decoder->gzip);
    return INGEST_DECODE_OK;
}

static ingest_decode_status_t step_gzip(ingest_decoder_t *decoder)
{
    z_stream *z = &decoder->gzip;
    int rc;

    if (decoder->between_members) {
        ingest_decode_status_t status = start_member(decoder);
        if (status != INGEST_DECODE_OK) {
            return status;
        }
    }
    z->next_in = (unsigned char *)decoder->input;
    z->avail_in = (unsigned int)decoder->input_length;
    z->next_out = decoder->output_buffer;
    z->avail_out = OUTPUT_BYTES;
    rc = inflate(z, Z_NO_FLUSH);
    take_output(decoder, z->avail_in, z->avail_out);

    if (rc == Z_STREAM_END) {
        decoder->between_members = true;
        decoder->output_full = false;
        return INGEST_DECODE_OK;
    }
    if (rc == Z_MEM_ERROR) {
        return fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode gzip");
    }
    if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return fail(decoder, INGEST_DECODE_CORRUPT, "the gzip stream is broken");
    }
    if (decoder->source_ended && decoder->length == 0) {
        return fail(decoder, INGEST_DECODE_CORRUPT, "the gzip stream is cut off");
    }
    return INGEST_DECODE_OK;
}

static void stop_gzip(ingest_decoder_t *decoder)
{
    (void)inflateEnd(&decoder->gzip);
}

/* --- xz --------------------------------------------------------------------------------------- */

static bool start_xz(ingest_decoder_t *decoder)
{
    return lzma_stream_decoder(&decoder->xz, INGEST_XZ_MAX_MEMORY, LZMA_CONCATENATED) == LZMA_OK;
}

static ingest_decode_status_t judge_xz(ingest_decoder_t *decoder, lzma_ret rc)
{
    switch (rc) {
    case LZMA_OK:
        return INGEST_DECODE_OK;
    case LZMA_STREAM_END:
        return INGEST_DECODE_END;
    case LZMA_BUF_ERROR:
        if (!decoder->source_ended) {
            return INGEST_DECODE_OK;
        }
        return fail(decoder, INGEST_DECODE_CORRUPT, "the xz stream is cut off");
    case LZMA_MEMLIMIT_ERROR:
        return fail(decoder, INGEST_DECODE_MEMORY,
                    "the xz stream needs more than 80 MB of memory to decode");
    case LZMA_MEM_ERROR:
        return fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode xz");
    default:
        return fail(decoder, INGEST_DECODE_CORRUPT,
                    "the xz stream is broken or followed by other bytes");
    }
}

static ingest_decode_status_t step_xz(ingest_decoder_t *decoder)
{
    lzma_stream *xz = &decoder->xz;
    lzma_ret rc;

    xz->next_in = decoder->input;
    xz->avail_in = decoder->input_length;
    xz->next_out = decoder->output_buffer;
    xz->avail_out = OUTPUT_BYTES;
    rc = lzma_code(xz, decoder->source_ended ? LZMA_FINISH : LZMA_RUN);
    take_output(decoder, xz->avail_in, xz->avail_out);
    return judge_xz(decoder, rc);
}

static void stop_xz(ingest_decoder_t *decoder)
{
    lzma_end(&decoder->xz);
}

/* --- the loop --------------------------------------------------------------------------------- */

_Static_assert(INGEST_XZ_MAX_MEMORY == UINT64_C(80) * 1024 * 1024, "a sentence says 80 MB");

static const codec_t codec_plain = { { 0 }, 0, start_plain, step_plain, stop_plain };
static const codec_t packed_codecs[] = {
    { { 0x1f, 0x8b }, 2, start_gzip, step_gzip, stop_gzip },
    { { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, start_xz, step_xz, stop_xz },
};

/* Sets *pshort when more bytes could still turn the input into this codec's. */
static bool begins_with_magic(const ingest_decoder_t *decoder, const codec_t *codec, bool *pshort)
{
    size_t length = decoder->input_length;

    if (length >= codec->magic_length) {
        return memcmp(decoder->input, codec->magic, codec->magic_length) == 0;
    }
    if (memcmp(decoder->input, codec->magic, length) == 0) {
        *pshort = true;
    }
    return false;
}

static const codec_t *find_codec(const ingest_decoder_t *decoder, bool *pshort)
{
    size_t i;

    for (i = 0; i < sizeof(packed_codecs) / sizeof(packed_codecs[0]); i++) {
        if (begins_with_magic(decoder, &packed_codecs[i], pshort)) {
            return &packed_codecs[i];
        }
    }
    return &codec_plain;
}

/* The label of an upload lies too often to be looked at (protocol.md 4): the magic number decides.
 */
static ingest_decode_status_t recognise(ingest_decoder_t *decoder)
{
    const codec_t *codec;
    bool too_short;

    do {
        ingest_decode_status_t status = fill_input(decoder);
        if (status != INGEST_DECODE_OK) {
            return status;
        }
        too_short = false;
        codec = find_codec(decoder, &too_short);
    }
    while (too_short && !decoder->source_ended);

    if (!codec->start(decoder)) {
        return fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode the upload");
    }
    decoder->codec = codec;
    return INGEST_DECODE_OK;
}

static ingest_decode_status_t advance(ingest_decoder_t *decoder)
{
    if (decoder->input_length == 0 && !decoder->output_full && !decoder->source_ended) {
        ingest_decode_status_t status = fill_input(decoder);
        if (status != INGEST_DECODE_OK) {
            return status;
        }
    }
    return decoder->codec->step(decoder);
}

ingest_decode_status_t ingest_decoder_read(ingest_decoder_t *decoder, const void **pdata,
                                           size_t *plength)
{
    decoder->length = 0;
    if (decoder->status == INGEST_DECODE_OK && decoder->codec == NULL) {
        decoder->status = recognise(decoder);
    }
    while (decoder->status == INGEST_DECODE_OK && decoder->length == 0) {
        decoder->status = advance(decoder);
    }
    *pdata = decoder->data;
    *plength = decoder->length;
    decoder->bytes_out += (int64_t)decoder->length;
    return decoder->length > 0 ? INGEST_DECODE_OK : decoder->status;
}

ingest_decoder_t *ingest_decoder_new(ingest_source_fn source, void *baton)
{
    ingest_decoder_t *decoder = calloc(1, sizeof(*decoder));

    if (decoder == NULL) {
        return NULL;
    }
    decoder->source = source;
    decoder->baton = baton;
    decoder->reason = "";
    return decoder;
}

void ingest_decoder_free(ingest_decoder_t *decoder)
{
    if (decoder != NULL && decoder->codec != NULL) {
        decoder->codec->stop(decoder);
    }
    free(decoder);
}

int64_t ingest_decoder_bytes_in(const ingest_decoder_t *decoder)
{
    return decoder->bytes_in;
}

int64_t ingest_decoder_bytes_out(const ingest_decoder_t *decoder)
{
    return decoder->bytes_out;
}

const char *ingest_decoder_reason(const ingest_decoder_t *decoder)
{
    return decoder->reason;
}
