/* SPDX-License-Identifier: Apache-2.0 */
/* The directory `counts/`, in which `retrace-task-edit count` leaves what httpd has counted: taken
 * into the database, then removed. */
#ifndef RETRACE_STATS_INBOX_H
#define RETRACE_STATS_INBOX_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "helpers/dispatch/stats_db.h"

#define STATS_MAX_DELIVERIES 1000  /* files that are taken in one round */
#define STATS_MAX_COUNTS     10000 /* lines after which no further file is taken in this round */
#define STATS_MAX_REASONS    200 /* rows of one day, beyond which a new reason is called "other" */
#define STATS_UNFINISHED_S   60  /* an unfinished file this old has a dead writer */

typedef struct stats_delivery_t {
    const char *name;
    const char *day;            /* YYYY-MM-DD, UTC, of its modification time */
    apr_array_header_t *counts; /* of stats_count_t; NULL: it could not be parsed */
} stats_delivery_t;

/**
 * Read the deliveries, up to the limits above, and remove what dead writers left.
 * @param pdeliveries  of stats_delivery_t, in p; empty when there is no `counts/`
 * @param now_s        since 1970
 */
apr_status_t stats_inbox_read(apr_array_header_t **pdeliveries, int root, int64_t now_s,
                              retrace_error_t *err, apr_pool_t *p);

/** Add the deliveries to the database, within a transaction; those that are there already are not
 * counted again. */
apr_status_t stats_inbox_insert(stats_db_t *db, const apr_array_header_t *deliveries,
                                retrace_error_t *err, apr_pool_t *scratch);

/**
 * Remove their files, once the transaction is committed.
 * @return how many of them could not be parsed
 */
int stats_inbox_remove(int root, const apr_array_header_t *deliveries);

#endif
