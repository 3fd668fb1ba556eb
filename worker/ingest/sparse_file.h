/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a file so that blocks of zeros take no space: cores are mostly zeros. */
#ifndef RETRACE_INGEST_SPARSE_FILE_H
#define RETRACE_INGEST_SPARSE_FILE_H

#include <stddef.h>
#include <stdint.h>

#define INGEST_ZERO_BLOCK 4096 /* bytes of a block; those of zeros become holes */

/**
 * Write what is not zero of these bytes; blocks of INGEST_ZERO_BLOCK bytes of the file that are
 * zero are left out. The file must read as zeros there (a new file does).
 * @param written  the bytes that took space are added to it, also when the write fails midway
 * @return 0, or the errno of the write
 */
int ingest_sparse_write(int fd, const void *data, size_t length, int64_t offset, int64_t *written);

/**
 * Give the file its full size: a hole at its end is in no write.
 * @return 0 or the errno
 */
int ingest_sparse_finish(int fd, int64_t size);

#endif
