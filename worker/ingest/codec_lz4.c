/* SPDX-License-Identifier: Apache-2.0 */
/* lz4 frames (lz4_Frame_format.md 1.6); a block is at most 4 MB, so that memory needs no limit. */
#include "worker/ingest/codec.h"

#include <string.h>

static bool start(ingest_decoder_t *decoder)
{
    return !LZ4F_isError(LZ4F_createDecompressionContext(&decoder->state.lz4, LZ4F_VERSION));
}

/* The library's error codes are not part of its stable interface, their names are. */
static ingest_decode_status_t fail_by_name(ingest_decoder_t *decoder, const char *name)
{
    if (strcmp(name, "ERROR_allocation_failed") == 0) {
        return codec_fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode lz4");
    }
    return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the lz4 stream is broken");
}

static ingest_decode_status_t step(ingest_decoder_t *decoder)
{
    size_t taken = decoder->input_length;
    size_t made = CODEC_OUTPUT_BYTES;
    ingest_decode_status_t status = codec_begin_frame(decoder, "other bytes follow the lz4 stream");
    size_t rc;

    if (status != INGEST_DECODE_OK) {
        return status;
    }
    rc = LZ4F_decompress(decoder->state.lz4, decoder->output_buffer, &made, decoder->input, &taken,
                         NULL);
    if (LZ4F_isError(rc)) {
        return fail_by_name(decoder, LZ4F_getErrorName(rc));
    }
    codec_take_output(decoder, decoder->input_length - taken, CODEC_OUTPUT_BYTES - made);
    if (rc == 0) {
        return codec_end_frame(decoder);
    }
    if (decoder->source_ended && decoder->length == 0) {
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the lz4 stream is cut off");
    }
    return INGEST_DECODE_OK;
}

static void stop(ingest_decoder_t *decoder)
{
    (void)LZ4F_freeDecompressionContext(decoder->state.lz4);
}

const codec_t codec_lz4 = { "lz4", { 0x04, 0x22, 0x4d, 0x18 }, 4, start, step, stop };
