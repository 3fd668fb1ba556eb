/* SPDX-License-Identifier: Apache-2.0 */
/* An upload as a series of tar entries: the decoder behind libarchive's tar reader, with the
 * checks that libarchive does not make (what follows the end, how much is decoded in all). */
#ifndef RETRACE_INGEST_TAR_STREAM_H
#define RETRACE_INGEST_TAR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/ingest/decode.h"
#include "worker/ingest/refusal.h"

/* Headers, sparse maps and padding may come on top of the contents. */
#define INGEST_MAX_OVERHEAD_BYTES (INT64_C(64) * 1024 * 1024)

struct archive_entry;
typedef struct ingest_tar_t ingest_tar_t;

typedef enum ingest_tar_status_t {
    INGEST_TAR_OK,
    INGEST_TAR_END,
    INGEST_TAR_REFUSED /* the refusal says why */
} ingest_tar_status_t;

/**
 * Open an upload; reads nothing yet.
 * @param max_bytes  more decoded bytes than these and INGEST_MAX_OVERHEAD_BYTES are refused
 * @param refusal    receives why a later call fails; must outlive the stream
 * @return NULL when there is no memory; closed by ingest_tar_close
 */
ingest_tar_t *ingest_tar_open(ingest_source_fn source, void *baton, int64_t max_bytes,
                              ingest_refusal_t *refusal);
void ingest_tar_close(ingest_tar_t *tar);

/**
 * The next entry.
 * @param pentry  the stream owns it; good until the next call
 */
ingest_tar_status_t ingest_tar_next(ingest_tar_t *tar, struct archive_entry **pentry);

/**
 * The next piece of the entry's content.
 * @param pdata    the stream owns it; good until the next call
 * @param poffset  where it belongs in the file; what no piece covers is zero
 */
ingest_tar_status_t ingest_tar_data(ingest_tar_t *tar, const void **pdata, size_t *plength,
                                    int64_t *poffset);

/**
 * After the last entry: read the rest of the upload, which must be zeros.
 * @return true when the upload ended as it should
 */
bool ingest_tar_finish(ingest_tar_t *tar);

/** Packed bytes read so far. */
int64_t ingest_tar_bytes_in(const ingest_tar_t *tar);

#endif
