/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding whole streams in tests, with sources that give as little at once as one likes. */
#ifndef RETRACE_TESTS_DECODING_H
#define RETRACE_TESTS_DECODING_H

#include "tests/unit/tar_builder.h"
#include "worker/ingest/decode.h"

typedef struct result_t {
    ingest_decode_status_t status;
    char reason[100];
    bytes_t out;
    int64_t bytes_in;
    bool is_packed;
} result_t;

result_t decode_from(ingest_source_fn fn, void *baton);
/** From a source that gives at most `step` bytes at once; 0: all of them. */
result_t decode_in_steps(const bytes_t *packed, size_t step);

/** Something that packs well but not too well. */
bytes_t make_text(size_t length);

/** Each fails the test unless the stream decodes to this, or is corrupt for this reason, whatever
 * the reads are. */
void expect_same_at_every_step(const bytes_t *packed, const bytes_t *plain);
void expect_corrupt(const bytes_t *packed, const char *reason);

#endif
