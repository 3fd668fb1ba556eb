/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by RFC 1952: a file is a series of members (2.2). */
#include "worker/ingest/codec.h"

static bool start(ingest_decoder_t *decoder)
{
    return inflateInit2(&decoder->state.gzip, 16 + MAX_WBITS) == Z_OK;
}

static ingest_decode_status_t judge(ingest_decoder_t *decoder, int rc)
{
    if (rc == Z_STREAM_END) {
        (void)inflateReset(&decoder->state.gzip);
        return codec_end_frame(decoder);
    }
    if (rc == Z_MEM_ERROR) {
        return codec_fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode gzip");
    }
    if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the gzip stream is broken");
    }
    if (decoder->source_ended && decoder->length == 0) {
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the gzip stream is cut off");
    }
    return INGEST_DECODE_OK;
}

static ingest_decode_status_t step(ingest_decoder_t *decoder)
{
    z_stream *z = &decoder->state.gzip;
    ingest_decode_status_t status =
        codec_begin_frame(decoder, "other bytes follow the gzip stream");
    int rc;

    if (status != INGEST_DECODE_OK) {
        return status;
    }
    z->next_in = (unsigned char *)decoder->input;
    z->avail_in = (unsigned int)decoder->input_length;
    z->next_out = decoder->output_buffer;
    z->avail_out = CODEC_OUTPUT_BYTES;
    rc = inflate(z, Z_NO_FLUSH);
    codec_take_output(decoder, z->avail_in, z->avail_out);
    return judge(decoder, rc);
}

static void stop(ingest_decoder_t *decoder)
{
    (void)inflateEnd(&decoder->state.gzip);
}

const codec_t codec_gzip = { "gzip", { 0x1f, 0x8b }, 2, start, step, stop };
