/* SPDX-License-Identifier: Apache-2.0 */
/* Private to decode.c and the codecs: what a codec does, and the decoder that it works on. */
#ifndef RETRACE_INGEST_CODEC_H
#define RETRACE_INGEST_CODEC_H

#include <lz4frame.h>
#include <lzma.h>
#include <stdbool.h>
#include <zlib.h>
#include <zstd.h>

#include "worker/ingest/decode.h"

#define CODEC_INPUT_BYTES  (64 * 1024)  /* what a pipe holds */
#define CODEC_OUTPUT_BYTES (128 * 1024) /* stays in the second-level cache until it is written */
#define CODEC_MAGIC_MAX    6

typedef struct codec_t {
    const char *name; /* NULL: plain */
    unsigned char magic[CODEC_MAGIC_MAX];
    size_t magic_length;
    bool (*start)(ingest_decoder_t *decoder); /* false: there is no memory */
    /* Decodes a piece into data/length (none is fine) and tells how things stand after it. */
    ingest_decode_status_t (*step)(ingest_decoder_t *decoder);
    void (*stop)(ingest_decoder_t *decoder);
} codec_t;

extern const codec_t codec_gzip;
extern const codec_t codec_xz;
extern const codec_t codec_zstd;
extern const codec_t codec_lz4;

struct ingest_decoder_t {
    ingest_source_fn source;
    void *baton;
    const codec_t *codec;          /* NULL until the magic number is known */
    ingest_decode_status_t status; /* once it is not OK, it stays */
    const char *reason;
    union {
        z_stream gzip;
        lzma_stream xz;
        ZSTD_DStream *zstd;
        LZ4F_dctx *lz4;
    } state;             /* the codec's */
    bool between_frames; /* one frame is over, the next has not begun; gzip calls them members */
    bool output_full;    /* the codec may hold more than fitted in */
    bool source_ended;
    const unsigned char *input; /* not yet decoded */
    size_t input_length;
    const unsigned char *data; /* decoded by the last step */
    size_t length;
    int64_t bytes_in;
    int64_t bytes_out;
    unsigned char input_buffer[CODEC_INPUT_BYTES];
    unsigned char output_buffer[CODEC_OUTPUT_BYTES];
};

/** Keep the reason, which is a literal. @return status */
ingest_decode_status_t codec_fail(ingest_decoder_t *decoder, ingest_decode_status_t status,
                                  const char *reason);

/** A step is done: so many bytes of input, and of room for output, are left. */
void codec_take_output(ingest_decoder_t *decoder, size_t input_left, size_t output_left);

/** The step has ended a frame: another may follow. */
ingest_decode_status_t codec_end_frame(ingest_decoder_t *decoder);

/**
 * At the beginning of a step: where a frame has ended, see whether another follows. Anything else
 * behind one is a second file that other programs would not see, so it is refused; among that are
 * the skippable frames of zstd and lz4.
 * @param junk  the reason for that
 * @return INGEST_DECODE_OK to go on
 */
ingest_decode_status_t codec_begin_frame(ingest_decoder_t *decoder, const char *junk);

#endif
