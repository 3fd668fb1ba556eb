/* SPDX-License-Identifier: Apache-2.0 */
/* Where an upload goes: into member files that are open already, so that it can run where the
 * kernel allows no more than that (lockdown.h). Everything is counted against the limits; what was
 * said about the whole becomes the verdict. */
#ifndef RETRACE_INGEST_SINK_H
#define RETRACE_INGEST_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/ingest/decode.h"
#include "worker/ingest/member.h"
#include "worker/ingest/refusal.h"

#define INGEST_SPACE_CHECK_STEP (INT64_C(16) * 1024 * 1024) /* bytes written between two looks */

typedef struct ingest_limits_t {
    int64_t max_unpacked_bytes; /* MaxUnpackedSize: apparent sizes of all members together */
    int64_t max_small_bytes;    /* MaxSmallFileSize */
    int64_t min_free_bytes;     /* MinStorageLeft, on the file system of the member files */
    retrace_required_t required;
} ingest_limits_t;

typedef struct ingest_verdict_t {
    int status;                         /* 201, or 400, 403, 413, 500 or 507 */
    char sentence[INGEST_SENTENCE_MAX]; /* empty with 201; one sentence, printable ASCII, no '%' */
    ingest_member_set_t members;        /* those that the upload held */
} ingest_verdict_t;

/**
 * Reads a whole upload.
 * @param verdict  always written
 * @param source   gives the packed bytes; when it fails (-1) the verdict is 400 "the upload broke
 *                 off"
 * @param files    one descriptor per member, empty, open for writing; not closed. After a refusal
 *                 their content is undefined
 */
typedef void (*ingest_read_fn)(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                               const int files[INGEST_MEMBERS], const ingest_limits_t *limits);

typedef struct ingest_sink_t {
    const int *files;
    const ingest_limits_t *limits;
    ingest_refusal_t refusal; /* why something below has returned false */
    ingest_member_set_t members;
    int64_t counted_bytes;
    int64_t unchecked_bytes; /* written since the last look at the free space */
} ingest_sink_t;

void ingest_sink_open(ingest_sink_t *sink, const int files[INGEST_MEMBERS],
                      const ingest_limits_t *limits);

/** Is there enough free space? */
bool ingest_sink_check_space(ingest_sink_t *sink);

/** Count bytes of members before they are written. */
bool ingest_sink_count(ingest_sink_t *sink, int64_t bytes);

/** Write; blocks of zeros take no space. Looks at the free space now and then. */
bool ingest_sink_write(ingest_sink_t *sink, ingest_member_t member, const void *data, size_t length,
                       int64_t offset);

/** The member is complete and has this size. */
bool ingest_sink_finish(ingest_sink_t *sink, ingest_member_t member, int64_t size);

/** 201 unless something was refused. */
void ingest_sink_judge(ingest_verdict_t *verdict, const ingest_sink_t *sink);

#endif
