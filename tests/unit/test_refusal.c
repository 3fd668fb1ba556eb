/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences of refusals: whatever goes in, they are safe for logs and for clients that use them as
 * a printf format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/ingest/refusal.h"

static void the_first_refusal_stays(void **state)
{
    ingest_refusal_t refusal = { 0 };

    (void)state;
    assert_false(ingest_refuse(&refusal, 403, "first %d", 1));
    assert_false(ingest_refuse(&refusal, 500, "second"));
    assert_int_equal(refusal.status, 403);
    assert_string_equal(refusal.sentence, "first 1");
}

static void bytes_that_could_do_harm_become_question_marks(void **state)
{
    ingest_refusal_t refusal = { 0 };

    (void)state;
    ingest_refuse(&refusal, 403, "%s", "a%n\r\nb\x1b\x7f\x80\xff");
    assert_string_equal(refusal.sentence, "a?n??b????");
}

static void a_long_sentence_is_cut(void **state)
{
    ingest_refusal_t refusal = { 0 };
    char text[2 * INGEST_SENTENCE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ingest_refuse(&refusal, 403, "%s", text);
    assert_int_equal(strlen(refusal.sentence), INGEST_SENTENCE_MAX - 1);
}

static void a_plain_name_is_quoted_as_it_is(void **state)
{
    char quoted[INGEST_QUOTE_MAX];

    (void)state;
    assert_string_equal(ingest_quote(quoted, "a b-c.d"), "a b-c.d");
    assert_string_equal(ingest_quote(quoted, ""), "");
    assert_string_equal(ingest_quote(quoted, NULL), "");
}

static void other_bytes_of_a_name_are_escaped(void **state)
{
    char quoted[INGEST_QUOTE_MAX];

    (void)state;
    assert_string_equal(ingest_quote(quoted, "%\"\\\n\xc3\x7f"), "\\x25\\x22\\x5c\\x0a\\xc3\\x7f");
}

static void a_name_of_any_length_fits(void **state)
{
    char quoted[INGEST_QUOTE_MAX + 1];
    char name[200];
    size_t length;

    (void)state;
    for (length = 0; length < sizeof(name); length++) {
        memset(name, length % 2 == 0 ? 'n' : '\n', length);
        name[length] = '\0';
        quoted[INGEST_QUOTE_MAX] = '!';
        ingest_quote(quoted, name);
        assert_true(strlen(quoted) < INGEST_QUOTE_MAX);
        assert_int_equal(quoted[INGEST_QUOTE_MAX], '!');
        assert_int_equal(strstr(quoted, "...") != NULL, length > (length % 2 == 0 ? 73 : 19));
    }
}

static void sizes_are_said_in_the_greatest_whole_unit(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(ingest_say_size(text, 0), "0 bytes");
    assert_string_equal(ingest_say_size(text, 1023), "1023 bytes");
    assert_string_equal(ingest_say_size(text, 102400), "100 KB");
    assert_string_equal(ingest_say_size(text, 1048575), "1048575 bytes");
    assert_string_equal(ingest_say_size(text, 1073741824), "1024 MB");
    assert_string_equal(ingest_say_size(text, INT64_MAX), "9223372036854775807 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_refusal_stays),
        cmocka_unit_test(bytes_that_could_do_harm_become_question_marks),
        cmocka_unit_test(a_long_sentence_is_cut),
        cmocka_unit_test(a_plain_name_is_quoted_as_it_is),
        cmocka_unit_test(other_bytes_of_a_name_are_escaped),
        cmocka_unit_test(a_name_of_any_length_fits),
        cmocka_unit_test(sizes_are_said_in_the_greatest_whole_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
