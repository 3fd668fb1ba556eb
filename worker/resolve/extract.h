/* SPDX-License-Identifier: Apache-2.0 */
/* A few files out of an RPM package, in one pass: the payload is decoded and read, nothing is
 * installed and nothing of it runs. */
#ifndef RETRACE_WORKER_EXTRACT_H
#define RETRACE_WORKER_EXTRACT_H

#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

/** A wanted file. */
typedef struct worker_extract_item_t {
    const char *path; /* in the package, absolute */
    int fd;           /* where its content goes: an empty file, open for writing */
    bool is_done;     /* the package had it */
    ino_t inode;      /* of a hard link that came without its content; 0: none */
} worker_extract_item_t;

/** What makes a package be given up. */
typedef struct worker_extract_limits_t {
    int entries;
    int64_t file_bytes;    /* of one wanted file */
    int64_t decoded_bytes; /* of the whole payload, as far as it is read */
    int64_t time_ms;
} worker_extract_limits_t;

extern const worker_extract_limits_t worker_extract_usual;

/**
 * Read a package until all wanted files were there.
 * @param fd     the package, read from its beginning wherever it stands; not closed
 * @param items  of worker_extract_item_t; is_done tells which were found
 * @return APR_EINVAL  the payload cannot be decoded; it may be compressed once, not more often
 *         APR_ENOSPC  it exceeds a limit
 *         other       a file cannot be written
 * Items that are done are complete even then.
 */
apr_status_t worker_extract(apr_array_header_t *items, int fd,
                            const worker_extract_limits_t *limits, retrace_error_t *err);

#endif
