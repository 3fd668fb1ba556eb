/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd says before an upload: one grammar, nothing tolerated beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "worker/ingest/request.h"

#define HEAD    "retrace-receive 2\n"
#define LENGTH  "length: 123456\n"
#define TYPE    "type: 0\n"
#define CONTENT "content: application/x-tar\n"
#define SENDER  "client: 192.0.2.1\n"
#define MANAGED "managed: 0\n"
#define REST    CONTENT SENDER MANAGED "directory: -\n\n"
#define USUAL   HEAD LENGTH TYPE REST

static bool parses(const char *text)
{
    ingest_request_t request;

    return ingest_request_parse(&request, text, strlen(text));
}

static void expect_refused(const char *const *texts, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (parses(texts[i])) {
            print_message("taken: %s\n", texts[i]);
            fail();
        }
    }
}

#define REFUSE(texts) expect_refused(texts, sizeof(texts) / sizeof(texts[0]))

static void a_usual_block_is_read(void **state)
{
    ingest_request_t request;

    (void)state;
    assert_true(ingest_request_parse(&request, USUAL, strlen(USUAL)));
    assert_int_equal(request.length, 123456);
    assert_int_equal(request.type, RETRACE_TASK_RETRACE);
    assert_string_equal(request.content, "application/x-tar");
    assert_string_equal(request.client, "192.0.2.1");
    assert_false(request.managed);
    assert_string_equal(request.directory, "");
}

static void every_value_is_read(void **state)
{
    static const char text[] =
        HEAD "length: 1\ntype: 4\ncontent: a+b-c.d/9\n"
             "client: 2001:DB8::ff00:42\nmanaged: 1\ndirectory: /var/crash/a b\n\n";
    ingest_request_t request;

    (void)state;
    assert_true(ingest_request_parse(&request, text, strlen(text)));
    assert_int_equal(request.length, 1);
    assert_int_equal(request.type, RETRACE_TASK_VMCORE_INTERACTIVE);
    assert_string_equal(request.client, "2001:DB8::ff00:42");
    assert_true(request.managed);
    assert_string_equal(request.directory, "/var/crash/a b");
}

static void the_block_ends_with_its_empty_line(void **state)
{
    static const char text[] = USUAL "body\n\nmore";

    (void)state;
    assert_int_equal(ingest_request_length(text, strlen(text)), strlen(USUAL));
    assert_int_equal(ingest_request_length("\n\n", 2), 2);
}

static void without_an_empty_line_there_is_no_block_yet(void **state)
{
    (void)state;
    assert_int_equal(ingest_request_length("", 0), 0);
    assert_int_equal(ingest_request_length("\n", 1), 0);
    assert_int_equal(ingest_request_length(USUAL, strlen(USUAL) - 1), 0);
    assert_int_equal(ingest_request_length("a\r\n\r\n", 5), 0);
}

static void a_block_that_breaks_off_is_refused_wherever_it_does(void **state)
{
    ingest_request_t request;
    size_t length;

    (void)state;
    for (length = 0; length < strlen(USUAL); length++) {
        assert_false(ingest_request_parse(&request, USUAL, length));
    }
}

static void another_first_line_is_refused(void **state)
{
    static const char *const texts[] = {
        "retrace-receive 1\n" LENGTH TYPE REST,
        "retrace-receive\n" LENGTH TYPE REST,
        "retrace-receive 20\n" LENGTH TYPE REST,
        "Retrace-receive 2\n" LENGTH TYPE REST,
        " retrace-receive 2\n" LENGTH TYPE REST,
        "retrace-receive 2 \n" LENGTH TYPE REST,
        "\n" USUAL,
        LENGTH TYPE REST,
    };

    (void)state;
    REFUSE(texts);
}

static void another_order_is_refused(void **state)
{
    static const char *const texts[] = {
        HEAD TYPE LENGTH REST,
        HEAD LENGTH CONTENT TYPE SENDER MANAGED "directory: -\n\n",
        HEAD LENGTH TYPE SENDER CONTENT MANAGED "directory: -\n\n",
        HEAD LENGTH TYPE CONTENT SENDER "directory: -\n" MANAGED "\n",
    };

    (void)state;
    REFUSE(texts);
}

static void missing_repeated_and_unknown_lines_are_refused(void **state)
{
    static const char *const texts[] = {
        HEAD LENGTH REST,
        HEAD TYPE REST,
        HEAD LENGTH TYPE CONTENT SENDER MANAGED "\n",
        HEAD LENGTH LENGTH TYPE REST,
        HEAD LENGTH TYPE TYPE REST,
        HEAD LENGTH TYPE CONTENT SENDER MANAGED MANAGED "\n",
        HEAD LENGTH TYPE CONTENT SENDER MANAGED "directory: -\nmore: 1\n\n",
        HEAD "size: 1\n" TYPE REST,
        HEAD "\n" LENGTH TYPE REST,
    };

    (void)state;
    REFUSE(texts);
}

static void anything_behind_the_empty_line_is_refused(void **state)
{
    static const char *const texts[] = { USUAL "x", USUAL "\n", USUAL USUAL };

    (void)state;
    REFUSE(texts);
}

static void another_spelling_of_a_key_is_refused(void **state)
{
    static const char *const texts[] = {
        HEAD "Length: 1\n" TYPE REST,  HEAD "length:1\n" TYPE REST,   HEAD "length : 1\n" TYPE REST,
        HEAD "length:  1\n" TYPE REST, HEAD "length=1\n" TYPE REST,   HEAD " length: 1\n" TYPE REST,
        HEAD "length:\n" TYPE REST,    HEAD "length:\t1\n" TYPE REST,
    };

    (void)state;
    REFUSE(texts);
}

static void a_length_is_a_decimal_number(void **state)
{
    static const char *const texts[] = {
        HEAD "length: 0\n" TYPE REST,   HEAD "length: \n" TYPE REST,
        HEAD "length: -1\n" TYPE REST,  HEAD "length: +1\n" TYPE REST,
        HEAD "length: 1 \n" TYPE REST,  HEAD "length: 0x1\n" TYPE REST,
        HEAD "length: 1.0\n" TYPE REST, HEAD "length: 1e3\n" TYPE REST,
        HEAD "length: one\n" TYPE REST,
    };

    (void)state;
    REFUSE(texts);
}

static void a_length_has_at_most_18_digits(void **state)
{
    static const char text[] = HEAD "length: 999999999999999999\n" TYPE REST;
    ingest_request_t request;

    (void)state;
    assert_true(ingest_request_parse(&request, text, strlen(text)));
    assert_int_equal(request.length, INT64_C(999999999999999999));
    assert_false(parses(HEAD "length: 1000000000000000000\n" TYPE REST));
    assert_false(parses(HEAD "length: 9223372036854775808\n" TYPE REST));
    assert_false(parses(HEAD "length: 18446744073709551617\n" TYPE REST));
}

static void a_type_is_one_digit_up_to_4(void **state)
{
    static const char *const texts[] = {
        HEAD LENGTH "type: 5\n" REST,  HEAD LENGTH "type: -1\n" REST, HEAD LENGTH "type: \n" REST,
        HEAD LENGTH "type: 00\n" REST, HEAD LENGTH "type: /\n" REST,  HEAD LENGTH "type: a\n" REST,
        HEAD LENGTH "type: 1 \n" REST,
    };

    (void)state;
    assert_true(parses(HEAD LENGTH "type: 4\n" REST));
    REFUSE(texts);
}

#define TAIL SENDER MANAGED "directory: -\n\n"

static void a_content_type_has_only_its_characters(void **state)
{
    static const char *const texts[] = {
        HEAD LENGTH TYPE "content: \n" TAIL,         HEAD LENGTH TYPE "content: A/x\n" TAIL,
        HEAD LENGTH TYPE "content: a/b; c=d\n" TAIL, HEAD LENGTH TYPE "content: a%n\n" TAIL,
        HEAD LENGTH TYPE "content: a\tb\n" TAIL,     HEAD LENGTH TYPE "content: a\xc3\xa4\n" TAIL,
    };

    (void)state;
    REFUSE(texts);
}

#define END MANAGED "directory: -\n\n"

static void a_client_is_an_address(void **state)
{
    static const char *const texts[] = {
        HEAD LENGTH TYPE CONTENT "client: \n" END,
        HEAD LENGTH TYPE CONTENT "client: localhost\n" END,
        HEAD LENGTH TYPE CONTENT "client: 192.0.2.1 5\n" END,
        HEAD LENGTH TYPE CONTENT "client: ../../etc\n" END,
        HEAD LENGTH TYPE CONTENT "client: fe80::1%eth0\n" END,
        HEAD LENGTH TYPE CONTENT "client: [::1]\n" END,
    };

    (void)state;
    REFUSE(texts);
}

static void a_flag_is_0_or_1(void **state)
{
    static const char *const texts[] = {
        HEAD LENGTH TYPE CONTENT SENDER "managed: 2\ndirectory: -\n\n",
        HEAD LENGTH TYPE CONTENT SENDER "managed: \ndirectory: -\n\n",
        HEAD LENGTH TYPE CONTENT SENDER "managed: yes\ndirectory: -\n\n",
    };

    (void)state;
    REFUSE(texts);
}

#define WITH_DIRECTORY(value) HEAD LENGTH TYPE CONTENT SENDER MANAGED "directory: " value "\n\n"

static void a_directory_is_a_sound_path(void **state)
{
    static const char *const texts[] = {
        WITH_DIRECTORY(""),          WITH_DIRECTORY("--"),     WITH_DIRECTORY("relative"),
        WITH_DIRECTORY("/a/../b"),   WITH_DIRECTORY("/a/.."),  WITH_DIRECTORY("/a\tb"),
        WITH_DIRECTORY("/\xc3\xa4"), WITH_DIRECTORY("/a\n/b"),
    };

    (void)state;
    assert_true(parses(WITH_DIRECTORY("/a/..b/c.d")));
    REFUSE(texts);
}

static void a_length_of_0_needs_a_directory(void **state)
{
    static const char text[] =
        HEAD "length: 0\n" TYPE CONTENT SENDER MANAGED "directory: /var/crash\n\n";
    ingest_request_t request;

    (void)state;
    assert_true(ingest_request_parse(&request, text, strlen(text)));
    assert_int_equal(request.length, 0);
    assert_false(parses(HEAD "length: 0\n" TYPE REST));
}

static void a_carriage_return_is_refused_in_every_line(void **state)
{
    char text[sizeof(USUAL) + 1];
    size_t i;

    (void)state;
    for (i = 0; i < strlen(USUAL); i++) {
        if (USUAL[i] == '\n') {
            memcpy(text, USUAL, i);
            text[i] = '\r';
            memcpy(text + i + 1, USUAL + i, sizeof(USUAL) - i);
            assert_false(parses(text));
        }
    }
}

static void a_nul_is_refused_in_every_place(void **state)
{
    char text[sizeof(USUAL)];
    ingest_request_t request;
    size_t i;

    (void)state;
    for (i = 0; i < strlen(USUAL); i++) {
        memcpy(text, USUAL, sizeof(text));
        text[i] = '\0';
        assert_false(ingest_request_parse(&request, text, strlen(USUAL)));
    }
}

/* A value of `length` characters in place of `%s`. */
static bool parses_with(const char *format, char character, size_t length)
{
    char value[INGEST_REQUEST_MAX];
    char text[2 * INGEST_REQUEST_MAX];

    memset(value, character, length);
    value[length] = '\0';
    snprintf(text, sizeof(text), "%s%s%s", format, value, strchr(format, '\0') + 1);
    return parses(text);
}

static void values_are_read_up_to_their_limits_and_not_beyond(void **state)
{
    static const char content[] = HEAD LENGTH TYPE "content: \0\n" TAIL;
    static const char directory[] = HEAD LENGTH TYPE CONTENT SENDER MANAGED "directory: /\0\n\n";
    static const char client[] = HEAD LENGTH TYPE CONTENT "client: \0\n" END;

    (void)state;
    assert_true(parses_with(content, 'a', INGEST_CONTENT_MAX - 1));
    assert_false(parses_with(content, 'a', INGEST_CONTENT_MAX));
    assert_false(parses_with(content, 'a', INGEST_REQUEST_MAX - 1));
    assert_true(parses_with(directory, 'a', RETRACE_DIRECTORY_MAX - 2));
    assert_false(parses_with(directory, 'a', RETRACE_DIRECTORY_MAX - 1));
    assert_false(parses_with(directory, 'a', INGEST_REQUEST_MAX - 1));
    assert_true(parses_with(client, '1', RETRACE_CLIENT_MAX - 1));
    assert_false(parses_with(client, '1', RETRACE_CLIENT_MAX));
    assert_false(parses_with(client, '1', INGEST_REQUEST_MAX - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_block_is_read),
        cmocka_unit_test(every_value_is_read),
        cmocka_unit_test(the_block_ends_with_its_empty_line),
        cmocka_unit_test(without_an_empty_line_there_is_no_block_yet),
        cmocka_unit_test(a_block_that_breaks_off_is_refused_wherever_it_does),
        cmocka_unit_test(another_first_line_is_refused),
        cmocka_unit_test(another_order_is_refused),
        cmocka_unit_test(missing_repeated_and_unknown_lines_are_refused),
        cmocka_unit_test(anything_behind_the_empty_line_is_refused),
        cmocka_unit_test(another_spelling_of_a_key_is_refused),
        cmocka_unit_test(a_length_is_a_decimal_number),
        cmocka_unit_test(a_length_has_at_most_18_digits),
        cmocka_unit_test(a_type_is_one_digit_up_to_4),
        cmocka_unit_test(a_content_type_has_only_its_characters),
        cmocka_unit_test(a_client_is_an_address),
        cmocka_unit_test(a_flag_is_0_or_1),
        cmocka_unit_test(a_directory_is_a_sound_path),
        cmocka_unit_test(a_length_of_0_needs_a_directory),
        cmocka_unit_test(a_carriage_return_is_refused_in_every_line),
        cmocka_unit_test(a_nul_is_refused_in_every_place),
        cmocka_unit_test(values_are_read_up_to_their_limits_and_not_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
