/* SPDX-License-Identifier: Apache-2.0 */
/* How the readers of an upload say no: a status of HTTP and a sentence that is safe to send to any
 * client and to write to any log, although parts of it may come from the upload. */
#ifndef RETRACE_INGEST_REFUSAL_H
#define RETRACE_INGEST_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INGEST_SENTENCE_MAX 400 /* bytes, with the NUL */
#define INGEST_QUOTE_MAX    80  /* bytes of a quoted name, with the NUL */

typedef struct ingest_refusal_t {
    int status; /* 0 while nothing is refused */
    char sentence[INGEST_SENTENCE_MAX];
} ingest_refusal_t;

/**
 * Record a refusal; the first one stays. Bytes outside printable ASCII and '%' become '?': some
 * clients print the sentence as a printf format.
 * @return false, so that a refusal is one statement
 */
bool ingest_refuse(ingest_refusal_t *refusal, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Quote a name that came with the upload: printable ASCII as it is, the rest and '%', '\\' and '"'
 * as \xNN, cut with "..." when it is too long.
 * @param name  NULL reads as an empty one
 * @return quoted
 */
const char *ingest_quote(char quoted[INGEST_QUOTE_MAX], const char *name);

/**
 * Say a size in the greatest unit (MB, KB, bytes; 1 KB = 1024 bytes) that it is a multiple of.
 * @return text
 */
const char *ingest_say_size(char text[32], int64_t bytes);

#endif
