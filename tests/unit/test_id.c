/* SPDX-License-Identifier: Apache-2.0 */
/* Task ids: what is one, and that nothing else passes for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/id.h"

static void the_smallest_and_the_largest_id_are_read(void **state)
{
    uint32_t id = 0;

    (void)state;
    assert_true(retrace_id_parse("100000000", &id));
    assert_int_equal(id, RETRACE_ID_MIN);
    assert_true(retrace_id_parse("999999999", &id));
    assert_int_equal(id, RETRACE_ID_MAX);
}

static void other_texts_are_no_ids(void **state)
{
    static const char *const texts[] = {
        "",          "1",         "12345678",     "1234567890",   "012345678",
        "000000000", "099999999", "1000000000",   "+12345678",    "-12345678",
        " 12345678", "12345678 ", "123456789 ",   "123456789\n",  "\t12345678",
        "0x1234567", "1234a6789", "12345678a",    "1234.6789",    "123456789/",
        "../456789", "123/56789", ".incoming",    "123456789\r",  "12345\00078",
        "/23456789", ":23456789", "12345678\xff", "\xb1\xb2\xb3",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint32_t id = 7;

        assert_false(retrace_id_parse(texts[i], &id));
        assert_int_equal(id, 7);
    }
}

static void an_id_is_written_with_all_its_digits(void **state)
{
    (void)state;
    assert_string_equal(retrace_id_format(RETRACE_ID_MIN).text, "100000000");
    assert_string_equal(retrace_id_format(RETRACE_ID_MAX).text, "999999999");
    assert_string_equal(retrace_id_format(102030405).text, "102030405");
}

static void what_is_written_is_read_again(void **state)
{
    uint32_t id = 0;
    uint32_t number;

    (void)state;
    for (number = RETRACE_ID_MIN; number <= RETRACE_ID_MAX - 1234567; number += 1234567) {
        assert_true(retrace_id_parse(retrace_id_format(number).text, &id));
        assert_int_equal(id, number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_and_the_largest_id_are_read),
        cmocka_unit_test(other_texts_are_no_ids),
        cmocka_unit_test(an_id_is_written_with_all_its_digits),
        cmocka_unit_test(what_is_written_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
