/* SPDX-License-Identifier: Apache-2.0 */
/* See stats_fixture.h. */
#include "tests/unit/stats_fixture.h"

#include <apr_strings.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "helpers/dispatch/stats_schema.h"

#define BUILD_ID "00112233445566778899aabbccddeeff00112233"

stats_task_t *stats_fixture_task(const workspace_t *ws, uint32_t id, bool is_success)
{
    stats_task_t *task = apr_pcalloc(ws->pool, sizeof(*task));
    retrace_facts_t *facts = retrace_facts_make(ws->pool);

    facts->package = "bash";
    facts->version = "5.1-2";
    facts->release = "fedora-36";
    facts->arch = "x86_64";
    facts->core_bytes = 4096;
    facts->timing_ms[RETRACE_TIMING_ANALYZE] = 20;
    facts->timing_ms[RETRACE_TIMING_ENVIRONMENT] = 300;
    facts->timing_ms[RETRACE_TIMING_DEBUGGER] = 5000;
    facts->timing_ms[RETRACE_TIMING_REPORT] = 40;
    facts->cache_hits = 3;
    facts->cache_misses = 2;
    APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
        (retrace_missing_t){ "debuginfo", BUILD_ID, "/usr/bin/bash" };
    task->id = id;
    task->is_success = is_success;
    task->start_s = STATS_FIXTURE_END_S - 7;
    task->end_s = STATS_FIXTURE_END_S;
    task->facts = facts;
    return task;
}

stats_db_t *stats_fixture_open(workspace_t *ws)
{
    stats_db_t *db = NULL;

    assert_int_equal(stats_db_open(&db, workspace_spool(ws), "stats.db", &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(stats_db_begin(db, &ws->err), APR_SUCCESS);
    assert_int_equal(stats_schema_ensure(db, &ws->err), APR_SUCCESS);
    assert_int_equal(stats_db_commit(db, &ws->err), APR_SUCCESS);
    return db;
}

void stats_fixture_insert(workspace_t *ws, stats_db_t *db, const stats_task_t *task)
{
    assert_int_equal(stats_task_insert(db, task, &ws->err, ws->pool), APR_SUCCESS);
}

static void write_file(const workspace_t *ws, const char *id, const char *name, const char *text)
{
    workspace_write(ws, apr_pstrcat(ws->pool, "spool/", id, "/", name, NULL), text);
}

void stats_fixture_write_task(const workspace_t *ws, const char *id)
{
    const stats_task_t *task = stats_fixture_task(ws, 0, true);

    write_file(ws, id, "facts", retrace_facts_format(task->facts, ws->pool));
    write_file(ws, id, "started_time", apr_psprintf(ws->pool, "%ld\n", (long)task->start_s));
    write_file(ws, id, "finished_time", apr_psprintf(ws->pool, "%ld\n", (long)task->end_s));
    write_file(ws, id, "retrace_backtrace", "#0\n");
}

void stats_fixture_shell(const workspace_t *ws, const char *statements)
{
    workspace_write(ws, "statements.sql", statements);
    workspace_shell(ws, "sqlite3 -bail spool/stats.db <statements.sql");
}

void stats_fixture_expect(const workspace_t *ws, const char *statements, const char *output)
{
    stats_fixture_shell(ws, statements);
    assert_string_equal(workspace_read(ws, "log.txt"), output);
}

typedef struct holder_t {
    const workspace_t *ws;
    const char *command;
} holder_t;

static int run_shell(void *baton)
{
    const holder_t *holder = baton;

    /* It must not outlive a test that fails. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || chdir(holder->ws->path) != 0) {
        return 1;
    }
    execl("/bin/sh", "sh", "-c", holder->command, (char *)NULL);
    return 1;
}

/* The shell becomes sqlite3, which reads from a pipe that it holds open itself. */
pid_t stats_fixture_hold_lock(const workspace_t *ws, const char *begin)
{
    holder_t holder = { ws,
                        apr_pstrcat(ws->pool, "mkfifo hold.in; exec 3<>hold.in; printf '%s\\n' '",
                                    begin,
                                    ";' '.shell touch held' >&3;"
                                    "exec sqlite3 spool/stats.db <&3 >/dev/null",
                                    NULL) };
    pid_t child = workspace_start(run_shell, &holder);

    while (!workspace_exists(ws, "held")) {
        (void)poll(NULL, 0, 5);
    }
    return child;
}

void stats_fixture_release_lock(pid_t holder)
{
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(workspace_wait(holder), WORKSPACE_KILLED + SIGKILL);
}
