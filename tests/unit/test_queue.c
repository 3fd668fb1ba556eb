/* SPDX-License-Identifier: Apache-2.0 */
/* Reserving a slot: up to the limits and not beyond, whatever dies in between and however many come
 * at once. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/fs.h"
#include "lib/id.h"
#include "lib/queue.h"
#include "tests/unit/workspace.h"

#define LIMIT  5
#define CLIENT "192.0.2.1"

static const retrace_queue_limits_t limits = { LIMIT, 0 };

static retrace_reservation_t *reserve(workspace_t *ws, const retrace_spool_t *spool)
{
    retrace_reservation_t *reservation = NULL;

    assert_int_equal(
        retrace_queue_reserve(&reservation, spool, &limits, CLIENT, 1000, &ws->err, ws->pool),
        APR_SUCCESS);
    return reservation;
}

static void expect_refused(workspace_t *ws, const retrace_spool_t *spool,
                           const retrace_queue_limits_t *bounds, int64_t length,
                           apr_status_t status)
{
    retrace_reservation_t *reservation = NULL;
    int incoming = workspace_count(ws, "spool/.incoming");
    int queue = workspace_count(ws, "spool/queue");

    assert_int_equal(
        retrace_queue_reserve(&reservation, spool, bounds, CLIENT, length, &ws->err, ws->pool),
        status);
    assert_null(reservation);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), incoming);
    assert_int_equal(workspace_count(ws, "spool/queue"), queue);
}

static void drop(const retrace_reservation_t *reservation)
{
    (void)close(reservation->directory);
    if (reservation->lock >= 0) {
        (void)close(reservation->lock);
    }
}

static const char *place(workspace_t *ws, const char *directory, uint32_t id)
{
    return apr_pstrcat(ws->pool, "spool/", directory, retrace_id_format(id).text, NULL);
}

/* --- Reserving ----------------------------------------------------------------------------- */

static void a_reservation_has_a_directory_a_lock_and_an_entry(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    retrace_reservation_t *reservation = reserve(ws, spool);

    assert_in_range(reservation->id, RETRACE_ID_MIN, RETRACE_ID_MAX);
    assert_string_equal(workspace_read(ws, place(ws, "queue/", reservation->id)), CLIENT " 1000\n");
    assert_int_equal(workspace_mode(ws, place(ws, ".incoming/", reservation->id)), 02750);
    assert_true(retrace_fs_is_locked(reservation->directory, RETRACE_FILE_LOCK));
    drop(reservation);
}

static void slots_are_given_up_to_the_limit_and_not_beyond(void **state)
{
    const retrace_spool_t *spool = workspace_spool(*state);
    int i;

    for (i = 0; i < LIMIT; i++) {
        (void)reserve(*state, spool);
    }
    expect_refused(*state, spool, &limits, 1000, APR_EBUSY);
    assert_non_null(strstr(((workspace_t *)*state)->err.text, "all 5 task slots are taken"));
}

static void running_tasks_take_slots_too(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int i;

    for (i = 0; i < LIMIT - 1; i++) {
        workspace_write(ws, place(ws, "running/", 200000000 + (uint32_t)i), "");
    }
    (void)reserve(ws, spool);
    expect_refused(ws, spool, &limits, 1000, APR_EBUSY);
}

/* `start` may put an entry into queue/ while the dispatcher moves it to running/. */
static void an_entry_in_both_places_is_one_slot(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    const retrace_queue_limits_t two = { 2, 0 };
    retrace_reservation_t *reservation = NULL;

    (void)close(workspace_task(ws, "200000000"));
    workspace_write(ws, "spool/queue/200000000", "");
    workspace_write(ws, "spool/running/200000000", "");
    assert_int_equal(
        retrace_queue_reserve(&reservation, spool, &two, CLIENT, 1, &ws->err, ws->pool),
        APR_SUCCESS);
    expect_refused(ws, spool, &two, 1, APR_EBUSY);
}

static void other_names_in_the_queue_take_no_slot(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    const retrace_queue_limits_t one = { 1, 0 };
    retrace_reservation_t *reservation = NULL;

    workspace_write(ws, "spool/queue/README", "");
    workspace_write(ws, "spool/queue/012345678", "");
    workspace_write(ws, "spool/running/.x", "");
    assert_int_equal(
        retrace_queue_reserve(&reservation, spool, &one, CLIENT, 1, &ws->err, ws->pool),
        APR_SUCCESS);
}

static void no_slot_at_all_is_refused(void **state)
{
    const retrace_queue_limits_t none = { 0, 0 };

    expect_refused(*state, workspace_spool(*state), &none, 1, APR_EBUSY);
}

/* --- Space --------------------------------------------------------------------------------- */

/* Other programs use the disk meanwhile: these margins are far above what they take in a second. */
#define MARGIN (INT64_C(256) * 1024 * 1024)

static void space_that_would_be_left_is_asked_for(void **state)
{
    const retrace_spool_t *spool = workspace_spool(*state);
    int64_t space = retrace_fs_free_bytes(spool->root);
    const retrace_queue_limits_t half = { LIMIT, space / 2 };

    expect_refused(*state, spool, &half, space - space / 2 + MARGIN, APR_ENOSPC);
}

static void more_space_than_there_is_is_refused(void **state)
{
    const retrace_spool_t *spool = workspace_spool(*state);
    const retrace_queue_limits_t too_much = { LIMIT, retrace_fs_free_bytes(spool->root) + MARGIN };

    expect_refused(*state, spool, &too_much, 1, APR_ENOSPC);
}

static void the_longest_length_does_not_overflow(void **state)
{
    expect_refused(*state, workspace_spool(*state), &limits, INT64_C(999999999999999999),
                   APR_ENOSPC);
}

static void what_others_have_announced_counts(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int64_t space = retrace_fs_free_bytes(spool->root);
    retrace_reservation_t *first = NULL;
    retrace_reservation_t *second = NULL;

    assert_int_equal(
        retrace_queue_reserve(&first, spool, &limits, CLIENT, space / 2, &ws->err, ws->pool),
        APR_SUCCESS);
    expect_refused(ws, spool, &limits, space / 2 + MARGIN, APR_ENOSPC);
    assert_int_equal(retrace_queue_release(spool, first, &ws->err), APR_SUCCESS);
    drop(first);
    assert_int_equal(
        retrace_queue_reserve(&second, spool, &limits, CLIENT, space / 2, &ws->err, ws->pool),
        APR_SUCCESS);
}

/* Its bytes are on the disk: statvfs has counted them. */
static void what_is_complete_is_not_counted_twice(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    int64_t space = retrace_fs_free_bytes(spool->root);
    retrace_reservation_t *first = NULL;
    retrace_reservation_t *second = NULL;

    assert_int_equal(
        retrace_queue_reserve(&first, spool, &limits, CLIENT, space * 3 / 4, &ws->err, ws->pool),
        APR_SUCCESS);
    assert_int_equal(retrace_queue_admit(spool, first, &ws->err), APR_SUCCESS);
    assert_int_equal(
        retrace_queue_reserve(&second, spool, &limits, CLIENT, space * 3 / 4, &ws->err, ws->pool),
        APR_SUCCESS);
}

/* --- Giving back, admitting ---------------------------------------------------------------- */

static void a_released_slot_is_free_again_and_leaves_nothing(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    retrace_reservation_t *reservation = reserve(ws, spool);

    workspace_write(
        ws,
        apr_pstrcat(ws->pool, place(ws, ".incoming/", reservation->id), "/crash/coredump", NULL),
        "core");
    assert_int_equal(retrace_queue_release(spool, reservation, &ws->err), APR_SUCCESS);
    drop(reservation);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), 0);
    assert_int_equal(workspace_count(ws, "spool/queue"), 0);
}

static void an_admitted_upload_is_a_task_whose_lock_is_free(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    retrace_reservation_t *reservation = reserve(ws, spool);

    assert_int_equal(retrace_queue_admit(spool, reservation, &ws->err), APR_SUCCESS);
    assert_int_equal(reservation->lock, -1);
    assert_true(workspace_exists(ws, place(ws, "", reservation->id)));
    assert_true(workspace_exists(ws, place(ws, "queue/", reservation->id)));
    assert_int_equal(workspace_count(ws, "spool/.incoming"), 0);
    assert_false(retrace_fs_is_locked(reservation->directory, RETRACE_FILE_LOCK));
    drop(reservation);
}

static void an_upload_that_is_gone_is_not_admitted(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    retrace_reservation_t *reservation = reserve(ws, spool);

    assert_int_equal(retrace_queue_release(spool, reservation, &ws->err), APR_SUCCESS);
    assert_int_equal(retrace_queue_admit(spool, reservation, &ws->err), APR_ENOENT);
    assert_false(retrace_fs_is_locked(spool->root, RETRACE_FILE_QUEUE_LOCK));
    drop(reservation);
}

static int reserve_on_a_full_disk(void *baton)
{
    static const struct rlimit limit = { 0, 0 };
    workspace_t *ws = baton;
    const retrace_spool_t *spool = NULL;
    retrace_reservation_t *reservation = NULL;
    int before;

    if (retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, ws->pool) != APR_SUCCESS) {
        return 8;
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 9;
    }
    before = workspace_descriptors();
    if (retrace_queue_reserve(&reservation, spool, &limits, CLIENT, 1, NULL, ws->pool)
            == APR_SUCCESS
        || reservation != NULL) {
        return 1;
    }
    return workspace_descriptors() == before ? 0 : 2;
}

static void a_reservation_that_cannot_be_written_leaves_nothing(void **state)
{
    workspace_t *ws = *state;
    int code;

    (void)workspace_spool(ws);
    code = workspace_child(reserve_on_a_full_disk, ws);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), 0);
    assert_int_equal(workspace_count(ws, "spool/queue"), 0);
    assert_int_not_equal(code, 1);
}

/* The caller never sees the reservation: nobody else can close them. */
static void a_reservation_that_fails_closes_its_descriptors(void **state)
{
    (void)workspace_spool(*state);
    assert_int_equal(workspace_child(reserve_on_a_full_disk, *state), 0);
}

/* --- Dead uploads -------------------------------------------------------------------------- */

static int reserve_and_wait(void *baton)
{
    workspace_t *ws = baton;
    const retrace_spool_t *spool = NULL;
    retrace_reservation_t *reservation = NULL;

    (void)alarm(30);
    if (retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, ws->pool) != APR_SUCCESS
        || retrace_queue_reserve(&reservation, spool, &limits, CLIENT, 1, NULL, ws->pool)
            != APR_SUCCESS) {
        return 1;
    }
    (void)retrace_fs_replace(ws->dir, "reserved", "", 0, 0600, false, NULL);
    (void)pause();
    return 2;
}

static pid_t start_upload(workspace_t *ws)
{
    pid_t child = workspace_start(reserve_and_wait, ws);

    while (!workspace_exists(ws, "reserved")) {
        (void)usleep(1000);
    }
    return child;
}

static void a_living_upload_is_not_swept(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    pid_t child = start_upload(ws);

    assert_int_equal(retrace_queue_sweep(spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), 1);
    assert_int_equal(workspace_count(ws, "spool/queue"), 1);
    (void)kill(child, SIGKILL);
    (void)workspace_wait(child);
}

static void an_upload_whose_receiver_was_killed_is_swept(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    pid_t child = start_upload(ws);

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(workspace_wait(child), WORKSPACE_KILLED + SIGKILL);
    assert_int_equal(retrace_queue_sweep(spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), 0);
    assert_int_equal(workspace_count(ws, "spool/queue"), 0);
}

static void reserving_sweeps_first(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    const retrace_queue_limits_t one = { 1, 0 };
    retrace_reservation_t *reservation = NULL;

    workspace_write(ws, "spool/.incoming/200000000/crash/coredump", "half");
    workspace_write(ws, "spool/queue/200000000", CLIENT " 1\n");
    assert_int_equal(
        retrace_queue_reserve(&reservation, spool, &one, CLIENT, 1, &ws->err, ws->pool),
        APR_SUCCESS);
    assert_false(workspace_exists(ws, "spool/.incoming/200000000"));
}

static void sweeping_leaves_tasks_running_entries_and_foreign_names(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    (void)close(workspace_task(ws, "200000000"));
    workspace_write(ws, "spool/queue/200000000", "");
    workspace_write(ws, "spool/running/300000000", "");
    workspace_write(ws, "spool/.incoming/notes", "");
    workspace_write(ws, "spool/queue/notes", "");
    assert_int_equal(retrace_queue_sweep(spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_true(workspace_exists(ws, "spool/200000000"));
    assert_true(workspace_exists(ws, "spool/queue/200000000"));
    assert_true(workspace_exists(ws, "spool/running/300000000"));
    assert_true(workspace_exists(ws, "spool/.incoming/notes"));
    assert_true(workspace_exists(ws, "spool/queue/notes"));
}

static void an_entry_that_leads_nowhere_is_swept(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);

    workspace_write(ws, "spool/queue/200000000", CLIENT " 1\n");
    assert_int_equal(retrace_queue_sweep(spool, &ws->err, ws->pool), APR_SUCCESS);
    assert_int_equal(workspace_count(ws, "spool/queue"), 0);
}

/* --- Many at once -------------------------------------------------------------------------- */

#define CROWD 40

/* Exit codes: 0 a slot, 1 none, others: broken. Whoever has a slot keeps it until all have asked.
 * */
static int crowd_member(void *baton)
{
    workspace_t *ws = baton;
    const retrace_spool_t *spool = NULL;
    retrace_reservation_t *reservation = NULL;
    apr_status_t rv;

    (void)alarm(60);
    if (retrace_spool_open(&spool, workspace_path(ws, "spool"), NULL, ws->pool) != APR_SUCCESS) {
        return 2;
    }
    rv = retrace_queue_reserve(&reservation, spool, &limits, CLIENT, 1, NULL, ws->pool);
    if (rv != APR_SUCCESS) {
        return rv == APR_EBUSY ? 1 : 3;
    }
    while (!retrace_fs_exists(ws->dir, "over")) {
        (void)usleep(1000);
    }
    return 0;
}

static void a_crowd_gets_exactly_as_many_slots_as_there_are(void **state)
{
    workspace_t *ws = *state;
    pid_t children[CROWD];
    int counts[2] = { 0, 0 };
    int i;

    (void)workspace_spool(ws);
    for (i = 0; i < CROWD; i++) {
        children[i] = workspace_start(crowd_member, ws);
    }
    while (workspace_count(ws, "spool/queue") < LIMIT) {
        (void)usleep(1000);
    }
    (void)usleep(300000);
    assert_int_equal(workspace_count(ws, "spool/queue"), LIMIT);
    assert_int_equal(workspace_count(ws, "spool/.incoming"), LIMIT);
    workspace_write(ws, "over", "");
    for (i = 0; i < CROWD; i++) {
        int code = workspace_wait(children[i]);

        assert_in_range(code, 0, 1);
        counts[code]++;
    }
    assert_true(counts[0] >= LIMIT);
    assert_int_equal(counts[0] + counts[1], CROWD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reservation_has_a_directory_a_lock_and_an_entry),
        TEST(slots_are_given_up_to_the_limit_and_not_beyond),
        TEST(running_tasks_take_slots_too),
        TEST(an_entry_in_both_places_is_one_slot),
        TEST(other_names_in_the_queue_take_no_slot),
        TEST(no_slot_at_all_is_refused),
        TEST(space_that_would_be_left_is_asked_for),
        TEST(more_space_than_there_is_is_refused),
        TEST(the_longest_length_does_not_overflow),
        TEST(what_others_have_announced_counts),
        TEST(what_is_complete_is_not_counted_twice),
        TEST(a_released_slot_is_free_again_and_leaves_nothing),
        TEST(an_admitted_upload_is_a_task_whose_lock_is_free),
        TEST(an_upload_that_is_gone_is_not_admitted),
        TEST(a_reservation_that_cannot_be_written_leaves_nothing),
        TEST(a_reservation_that_fails_closes_its_descriptors),
        TEST(a_living_upload_is_not_swept),
        TEST(an_upload_whose_receiver_was_killed_is_swept),
        TEST(reserving_sweeps_first),
        TEST(sweeping_leaves_tasks_running_entries_and_foreign_names),
        TEST(an_entry_that_leads_nowhere_is_swept),
        TEST(a_crowd_gets_exactly_as_many_slots_as_there_are),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
