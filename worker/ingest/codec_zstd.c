/* SPDX-License-Identifier: Apache-2.0 */
/* zstd by RFC 8878. */
#include <zstd_errors.h>

#include "worker/ingest/codec.h"

static bool start(ingest_decoder_t *decoder)
{
    decoder->state.zstd = ZSTD_createDStream();
    return decoder->state.zstd != NULL
        && !ZSTD_isError(ZSTD_DCtx_setParameter(decoder->state.zstd, ZSTD_d_windowLogMax,
                                                INGEST_ZSTD_MAX_WINDOW_LOG));
}

_Static_assert(INGEST_ZSTD_MAX_WINDOW_LOG == 26, "a sentence says 64 MB");

static ingest_decode_status_t judge(ingest_decoder_t *decoder, size_t rc)
{
    switch (ZSTD_getErrorCode(rc)) {
    case ZSTD_error_no_error:
        break;
    case ZSTD_error_frameParameter_windowTooLarge:
        return codec_fail(decoder, INGEST_DECODE_MEMORY,
                          "the zstd stream needs a window of more than 64 MB to decode");
    case ZSTD_error_memory_allocation:
        return codec_fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode zstd");
    default:
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the zstd stream is broken");
    }
    if (rc == 0) {
        return codec_end_frame(decoder);
    }
    if (decoder->source_ended && decoder->length == 0) {
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the zstd stream is cut off");
    }
    return INGEST_DECODE_OK;
}

static ingest_decode_status_t step(ingest_decoder_t *decoder)
{
    ZSTD_inBuffer in = { decoder->input, decoder->input_length, 0 };
    ZSTD_outBuffer out = { decoder->output_buffer, CODEC_OUTPUT_BYTES, 0 };
    ingest_decode_status_t status =
        codec_begin_frame(decoder, "other bytes follow the zstd stream");
    size_t rc;

    if (status != INGEST_DECODE_OK) {
        return status;
    }
    rc = ZSTD_decompressStream(decoder->state.zstd, &out, &in);
    codec_take_output(decoder, in.size - in.pos, out.size - out.pos);
    return judge(decoder, rc);
}

static void stop(ingest_decoder_t *decoder)
{
    (void)ZSTD_freeDStream(decoder->state.zstd);
}

const codec_t codec_zstd = { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, start, step, stop };
