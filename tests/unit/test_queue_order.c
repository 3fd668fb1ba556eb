/* SPDX-License-Identifier: Apache-2.0 */
/* Who is next, and how entries move between the queue, the running tasks and nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>

#include "lib/fs.h"
#include "lib/queue.h"
#include "tests/unit/workspace.h"

#define ID      UINT32_C(123456789)
#define ID_TEXT "123456789"
#define QUEUED  "spool/queue/" ID_TEXT
#define RUNNING "spool/running/" ID_TEXT

/* --- Choosing ------------------------------------------------------------------------------ */

static apr_array_header_t *no_entries(workspace_t *ws)
{
    return apr_array_make(ws->pool, 4, sizeof(retrace_queue_entry_t));
}

static void add_entry(apr_array_header_t *entries, const char *client, apr_time_t since)
{
    retrace_queue_entry_t *entry = apr_array_push(entries);

    memset(entry, 0, sizeof(*entry));
    snprintf(entry->client, sizeof(entry->client), "%s", client);
    entry->since = since;
}

static void nobody_is_next_in_an_empty_queue(void **state)
{
    assert_int_equal(retrace_queue_next(no_entries(*state), no_entries(*state)), -1);
}

static void the_oldest_is_next(void **state)
{
    apr_array_header_t *due = no_entries(*state);

    add_entry(due, "a", 30);
    add_entry(due, "b", 10);
    add_entry(due, "c", 20);
    assert_int_equal(retrace_queue_next(due, no_entries(*state)), 1);
}

static void of_two_equally_old_the_first_is_next(void **state)
{
    apr_array_header_t *due = no_entries(*state);

    add_entry(due, "a", 10);
    add_entry(due, "b", 10);
    assert_int_equal(retrace_queue_next(due, no_entries(*state)), 0);
}

static void who_has_nothing_running_comes_before_an_older_task(void **state)
{
    apr_array_header_t *due = no_entries(*state);
    apr_array_header_t *running = no_entries(*state);

    add_entry(running, "busy", 1);
    add_entry(due, "busy", 10);
    add_entry(due, "idle", 99);
    assert_int_equal(retrace_queue_next(due, running), 1);
}

static void a_client_with_many_tasks_does_not_starve_the_others(void **state)
{
    static const char order[] = "abababaaa";
    apr_array_header_t *due = no_entries(*state);
    apr_array_header_t *running = no_entries(*state);
    int i;

    for (i = 0; i < 6; i++) {
        add_entry(due, "a", i);
    }
    for (i = 0; i < 3; i++) {
        add_entry(due, "b", 100 + i);
    }
    for (i = 0; due->nelts > 0; i++) {
        int next = retrace_queue_next(due, running);

        assert_int_equal(APR_ARRAY_IDX(due, next, retrace_queue_entry_t).client[0], order[i]);
        APR_ARRAY_PUSH(running, retrace_queue_entry_t) =
            APR_ARRAY_IDX(due, next, retrace_queue_entry_t);
        APR_ARRAY_IDX(due, next, retrace_queue_entry_t) =
            *(retrace_queue_entry_t *)apr_array_pop(due);
    }
}

/* --- Listing ------------------------------------------------------------------------------- */

static void a_complete_upload_is_due_and_another_is_not(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    apr_array_header_t *due = NULL;

    workspace_write(ws, QUEUED, "192.0.2.1 4711\n");
    workspace_write(ws, "spool/queue/200000000", "192.0.2.2 1\n");
    workspace_make_dir(ws, "spool/.incoming/200000000");
    workspace_write(ws, "spool/queue/nonsense", "");
    (void)close(workspace_task(ws, ID_TEXT));
    assert_int_equal(retrace_queue_list_due(&due, spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(due->nelts, 1);
    assert_int_equal(APR_ARRAY_IDX(due, 0, retrace_queue_entry_t).id, ID);
    assert_string_equal(APR_ARRAY_IDX(due, 0, retrace_queue_entry_t).client, "192.0.2.1");
    assert_true(APR_ARRAY_IDX(due, 0, retrace_queue_entry_t).since > 0);
}

static const char *listed_client(workspace_t *ws, const char *content)
{
    const retrace_spool_t *spool = NULL;
    apr_array_header_t *running = NULL;

    assert_int_equal(retrace_spool_open(&spool, workspace_path(ws, "spool"), &ws->err, ws->pool),
                     APR_SUCCESS);
    workspace_write(ws, RUNNING, content);
    assert_int_equal(retrace_queue_list_running(&running, spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(running->nelts, 1);
    return APR_ARRAY_IDX(running, 0, retrace_queue_entry_t).client;
}

static void an_entry_without_a_client_has_a_dash(void **state)
{
    (void)workspace_spool(*state);
    assert_string_equal(listed_client(*state, ""), "-");
    assert_string_equal(listed_client(*state, "\n"), "-");
}

static void a_client_is_read_up_to_its_limit(void **state)
{
    char content[200];

    (void)workspace_spool(*state);
    memset(content, 'f', sizeof(content));
    content[RETRACE_CLIENT_MAX - 1] = '\0';
    assert_int_equal(strlen(listed_client(*state, content)), RETRACE_CLIENT_MAX - 1);
    content[RETRACE_CLIENT_MAX - 1] = 'f';
    content[sizeof(content) - 1] = '\0';
    assert_int_equal(strlen(listed_client(*state, content)), RETRACE_CLIENT_MAX - 1);
}

/* --- Moving -------------------------------------------------------------------------------- */

static void claiming_moves_an_entry_and_putting_back_undoes_it(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, QUEUED, "192.0.2.1 1\n");
    assert_int_equal(retrace_queue_claim(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, QUEUED));
    assert_string_equal(workspace_read(ws, RUNNING), "192.0.2.1 1\n");
    assert_int_equal(retrace_queue_put_back(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, RUNNING));
    assert_string_equal(workspace_read(ws, QUEUED), "192.0.2.1 1\n");
}

static void what_is_not_queued_cannot_be_claimed(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    assert_int_equal(retrace_queue_claim(spool, ID, &ws->err), APR_ENOENT);
    assert_non_null(strstr(ws->err.text, ID_TEXT));
}

static void what_does_not_run_cannot_be_put_back(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, QUEUED, "");
    assert_int_equal(retrace_queue_put_back(spool, ID, &ws->err), APR_ENOENT);
    assert_true(workspace_exists(ws, QUEUED));
}

static void removing_takes_the_entry_from_both_places(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, QUEUED, "");
    workspace_write(ws, RUNNING, "");
    assert_int_equal(retrace_queue_remove(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, QUEUED));
    assert_false(workspace_exists(ws, RUNNING));
    assert_int_equal(retrace_queue_remove(spool, ID, &ws->err), APR_SUCCESS);
}

/* --- Ensuring ------------------------------------------------------------------------------ */

static void a_task_without_an_entry_gets_one(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    (void)close(workspace_task(ws, ID_TEXT));
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_true(workspace_exists(ws, QUEUED));
}

static void an_entry_that_is_there_stays_as_it_is(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    (void)close(workspace_task(ws, ID_TEXT));
    workspace_write(ws, QUEUED, "192.0.2.1 1\n");
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, QUEUED), "192.0.2.1 1\n");
}

static void a_task_that_a_dispatcher_runs_is_not_queued_again(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int lock = -1;

    (void)close(workspace_task(ws, ID_TEXT));
    workspace_write(ws, RUNNING, "192.0.2.1 1\n");
    assert_int_equal(
        retrace_fs_lock(&lock, spool->root, RETRACE_FILE_DISPATCH_LOCK, false, &ws->err),
        APR_SUCCESS);
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, QUEUED));
    assert_string_equal(workspace_read(ws, RUNNING), "192.0.2.1 1\n");
    (void)close(lock);
}

/* A service manager only looks at queue/. */
static void a_task_whose_dispatcher_died_is_queued_again(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    (void)close(workspace_task(ws, ID_TEXT));
    workspace_write(ws, RUNNING, "192.0.2.1 1\n");
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, RUNNING));
    assert_string_equal(workspace_read(ws, QUEUED), "192.0.2.1 1\n");
}

static void a_task_that_has_ended_gets_no_entry(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, "spool/" ID_TEXT "/finished_time", "1\n");
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, QUEUED));
}

/* A status request asks for it, again and again. */
static void a_managed_task_gets_an_entry_once_it_no_longer_waits(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, "spool/" ID_TEXT "/waiting", "");
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, QUEUED));
    assert_int_equal(unlinkat(ws->dir, "spool/" ID_TEXT "/waiting", 0), 0);
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_SUCCESS);
    assert_true(workspace_exists(ws, QUEUED));
}

static void a_task_that_is_not_there_gets_no_entry(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_make_dir(ws, "spool/.incoming/" ID_TEXT);
    assert_int_equal(retrace_queue_ensure(spool, ID, &ws->err), APR_ENOENT);
    assert_false(workspace_exists(ws, QUEUED));
}

/* --- Counting meanwhile -------------------------------------------------------------------- */

static int put_back_in_child(void *baton)
{
    const retrace_spool_t *spool = NULL;
    workspace_t *ws = baton;

    (void)alarm(1);
    return retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, ws->pool) == APR_SUCCESS
            && retrace_queue_put_back(spool, ID, NULL) == APR_SUCCESS
        ? 0
        : 1;
}

static int ensure_in_child(void *baton)
{
    const retrace_spool_t *spool = NULL;
    workspace_t *ws = baton;

    (void)alarm(1);
    return retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, ws->pool) == APR_SUCCESS
            && retrace_queue_ensure(spool, ID, NULL) == APR_SUCCESS
        ? 0
        : 1;
}

/* Whoever counts has looked at queue/ and is about to look at running/: an entry that moves against
 * that order would be missed, and one upload too many be let in. */
static void expect_no_move_while_counting(workspace_t *ws, int (*move)(void *baton))
{
    const retrace_spool_t *spool = workspace_spool(ws);
    int lock = -1;

    (void)close(workspace_task(ws, ID_TEXT));
    workspace_write(ws, RUNNING, "192.0.2.1 1\n");
    assert_int_equal(retrace_fs_lock(&lock, spool->root, RETRACE_FILE_QUEUE_LOCK, false, &ws->err),
                     APR_SUCCESS);
    (void)workspace_child(move, ws);
    assert_true(workspace_exists(ws, RUNNING));
    assert_false(workspace_exists(ws, QUEUED));
    (void)close(lock);
}

static void nothing_is_put_back_while_somebody_counts(void **state)
{
    expect_no_move_while_counting(*state, put_back_in_child);
}

static void a_dead_dispatchers_task_is_not_queued_again_while_somebody_counts(void **state)
{
    expect_no_move_while_counting(*state, ensure_in_child);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_next_in_an_empty_queue),
        TEST(the_oldest_is_next),
        TEST(of_two_equally_old_the_first_is_next),
        TEST(who_has_nothing_running_comes_before_an_older_task),
        TEST(a_client_with_many_tasks_does_not_starve_the_others),
        TEST(a_complete_upload_is_due_and_another_is_not),
        TEST(an_entry_without_a_client_has_a_dash),
        TEST(a_client_is_read_up_to_its_limit),
        TEST(claiming_moves_an_entry_and_putting_back_undoes_it),
        TEST(what_is_not_queued_cannot_be_claimed),
        TEST(what_does_not_run_cannot_be_put_back),
        TEST(removing_takes_the_entry_from_both_places),
        TEST(a_task_without_an_entry_gets_one),
        TEST(an_entry_that_is_there_stays_as_it_is),
        TEST(a_task_that_a_dispatcher_runs_is_not_queued_again),
        TEST(a_task_whose_dispatcher_died_is_queued_again),
        TEST(a_task_that_has_ended_gets_no_entry),
        TEST(a_managed_task_gets_an_entry_once_it_no_longer_waits),
        TEST(a_task_that_is_not_there_gets_no_entry),
        TEST(nothing_is_put_back_while_somebody_counts),
        TEST(a_dead_dispatchers_task_is_not_queued_again_while_somebody_counts),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
