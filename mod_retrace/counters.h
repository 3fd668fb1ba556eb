/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd counts: uploads that it took and refused. Kept in shared memory, shown by /metrics, and
 * delivered to the statistics by the helper's verb `count`, at most once a minute. */
#ifndef MR_COUNTERS_H
#define MR_COUNTERS_H

#include <httpd.h>

#include "mod_retrace/shared.h"

/** A status that an upload can be refused with, and one word that says why. */
typedef struct mr_refusal_t {
    int status;
    const char *reason;
} mr_refusal_t;

/** The rows of mr_counters_t.refused; the last one stands for all that are not listed. */
extern const mr_refusal_t mr_refusals[];
extern const int mr_refusal_count;

/** An upload was refused with this status. */
void mr_counters_refused(server_rec *s, int status);

/** An upload was accepted. */
void mr_counters_uploaded(server_rec *s);

/** All counters since httpd's start, and what is taken now. @return false: they cannot be read */
bool mr_counters_read(mr_counters_t *total, int *puploads, int *pwaiting, server_rec *s);

#endif
