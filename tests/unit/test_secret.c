/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and ids are random and well spread; what is stored is a digest that only its own
 * password matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <string.h>
#include <cmocka.h>

#include "lib/id.h"
#include "lib/secret.h"

/* FIPS 180-4, the example of one block. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define LEN RETRACE_SECRET_DIGEST_LEN

static void a_password_has_the_length_asked_for(void **state)
{
    static const size_t lengths[] = { 0, 1, RETRACE_PASSWORD_MIN, RETRACE_PASSWORD_MAX };
    char buffer[RETRACE_PASSWORD_MAX + 2];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(buffer, '!', sizeof(buffer));
        assert_true(retrace_secret_password(buffer, lengths[i]));
        assert_int_equal(strlen(buffer), lengths[i]);
        assert_int_equal(buffer[lengths[i] + 1], '!');
    }
}

/* 62 letters, 200 passwords of 128: 413 each on average, standard deviation 20. */
static void each_character_is_equally_likely(void **state)
{
    char buffer[RETRACE_PASSWORD_MAX + 1];
    int counts[256] = { 0 };
    int letters = 0;
    int i;

    (void)state;
    for (i = 0; i < 200 * RETRACE_PASSWORD_MAX; i++) {
        if (i % RETRACE_PASSWORD_MAX == 0) {
            assert_true(retrace_secret_password(buffer, RETRACE_PASSWORD_MAX));
        }
        counts[(unsigned char)buffer[i % RETRACE_PASSWORD_MAX]]++;
    }
    for (i = 0; i < 256; i++) {
        if (isascii(i) && isalnum(i)) {
            letters++;
            assert_in_range(counts[i], 413 - 160, 413 + 160);
        }
        else {
            assert_int_equal(counts[i], 0);
        }
    }
    assert_int_equal(letters, 62);
}

static void two_passwords_differ(void **state)
{
    char first[RETRACE_PASSWORD_MIN + 1];
    char second[RETRACE_PASSWORD_MIN + 1];

    (void)state;
    assert_true(retrace_secret_password(first, RETRACE_PASSWORD_MIN));
    assert_true(retrace_secret_password(second, RETRACE_PASSWORD_MIN));
    assert_string_not_equal(first, second);
}

static void random_ids_are_ids_and_reach_both_ends(void **state)
{
    int low = 0;
    int high = 0;
    int i;

    (void)state;
    for (i = 0; i < 5000; i++) {
        uint32_t id = 0;

        assert_true(retrace_secret_id(&id));
        assert_in_range(id, RETRACE_ID_MIN, RETRACE_ID_MAX);
        low += id < UINT32_C(200000000);
        high += id >= UINT32_C(900000000);
    }
    assert_in_range(low, 350, 800);
    assert_in_range(high, 350, 800);
}

static void the_digest_is_sha_256_in_lower_case(void **state)
{
    retrace_secret_digest_t digest;

    (void)state;
    assert_true(retrace_secret_digest(&digest, "abc"));
    assert_string_equal(digest.text, ABC);
}

static void a_password_matches_its_digest(void **state)
{
    (void)state;
    assert_true(retrace_secret_matches(ABC, LEN, "abc"));
}

static void one_final_newline_is_allowed(void **state)
{
    (void)state;
    assert_true(retrace_secret_matches(ABC "\n", LEN + 1, "abc"));
}

static void another_password_does_not_match(void **state)
{
    static const char *const others[] = { "", "ab", "abcd", "Abc", "abc ", "abc\n", ABC };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(retrace_secret_matches(ABC, LEN, others[i]));
    }
}

static void a_stored_text_of_another_length_matches_nothing(void **state)
{
    size_t length;

    (void)state;
    for (length = 0; length < LEN; length++) {
        assert_false(retrace_secret_matches(ABC, length, "abc"));
    }
    assert_false(retrace_secret_matches(ABC "\n\n", LEN + 2, "abc"));
    assert_false(retrace_secret_matches(ABC "0", LEN + 1, "abc"));
    assert_false(retrace_secret_matches(ABC "\r\n", LEN + 2, "abc"));
    assert_false(retrace_secret_matches(ABC, LEN + 1, "abc")); /* the NUL is no newline */
}

/* An empty password file must not mean an empty password. */
static void an_empty_stored_text_matches_not_even_the_empty_password(void **state)
{
    (void)state;
    assert_false(retrace_secret_matches("", 0, ""));
    assert_false(retrace_secret_matches("\n", 1, ""));
}

static void each_digit_of_the_stored_digest_counts(void **state)
{
    char stored[] = ABC;
    size_t i;

    (void)state;
    for (i = 0; i < LEN; i++) {
        char was = stored[i];

        stored[i] = was == '0' ? '1' : '0';
        assert_false(retrace_secret_matches(stored, LEN, "abc"));
        stored[i] = was;
    }
    stored[0] = 'B';
    assert_false(retrace_secret_matches(stored, LEN, "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_has_the_length_asked_for),
        cmocka_unit_test(each_character_is_equally_likely),
        cmocka_unit_test(two_passwords_differ),
        cmocka_unit_test(random_ids_are_ids_and_reach_both_ends),
        cmocka_unit_test(the_digest_is_sha_256_in_lower_case),
        cmocka_unit_test(a_password_matches_its_digest),
        cmocka_unit_test(one_final_newline_is_allowed),
        cmocka_unit_test(another_password_does_not_match),
        cmocka_unit_test(a_stored_text_of_another_length_matches_nothing),
        cmocka_unit_test(an_empty_stored_text_matches_not_even_the_empty_password),
        cmocka_unit_test(each_digit_of_the_stored_digest_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
