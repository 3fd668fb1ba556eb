/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of blocks that are not zero become one write each; blocks are those of the file, not of the
 * buffer, so that the file system can really leave them out. */
#include "worker/ingest/sparse_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* memcmp of the C library is vectorised for the processor at hand and stops at the first
 * difference, which in real data is in the first bytes. */
static bool is_zero(const unsigned char *block, size_t length)
{
    static const unsigned char zeros[INGEST_ZERO_BLOCK];

    return memcmp(block, zeros, length) == 0;
}

static int write_all(int fd, const unsigned char *data, size_t length, int64_t offset,
                     int64_t *written)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, data, length, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        data += n;
        length -= (size_t)n;
        offset += n;
        *written += n;
    }
    return 0;
}

/* Length of the piece that ends where a block of the file ends. */
static size_t piece_length(int64_t offset, size_t left)
{
    size_t length = INGEST_ZERO_BLOCK - (size_t)(offset % INGEST_ZERO_BLOCK);

    return length < left ? length : left;
}

int ingest_sparse_write(int fd, const void *data, size_t length, int64_t offset, int64_t *written)
{
    const unsigned char *bytes = data;
    size_t run = 0; /* where the bytes begin that wait to be written */
    size_t at = 0;
    int error = 0;

    while (at < length && error == 0) {
        size_t piece = piece_length(offset + (int64_t)at, length - at);
        if (is_zero(bytes + at, piece)) {
            error = write_all(fd, bytes + run, at - run, offset + (int64_t)run, written);
            run = at + piece;
        }
        at += piece;
    }
    if (error == 0) {
        error = write_all(fd, bytes + run, length - run, offset + (int64_t)run, written);
    }
    return error;
}

int ingest_sparse_finish(int fd, int64_t size)
{
    int rc;

    do {
        rc = ftruncate(fd, size);
    }
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : errno;
}
