/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks for the statistics, and a look at the database from outside: with the command line tool of
 * SQLite, not with the code under test. */
#ifndef RETRACE_TESTS_STATS_FIXTURE_H
#define RETRACE_TESTS_STATS_FIXTURE_H

#include "helpers/dispatch/stats_task.h"
#include "tests/unit/workspace.h"

#define STATS_FIXTURE_END_S INT64_C(1700000000) /* 2023-11-14 22:13:20 */

/** A task of package bash on fedora-36 that took 7 s, and missed one file; in the workspace's pool. */
stats_task_t *stats_fixture_task(const workspace_t *ws, uint32_t id, bool is_success);

/** The same as a directory of the spool, succeeded. */
void stats_fixture_write_task(const workspace_t *ws, const char *id);

/** A spool with a new database, open and not in a transaction. */
stats_db_t *stats_fixture_open(workspace_t *ws);
void stats_fixture_insert(workspace_t *ws, stats_db_t *db, const stats_task_t *task);

/** Run statements on spool/stats.db. */
void stats_fixture_shell(const workspace_t *ws, const char *statements);

/** Fails the test unless this is the output of the statements: columns separated by '|'. */
void stats_fixture_expect(const workspace_t *ws, const char *statements, const char *output);

/** Have another process begin a transaction by this statement and hold it; returns once it does. */
pid_t stats_fixture_hold_lock(const workspace_t *ws, const char *begin);
void stats_fixture_release_lock(pid_t holder);

#endif
