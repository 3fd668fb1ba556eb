/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded decoding of a stream: plain, gzip, xz, zstd or lz4 by its magic number, whatever its label
 * says. Our own loop over the libraries, because libarchive's filters have no memory limit, ignore
 * trailing bytes and stack up. Frames behind each other are joined. */
#ifndef RETRACE_INGEST_DECODE_H
#define RETRACE_INGEST_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/ingest/refusal.h"

#define INGEST_XZ_MAX_MEMORY       (UINT64_C(80) * 1024 * 1024) /* bytes; xz -9 needs 64 MiB */
#define INGEST_ZSTD_MAX_WINDOW_LOG 26 /* 64 MiB; zstd -19 needs 8, --ultra -21 all of it */

/**
 * Where the bytes come from.
 * @return bytes read, 0 at the end, -1 on failure (the source has recorded why)
 */
typedef ssize_t (*ingest_source_fn)(void *baton, void *buffer, size_t size);

typedef enum ingest_decode_status_t {
    INGEST_DECODE_OK,
    INGEST_DECODE_END,     /* the end, and nothing follows it */
    INGEST_DECODE_SOURCE,  /* the source failed */
    INGEST_DECODE_CORRUPT, /* broken, truncated or followed by other bytes */
    INGEST_DECODE_MEMORY,  /* a dictionary or window above the limit */
    INGEST_DECODE_FAILED   /* this machine has no memory for it */
} ingest_decode_status_t;

typedef struct ingest_decoder_t ingest_decoder_t;

/**
 * Make a decoder. It reads nothing yet.
 * @return NULL when there is no memory; freed by ingest_decoder_free
 */
ingest_decoder_t *ingest_decoder_new(ingest_source_fn source, void *baton);
void ingest_decoder_free(ingest_decoder_t *decoder);

/**
 * The next decoded bytes.
 * @param pdata    points into the decoder; good until the next call
 * @param plength  0 exactly when the status is not INGEST_DECODE_OK
 */
ingest_decode_status_t ingest_decoder_read(ingest_decoder_t *decoder, const void **pdata,
                                           size_t *plength);

/** Is the stream packed? Known after the first read. */
bool ingest_decoder_is_packed(const ingest_decoder_t *decoder);

/** Bytes taken from the source and handed out so far. */
int64_t ingest_decoder_bytes_in(const ingest_decoder_t *decoder);
int64_t ingest_decoder_bytes_out(const ingest_decoder_t *decoder);

/** Why it is INGEST_DECODE_CORRUPT, _MEMORY or _FAILED: a sentence without a final dot. */
const char *ingest_decoder_reason(const ingest_decoder_t *decoder);

/**
 * Refuse an upload for how its decoding has ended: 400 when the source failed, 500 without memory,
 * else 403.
 * @param file  of an archive, as it may be said; NULL: the upload itself
 * @return false
 */
bool ingest_decoder_refuse(const ingest_decoder_t *decoder, ingest_refusal_t *refusal,
                           const char *file);

/**
 * What packs a stream that begins like this?
 * @return "gzip", "xz", "zstd" or "lz4"; NULL when it is plain
 */
const char *ingest_decode_codec(const void *head, size_t length);

#endif
