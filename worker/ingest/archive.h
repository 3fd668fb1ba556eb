/* SPDX-License-Identifier: Apache-2.0 */
/* The archive policy: reads one upload and writes its members into files that are open already, or
 * refuses it with a status of HTTP and a sentence. It opens, names and creates nothing, so that it
 * can run where the kernel allows no more than that (lockdown.h). */
#ifndef RETRACE_INGEST_ARCHIVE_H
#define RETRACE_INGEST_ARCHIVE_H

#include <stdint.h>

#include "worker/ingest/decode.h"
#include "worker/ingest/member.h"
#include "worker/ingest/refusal.h"

#define INGEST_MAX_ENTRIES      16 /* archive entries, the "./" one included */
#define INGEST_SPACE_CHECK_STEP (INT64_C(16) * 1024 * 1024) /* bytes written between two looks */
/* Small files that unpack to more than INGEST_RATIO_MAX times the upload are refused, but only when
 * both are beyond these sizes: below them zeros do no harm, and cores of zeros are usual. */
#define INGEST_RATIO_MAX          200
#define INGEST_RATIO_MIN_PACKED   (INT64_C(64) * 1024)
#define INGEST_RATIO_MIN_UNPACKED (INT64_C(64) * 1024 * 1024)

typedef struct ingest_limits_t {
    int64_t max_unpacked_bytes; /* MaxUnpackedSize: apparent sizes of all members together */
    int64_t max_small_bytes;    /* MaxSmallFileSize */
    int64_t min_free_bytes;     /* MinStorageLeft, on the file system of the member files */
    retrace_required_t required;
} ingest_limits_t;

typedef struct ingest_verdict_t {
    int status;                         /* 201, or 400, 403, 413, 500 or 507 */
    char sentence[INGEST_SENTENCE_MAX]; /* empty with 201; one sentence, printable ASCII, no '%' */
    ingest_member_set_t members;        /* those that the archive held */
} ingest_verdict_t;

/**
 * Read an upload to its last byte.
 * @param verdict  always written
 * @param source   gives the packed bytes; when it fails (-1) the verdict is 400 "the upload broke
 * off"
 * @param files    one descriptor per member, empty, open for writing; not closed. After a refusal
 *                 their content is undefined
 * A sparse member of the archive counts with its full size. Nothing of modes, owners, times or
 * extended attributes is used; but a pax header with an owner's name that the locale cannot show is
 * refused as damaged, so the process should have a UTF-8 locale (ingest_lockdown_reader sets one).
 * What offends first in the stream decides.
 */
void ingest_archive_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                         const int files[INGEST_MEMBERS], const ingest_limits_t *limits);

#endif
