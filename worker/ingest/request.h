/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd says about an upload before its first byte: a block of `key: value` lines in a fixed
 * order, ended by an empty line.
 *
 *     retrace-receive 2
 *     length: 123456
 *     type: 0
 *     content: application/x-tar
 *     client: 192.0.2.1
 *     managed: 0
 *     directory: -
 */
#ifndef RETRACE_INGEST_REQUEST_H
#define RETRACE_INGEST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/queue.h"
#include "lib/task.h"
#include "lib/upload_form.h"

#define INGEST_REQUEST_MAX 4096 /* bytes of the block, its empty line included */
#define INGEST_CONTENT_MAX 128  /* bytes of the content type, with the NUL */

typedef struct ingest_request_t {
    int64_t length; /* bytes that follow; at least 1, or 0 with a directory */
    retrace_task_type_t type;
    char content[INGEST_CONTENT_MAX]; /* a label: what counts is the magic number */
    char client[RETRACE_CLIENT_MAX];  /* address: hexadecimal digits, '.', ':' */
    bool managed;
    char directory[RETRACE_DIRECTORY_MAX]; /* that holds the upload; "": the upload follows */
} ingest_request_t;

/**
 * Where does the block end?
 * @return bytes up to and with the empty line, or 0 when there is none in `length` bytes
 */
size_t ingest_request_length(const char *text, size_t length);

/**
 * Read a whole block.
 * @param text    `length` bytes as found by ingest_request_length; not changed
 * @return false when a line is missing, in another order, repeated, unknown or malformed
 */
bool ingest_request_parse(ingest_request_t *request, const char *text, size_t length);

#endif
