/* SPDX-License-Identifier: Apache-2.0 */
/* The archive policy: reads one upload and writes its members into their files, or refuses it with a
 * status of HTTP and a sentence. */
#ifndef RETRACE_INGEST_ARCHIVE_H
#define RETRACE_INGEST_ARCHIVE_H

#include "worker/ingest/sink.h"

#define INGEST_MAX_ENTRIES 16 /* archive entries, the "./" one included */
/* Small files that unpack to more than INGEST_RATIO_MAX times the upload are refused, but only when
 * both are beyond these sizes: below them zeros do no harm, and cores of zeros are usual. */
#define INGEST_RATIO_MAX          200
#define INGEST_RATIO_MIN_PACKED   (INT64_C(64) * 1024)
#define INGEST_RATIO_MIN_UNPACKED (INT64_C(64) * 1024 * 1024)

/**
 * Read an upload that is an archive. A file coredump may come packed, as coredump.xz and the like.
 * A sparse member of the archive counts with its full size. Nothing of modes, owners, times or
 * extended attributes is used; but a pax header with an owner's name that the locale cannot show is
 * refused as damaged, so the process should have a UTF-8 locale (ingest_lockdown_reader sets one).
 * What offends first in the stream decides. See ingest_read_fn.
 */
void ingest_archive_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                         const int files[INGEST_MEMBERS], const ingest_limits_t *limits);

#endif
