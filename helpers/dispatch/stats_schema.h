/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the statistics' database. Whatever is derived from a task (totals, sums, averages,
 * and what is pruned) is kept by triggers: it changes in the transaction that records the task, and
 * cannot differ from the rows. */
#ifndef RETRACE_STATS_SCHEMA_H
#define RETRACE_STATS_SCHEMA_H

#include "helpers/dispatch/stats_db.h"

#define STATS_SCHEMA_VERSION 1 /* PRAGMA user_version */

/**
 * Bring the database to this version. Within a transaction.
 * @return APR_ENOTIMPL  it is of a newer version
 */
apr_status_t stats_schema_ensure(stats_db_t *db, retrace_error_t *err);

#endif
