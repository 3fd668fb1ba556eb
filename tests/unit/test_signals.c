/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals and their causes. The numbers are written out: they are those of the core's
 * machine, not of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/signals.h"

static void the_signals_of_crashes_have_names(void **state)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        { 4, "SIGILL" },  { 5, "SIGTRAP" },  { 6, "SIGABRT" },  { 7, "SIGBUS" },  { 8, "SIGFPE" },
        { 9, "SIGKILL" }, { 11, "SIGSEGV" }, { 24, "SIGXCPU" }, { 31, "SIGSYS" }, { 15, "SIGTERM" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_string_equal(worker_signal_name(names[i].number), names[i].name);
    }
}

static void other_numbers_have_none(void **state)
{
    static const int numbers[] = { 0, -1, 32, 64, 65, 128, INT32_MAX, INT32_MIN };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_null(worker_signal_name(numbers[i]));
    }
}

static void causes_belong_to_their_signal(void **state)
{
    (void)state;
    assert_string_equal(worker_signal_cause(11, 1), "address not mapped to object");
    assert_string_equal(worker_signal_cause(11, 2), "invalid permissions for mapped object");
    assert_string_equal(worker_signal_cause(7, 2), "nonexistent physical address");
    assert_string_equal(worker_signal_cause(8, 1), "integer divide by zero");
    assert_string_equal(worker_signal_cause(5, 1), "breakpoint");
}

static void what_the_kernel_sends_has_a_cause_of_its_own_for_a_segmentation_fault(void **state)
{
    (void)state;
    assert_string_equal(worker_signal_cause(11, 0x80),
                        "general protection fault or non-canonical address");
    assert_string_equal(worker_signal_cause(7, 0x80), "sent by the kernel");
}

static void senders_are_named_for_any_signal(void **state)
{
    (void)state;
    assert_string_equal(worker_signal_cause(11, 0), "sent by kill");
    assert_string_equal(worker_signal_cause(15, 0), "sent by kill");
    assert_string_equal(worker_signal_cause(6, -6), "sent by tgkill (raise or abort)");
    assert_string_equal(worker_signal_cause(10, -1), "sent by sigqueue");
}

static void unknown_pairs_have_no_cause(void **state)
{
    (void)state;
    assert_null(worker_signal_cause(11, 99));
    assert_null(worker_signal_cause(6, 1));
    assert_null(worker_signal_cause(0, 1));
    assert_null(worker_signal_cause(11, -99));
    assert_null(worker_signal_cause(64, INT32_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signals_of_crashes_have_names),
        cmocka_unit_test(other_numbers_have_none),
        cmocka_unit_test(causes_belong_to_their_signal),
        cmocka_unit_test(what_the_kernel_sends_has_a_cause_of_its_own_for_a_segmentation_fault),
        cmocka_unit_test(senders_are_named_for_any_signal),
        cmocka_unit_test(unknown_pairs_have_no_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
