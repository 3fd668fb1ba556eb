/* SPDX-License-Identifier: Apache-2.0 */
/* What ingest says to httpd: lines, each written at once. If nobody listens, the client is gone. */
#ifndef RETRACE_INGEST_ANSWER_H
#define RETRACE_INGEST_ANSWER_H

#include "lib/error.h"

#define INGEST_LINE_MAX 512 /* bytes of a line, its newline included; what is longer is cut */

/** Say one line; the newline is added. */
void ingest_say(int out, const char *line);

/** "<status> <sentence>" */
void ingest_say_refusal(int out, int status, const char *sentence);

/** Likewise for a reason as ingest_refuse has them, "the archive is truncated": it becomes a
 * sentence. */
void ingest_say_reason(int out, int status, const char *reason);

/** Our own failure: logged here, and the client hears no more than that. */
void ingest_say_failure(int out, const retrace_error_t *err);

#endif
