/* SPDX-License-Identifier: Apache-2.0 */
/* xz by xz-file-format 1.2: liblzma itself joins streams and refuses what follows them. */
#include "worker/ingest/codec.h"

static bool start(ingest_decoder_t *decoder)
{
    return lzma_stream_decoder(&decoder->state.xz, INGEST_XZ_MAX_MEMORY, LZMA_CONCATENATED)
        == LZMA_OK;
}

_Static_assert(INGEST_XZ_MAX_MEMORY == UINT64_C(80) * 1024 * 1024, "a sentence says 80 MB");

static ingest_decode_status_t judge(ingest_decoder_t *decoder, lzma_ret rc)
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
        return codec_fail(decoder, INGEST_DECODE_CORRUPT, "the xz stream is cut off");
    case LZMA_MEMLIMIT_ERROR:
        return codec_fail(decoder, INGEST_DECODE_MEMORY,
                          "the xz stream needs more than 80 MB of memory to decode");
    case LZMA_MEM_ERROR:
        return codec_fail(decoder, INGEST_DECODE_FAILED, "there is no memory to decode xz");
    default:
        return codec_fail(decoder, INGEST_DECODE_CORRUPT,
                          "the xz stream is broken or followed by other bytes");
    }
}

static ingest_decode_status_t step(ingest_decoder_t *decoder)
{
    lzma_stream *xz = &decoder->state.xz;
    lzma_ret rc;

    xz->next_in = decoder->input;
    xz->avail_in = decoder->input_length;
    xz->next_out = decoder->output_buffer;
    xz->avail_out = CODEC_OUTPUT_BYTES;
    rc = lzma_code(xz, decoder->source_ended ? LZMA_FINISH : LZMA_RUN);
    codec_take_output(decoder, xz->avail_in, xz->avail_out);
    return judge(decoder, rc);
}

static void stop(ingest_decoder_t *decoder)
{
    lzma_end(&decoder->state.xz);
}

const codec_t codec_xz = { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, start, step, stop };
