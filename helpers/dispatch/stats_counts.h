/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd counts and delivers through `retrace-task-edit count`: lines of
 *   refused <status> <reason> <count>
 *   uploads <count>
 *   throttled <count>
 * Lines that begin with another word are passed over. Pure. */
#ifndef RETRACE_STATS_COUNTS_H
#define RETRACE_STATS_COUNTS_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#define STATS_REASON_MAX      32   /* bytes of a reason, of [a-z_] */
#define STATS_COUNT_DIGITS    9    /* of a count, without leading zeros */
#define STATS_DELIVERY_MAX    4096 /* bytes of a delivery */
#define STATS_REFUSAL_LOWEST  400
#define STATS_REFUSAL_HIGHEST 599

typedef struct stats_count_t {
    const char *name;   /* "refused", "uploads", "throttled": one of ours, not the file's */
    int status;         /* of a refusal; else 0 */
    const char *reason; /* of a refusal; else NULL */
    int64_t count;
} stats_count_t;

/**
 * Read a delivery: all of it or nothing. Each line ends with a newline, and words are separated by
 * one space.
 * @param pcounts  of stats_count_t, in p; written only on success
 * @return false when a line of ours is malformed, or the last one is cut off
 */
bool stats_counts_parse(apr_array_header_t **pcounts, const char *text, apr_size_t length,
                        apr_pool_t *p);

#endif
