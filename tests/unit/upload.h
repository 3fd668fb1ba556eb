/* SPDX-License-Identifier: Apache-2.0 */
/* The stage for tests of what reads an upload: member files in memory, limits, one upload, and what
 * became of it. */
#ifndef RETRACE_TESTS_UPLOAD_H
#define RETRACE_TESTS_UPLOAD_H

#include "tests/unit/tar_builder.h"
#include "worker/ingest/archive.h"
#include "worker/ingest/core_stream.h"

typedef struct upload_t {
    bytes_t tar; /* what a test builds */
    size_t step; /* the source gives at most so much at once; 0: no limit */
    bool breaks_off;
    ingest_read_fn read; /* ingest_archive_read */
    int files[INGEST_MEMBERS];
    ingest_limits_t limits; /* 64 MiB unpacked, 100 KiB small, no free space asked, S1 */
    ingest_verdict_t verdict;
} upload_t;

upload_t *upload_new(void);
void upload_free(upload_t *upload);

/** Read these bytes, or the archive as it was built (upload_tar). */
void upload_read(upload_t *upload, const bytes_t *packed);
void upload_tar(upload_t *upload);

/** The head of a core, 64 bytes: an ELF file of this type, 64-bit, little-endian; ET_CORE is 4. */
void upload_add_elf(bytes_t *bytes, unsigned char type);

/** Fails the test unless the verdict is this one and its sentence has this part. */
void upload_expect(const upload_t *upload, int status, const char *part);

/** Fails the test unless the member holds exactly these bytes. */
void upload_expect_file(const upload_t *upload, ingest_member_t member, const void *data,
                        size_t length);

/** Size, and bytes that take space. */
int64_t upload_size(const upload_t *upload, ingest_member_t member);
int64_t upload_space(const upload_t *upload, ingest_member_t member);

#endif
