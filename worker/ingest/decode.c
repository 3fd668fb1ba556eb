/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs behind one loop. The loop asks the source only when the codec has nothing more to
 * give, and hands out what there is at once: decoding keeps pace with the upload. What was decoded
 * before a fault is handed out before the fault is, so that offences are seen in stream order. */
#include "worker/ingest/decode.h"

#include <stdlib.h>
#include <string.h>

#include "worker/ingest/codec.h"

/* --- For the codecs ---------------------------------------------------------------------------- */

ingest_decode_status_t codec_fail(ingest_decoder_t *decoder, ingest_decode_status_t status,
                                  const char *reason)
{
    decoder->reason = reason;
    return status;
}

void codec_take_output(ingest_decoder_t *decoder, size_t input_left, size_t output_left)
{
    decoder->input += decoder->input_length - input_left;
    decoder->input_length = input_left;
    decoder->data = decoder->output_buffer;
    decoder->length = CODEC_OUTPUT_BYTES - output_left;
    decoder->output_full = (output_left == 0);
}

ingest_decode_status_t codec_end_frame(ingest_decoder_t *decoder)
{
    decoder->between_frames = true;
    decoder->output_full = false;
    return INGEST_DECODE_OK;
}

ingest_decode_status_t codec_begin_frame(ingest_decoder_t *decoder, const char *junk)
{
    if (!decoder->between_frames) {
        return INGEST_DECODE_OK;
    }
    if (decoder->input_length == 0) {
        return INGEST_DECODE_END;
    }
    if (decoder->input[0] != decoder->codec->magic[0]) {
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, junk);
    }
    decoder->between_frames = false;
    return INGEST_DECODE_OK;
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

/* --- the loop --------------------------------------------------------------------------------- */

static const codec_t codec_plain = { NULL, { 0 }, 0, start_plain, step_plain, stop_plain };
static const codec_t *const packed_codecs[] = { &codec_gzip, &codec_xz, &codec_zstd, &codec_lz4 };

/* Sets *pshort when more bytes could still turn the input into this codec's. */
static bool begins_with_magic(const void *head, size_t length, const codec_t *codec, bool *pshort)
{
    if (length >= codec->magic_length) {
        return memcmp(head, codec->magic, codec->magic_length) == 0;
    }
    if (memcmp(head, codec->magic, length) == 0) {
        *pshort = true;
    }
    return false;
}

static const codec_t *find_codec(const void *head, size_t length, bool *pshort)
{
    size_t i;

    for (i = 0; i < sizeof(packed_codecs) / sizeof(packed_codecs[0]); i++) {
        if (begins_with_magic(head, length, packed_codecs[i], pshort)) {
            return packed_codecs[i];
        }
    }
    return &codec_plain;
}

const char *ingest_decode_codec(const void *head, size_t length)
{
    bool is_short = false;

    return find_codec(head, length, &is_short)->name;
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
                        CODEC_INPUT_BYTES - decoder->input_length);
    if (n < 0) {
        return codec_fail(decoder, INGEST_DECODE_SOURCE, "the source failed");
    }
    decoder->source_ended = (n == 0);
    decoder->input_length += (size_t)n;
    decoder->bytes_in += n;
    return INGEST_DECODE_OK;
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
        codec = find_codec(decoder->input, decoder->input_length, &too_short);
    }
    while (too_short && !decoder->source_ended);

    decoder->codec = codec;
    if (!codec->start(decoder)) {
        return codec_fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode the upload");
    }
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

bool ingest_decoder_is_packed(const ingest_decoder_t *decoder)
{
    return decoder->codec != NULL && decoder->codec != &codec_plain;
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

bool ingest_decoder_refuse(const ingest_decoder_t *decoder, ingest_refusal_t *refusal,
                           const char *file)
{
    int status = decoder->status == INGEST_DECODE_FAILED ? 500 : 403;

    if (decoder->status == INGEST_DECODE_SOURCE) {
        return ingest_refuse(refusal, 400, "the upload broke off");
    }
    if (file != NULL) {
        return ingest_refuse(refusal, status, "the file %s cannot be decoded: %s", file,
                             decoder->reason);
    }
    return ingest_refuse(refusal, status, "%s", decoder->reason);
}
