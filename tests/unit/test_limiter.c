/* SPDX-License-Identifier: Apache-2.0 */
/* mod_retrace/limiter.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mod_retrace/limiter.h"

#define NOW    apr_time_from_sec(1000000)
#define SECOND apr_time_from_sec(1)
#define ALICE  ((mr_address_t)1)
#define BOB    ((mr_address_t)2)
#define CHILD  100
#define DEAD   666

static bool all_but_one_live(pid_t pid)
{
    return pid != DEAD;
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(mr_limiter_t));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int take(mr_limiter_t *limiter, mr_address_t network, int64_t all, int64_t each)
{
    return mr_limiter_take(limiter, MR_SLOT_UPLOAD, network, CHILD, all, each, all_but_one_live);
}

/* --- Addresses ------------------------------------------------------------------------------- */

static void an_ipv4_address_is_cut_to_its_network(void **state)
{
    const unsigned char a[] = { 192, 0, 2, 1 };
    const unsigned char b[] = { 192, 0, 2, 254 };
    const unsigned char c[] = { 192, 0, 3, 1 };

    (void)state;
    assert_true(mr_address_make(a, 4, 24, 56) == mr_address_make(b, 4, 24, 56));
    assert_false(mr_address_make(a, 4, 24, 56) == mr_address_make(c, 4, 24, 56));
    assert_false(mr_address_make(a, 4, 32, 64) == mr_address_make(b, 4, 32, 64));
}

static void an_ipv6_address_is_cut_to_its_network(void **state)
{
    unsigned char a[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 1, 1, 9, 9 };
    unsigned char b[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 1, 2, 8, 8 };
    unsigned char c[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 2, 1 };

    (void)state;
    assert_true(mr_address_make(a, 16, 24, 56) == mr_address_make(b, 16, 24, 56));
    assert_false(mr_address_make(a, 16, 24, 56) == mr_address_make(c, 16, 24, 56));
    assert_false(mr_address_make(a, 16, 32, 64) == mr_address_make(b, 16, 32, 64));
}

static void an_ipv4_address_within_ipv6_is_the_same(void **state)
{
    const unsigned char plain[] = { 192, 0, 2, 1 };
    const unsigned char mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1 };
    const unsigned char similar[16] = { 0, 0, 0, 1, 192, 0, 2, 1 };

    (void)state;
    assert_true(mr_address_make(plain, 4, 32, 64) == mr_address_make(mapped, 16, 32, 64));
    assert_true(mr_address_make(plain, 4, 24, 56) == mr_address_make(mapped, 16, 24, 56));
    /* ::/8 is reserved, so that no client is mistaken for an IPv4 one. */
    assert_true(mr_address_make(plain, 4, 32, 64) == mr_address_make(similar, 16, 32, 64));
}

/* --- Slots ----------------------------------------------------------------------------------- */

static void one_more_than_the_limit_for_all_is_refused(void **state)
{
    mr_limiter_t *limiter = *state;
    int slot;

    assert_true(take(limiter, ALICE, 2, 0) >= 0);
    slot = take(limiter, BOB, 2, 0);
    assert_true(slot >= 0);
    assert_int_equal(take(limiter, BOB, 2, 0), MR_ALL_TAKEN);
    mr_limiter_give_back(limiter, slot);
    assert_true(take(limiter, ALICE, 2, 0) >= 0);
}

static void one_more_than_the_limit_for_a_network_is_refused(void **state)
{
    mr_limiter_t *limiter = *state;

    assert_true(take(limiter, ALICE, 10, 2) >= 0);
    assert_true(take(limiter, ALICE, 10, 2) >= 0);
    assert_int_equal(take(limiter, ALICE, 10, 2), MR_CLIENT_TAKEN);
    assert_true(take(limiter, BOB, 10, 2) >= 0);
}

static void a_limit_of_zero_is_none(void **state)
{
    mr_limiter_t *limiter = *state;
    int i;

    for (i = 0; i < MR_SLOTS; i++) {
        assert_true(take(limiter, ALICE, 0, 0) >= 0);
    }
    assert_int_equal(take(limiter, ALICE, 0, 0), MR_ALL_TAKEN);
}

static void kinds_do_not_take_from_each_other(void **state)
{
    mr_limiter_t *limiter = *state;

    assert_true(take(limiter, ALICE, 1, 1) >= 0);
    assert_true(mr_limiter_take(limiter, MR_SLOT_WAITING, ALICE, CHILD, 1, 1, all_but_one_live)
                >= 0);
    assert_int_equal(mr_limiter_count(limiter, MR_SLOT_UPLOAD), 1);
    assert_int_equal(mr_limiter_count(limiter, MR_SLOT_WAITING), 1);
}

/* A child that was killed gives nothing back. */
static void slots_of_dead_children_are_free(void **state)
{
    mr_limiter_t *limiter = *state;

    assert_true(mr_limiter_take(limiter, MR_SLOT_UPLOAD, ALICE, DEAD, 1, 0, all_but_one_live) >= 0);
    assert_true(take(limiter, BOB, 1, 0) >= 0);
    assert_int_equal(take(limiter, BOB, 1, 0), MR_ALL_TAKEN);
}

static void nothing_is_given_back_twice(void **state)
{
    mr_limiter_t *limiter = *state;

    assert_true(take(limiter, ALICE, 1, 0) >= 0);
    mr_limiter_give_back(limiter, MR_ALL_TAKEN);
    mr_limiter_give_back(limiter, MR_CLIENT_TAKEN);
    assert_int_equal(take(limiter, ALICE, 1, 0), MR_ALL_TAKEN);
}

/* --- Failures -------------------------------------------------------------------------------- */

static void fail_times(mr_limiter_t *limiter, mr_address_t address, int times, apr_time_t now)
{
    for (; times > 0; times--) {
        mr_limiter_note_failure(limiter, address, now);
    }
}

static void as_many_failures_as_the_limit_refuse(void **state)
{
    mr_limiter_t *limiter = *state;

    fail_times(limiter, ALICE, 9, NOW);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW), 0);
    fail_times(limiter, ALICE, 1, NOW);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW), 60);
    assert_int_equal(mr_limiter_refused_s(limiter, BOB, 10, NOW), 0);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 0, NOW), 0);
}

static void a_refusal_ends_with_its_minute(void **state)
{
    mr_limiter_t *limiter = *state;

    fail_times(limiter, ALICE, 10, NOW);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW + 59 * SECOND), 1);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW + 60 * SECOND - 1), 1);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW + 60 * SECOND), 0);
    fail_times(limiter, ALICE, 1, NOW + 60 * SECOND);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW + 60 * SECOND), 0);
}

static void a_clock_that_is_set_back_refuses_nobody(void **state)
{
    mr_limiter_t *limiter = *state;

    fail_times(limiter, ALICE, 10, NOW);
    assert_int_equal(mr_limiter_refused_s(limiter, ALICE, 10, NOW - SECOND), 0);
}

/* Addresses are cheap for an attacker: the table stays as it is, and who came first is forgotten. */
static void the_oldest_failure_makes_room(void **state)
{
    mr_limiter_t *limiter = *state;
    int i;

    for (i = 0; i < MR_FAILURES; i++) {
        fail_times(limiter, (mr_address_t)(100 + i), 10, NOW + i);
    }
    assert_true(mr_limiter_refused_s(limiter, 100, 10, NOW + MR_FAILURES) > 0);
    fail_times(limiter, ALICE, 10, NOW + MR_FAILURES);
    assert_int_equal(mr_limiter_refused_s(limiter, 100, 10, NOW + MR_FAILURES), 0);
    assert_true(mr_limiter_refused_s(limiter, 101, 10, NOW + MR_FAILURES) > 0);
    assert_true(mr_limiter_refused_s(limiter, ALICE, 10, NOW + MR_FAILURES) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_ipv4_address_is_cut_to_its_network),
        TEST(an_ipv6_address_is_cut_to_its_network),
        TEST(an_ipv4_address_within_ipv6_is_the_same),
        TEST(one_more_than_the_limit_for_all_is_refused),
        TEST(one_more_than_the_limit_for_a_network_is_refused),
        TEST(a_limit_of_zero_is_none),
        TEST(kinds_do_not_take_from_each_other),
        TEST(slots_of_dead_children_are_free),
        TEST(nothing_is_given_back_twice),
        TEST(as_many_failures_as_the_limit_refuse),
        TEST(a_refusal_ends_with_its_minute),
        TEST(a_clock_that_is_set_back_refuses_nobody),
        TEST(the_oldest_failure_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
