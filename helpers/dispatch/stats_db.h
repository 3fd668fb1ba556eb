/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics' database, an SQLite file in the spool that only the dispatcher opens, through
 * apr_dbd. Statements are fixed texts with "%s" for each value; a value never becomes part of one. */
#ifndef RETRACE_STATS_DB_H
#define RETRACE_STATS_DB_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/spool.h"

#define STATS_CORRUPT APR_EINIT /* the file is no database, or a damaged one */

typedef struct stats_db_t stats_db_t;

/**
 * Open the database, making it (0640) when it is not there. Waits for nobody: see stats_db_begin.
 * @param pdb   in p, and closed with p; written only on success
 * @param name  of the file in the spool
 */
apr_status_t stats_db_open(stats_db_t **pdb, const retrace_spool_t *spool, const char *name,
                           retrace_error_t *err, apr_pool_t *p);

/**
 * Begin a transaction that nobody else can disturb: this is the one call that waits for another
 * process, 1.6 s at most (16 times 0.1 s, fixed in apr_dbd_sqlite3).
 * @return STATS_CORRUPT  as each of the following may
 */
apr_status_t stats_db_begin(stats_db_t *db, retrace_error_t *err);
apr_status_t stats_db_commit(stats_db_t *db, retrace_error_t *err);
/** Undo the transaction, if there is one. */
void stats_db_rollback(stats_db_t *db);

/** Run one statement that has no values. No '%' is special, no ';' may end it. */
apr_status_t stats_db_run(stats_db_t *db, const char *statement, retrace_error_t *err);

/**
 * Run a statement that changes rows.
 * @param pchanged   how many rows, without those that triggers change; may be NULL
 * @param statement  must live as long as the database
 * @param values     one for each "%s"; NULL for the database's NULL
 */
apr_status_t stats_db_change(int *pchanged, stats_db_t *db, const char *statement,
                             const char *const *values, int n_values, retrace_error_t *err);

/**
 * Read rows.
 * @param prows  of `const char *const *`, one text a column, "" for NULL; in the database's pool
 */
apr_status_t stats_db_select(apr_array_header_t **prows, stats_db_t *db, const char *statement,
                             const char *const *values, int n_values, retrace_error_t *err);

/** Values as texts, in p: a number, and the UTC day of a time since 1970 as YYYY-MM-DD. */
const char *stats_db_number(int64_t number, apr_pool_t *p);
const char *stats_db_day(int64_t when_s, apr_pool_t *p);

/**
 * Give a database that is corrupt another name, `<name>.corrupt-<now>`, instead of an earlier such
 * file. Not while it is open.
 */
apr_status_t stats_db_set_aside(const retrace_spool_t *spool, const char *name, int64_t now,
                                retrace_error_t *err, apr_pool_t *scratch);

#endif
