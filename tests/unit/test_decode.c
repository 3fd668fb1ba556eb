/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded decoders: what they accept, what they refuse, and that they never ask for more input
 * than they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/tar_builder.h"
#include "worker/ingest/decode.h"

typedef struct result_t {
    ingest_decode_status_t status;
    char reason[100];
    bytes_t out;
    int64_t bytes_in;
} result_t;

static result_t decode_from(ingest_source_fn fn, void *baton)
{
    ingest_decoder_t *decoder = ingest_decoder_new(fn, baton);
    result_t result = { 0 };
    const void *data;
    size_t length;

    assert_non_null(decoder);
    while ((result.status = ingest_decoder_read(decoder, &data, &length)) == INGEST_DECODE_OK) {
        assert_true(length > 0);
        bytes_add(&result.out, data, length);
        assert_true(result.out.length < 256 * 1024 * 1024);
    }
    assert_int_equal(length, 0);
    assert_int_equal(ingest_decoder_read(decoder, &data, &length), result.status);
    assert_int_equal(ingest_decoder_bytes_out(decoder), result.out.length);
    result.bytes_in = ingest_decoder_bytes_in(decoder);
    strncpy(result.reason, ingest_decoder_reason(decoder), sizeof(result.reason) - 1);
    ingest_decoder_free(decoder);
    return result;
}

static result_t decode_in_steps(const bytes_t *packed, size_t step)
{
    bytes_source_t source = { .data = packed->data, .length = packed->length, .step = step };

    return decode_from(bytes_source, &source);
}

/* Something that packs well but not too well. */
static bytes_t make_text(size_t length)
{
    bytes_t text = { 0 };
    uint32_t seed = 1;

    while (text.length < length) {
        char word[8] = "abcdefg";
        seed = seed * 1664525 + 1013904223;
        bytes_add(&text, word, 1 + seed % 7);
        seed ^= seed >> 7;
        word[0] = (char)seed;
        bytes_add(&text, word, 1);
    }
    return text;
}

static void expect_content(result_t *result, const bytes_t *plain)
{
    assert_int_equal(result->status, INGEST_DECODE_END);
    assert_int_equal(result->out.length, plain->length);
    assert_memory_equal(result->out.data, plain->data, plain->length);
    bytes_free(&result->out);
}

static void expect_corrupt(const bytes_t *packed, const char *reason)
{
    static const size_t steps[] = { 0, 1, 7 };
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        result_t result = decode_in_steps(packed, steps[i]);
        assert_int_equal(result.status, INGEST_DECODE_CORRUPT);
        assert_non_null(strstr(result.reason, reason));
        bytes_free(&result.out);
    }
}

/* --- what is accepted ------------------------------------------------------------------------- */

static void expect_same_at_every_step(const bytes_t *packed, const bytes_t *plain)
{
    static const size_t steps[] = { 0, 1, 2, 3, 5, 6, 7, 511, 65536 };
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        result_t result = decode_in_steps(packed, steps[i]);
        assert_int_equal(result.bytes_in, packed->length);
        expect_content(&result, plain);
    }
}

static void plain_bytes_pass_as_they_are(void **state)
{
    bytes_t plain = make_text(300000);

    (void)state;
    expect_same_at_every_step(&plain, &plain);
    bytes_free(&plain);
}

static void gzip_is_decoded_whatever_the_reads_are(void **state)
{
    bytes_t plain = make_text(300000);
    bytes_t packed = pack_gzip(&plain);

    (void)state;
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void xz_is_decoded_whatever_the_reads_are(void **state)
{
    bytes_t plain = make_text(300000);
    bytes_t packed = pack_xz(&plain, 2);

    (void)state;
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void output_beyond_the_buffer_is_not_lost(void **state)
{
    bytes_t plain = { 0 };
    bytes_t packed;

    (void)state;
    bytes_zero(&plain, 5000000); /* packs into less than one read */
    packed = pack_gzip(&plain);
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
    packed = pack_xz(&plain, 2);
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void nothing_is_an_empty_plain_stream(void **state)
{
    bytes_t nothing = { 0 };
    result_t result = decode_in_steps(&nothing, 0);

    (void)state;
    assert_int_equal(result.status, INGEST_DECODE_END);
}

static void the_beginning_of_a_magic_number_is_plain(void **state)
{
    static const char *const texts[] = { "\x1f", "\xfd",
                                         "\375"
                                         "7zXY",
                                         "\x1f\x8c",
                                         "\375"
                                         "7zXZ" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bytes_t plain = { 0 };
        bytes_text(&plain, texts[i]);
        expect_same_at_every_step(&plain, &plain);
        bytes_free(&plain);
    }
}

static void members_of_gzip_are_joined(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_gzip(&plain);
    bytes_t both = { 0 };
    bytes_t twice = { 0 };

    (void)state;
    bytes_add(&both, packed.data, packed.length);
    bytes_add(&both, packed.data, packed.length);
    bytes_add(&twice, plain.data, plain.length);
    bytes_add(&twice, plain.data, plain.length);
    expect_same_at_every_step(&both, &twice);
    bytes_free(&twice);
    bytes_free(&both);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void streams_of_xz_are_joined(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_xz(&plain, 0);
    bytes_t both = { 0 };
    bytes_t twice = { 0 };

    (void)state;
    bytes_add(&both, packed.data, packed.length);
    bytes_zero(&both, 8); /* stream padding, xz-file-format 2.2 */
    bytes_add(&both, packed.data, packed.length);
    bytes_add(&twice, plain.data, plain.length);
    bytes_add(&twice, plain.data, plain.length);
    expect_same_at_every_step(&both, &twice);
    bytes_free(&twice);
    bytes_free(&both);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void the_greatest_usual_dictionary_fits(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_xz(&plain, 9);

    (void)state;
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
    bytes_free(&plain);
}

/* --- it keeps pace ---------------------------------------------------------------------------- */

static void expect_no_read_ahead(const bytes_t *packed, size_t least)
{
    bytes_source_t source = { .data = packed->data, .length = packed->length, .step = 1000 };
    ingest_decoder_t *decoder = ingest_decoder_new(bytes_source, &source);
    const void *data;
    size_t length;

    assert_int_equal(ingest_decoder_read(decoder, &data, &length), INGEST_DECODE_OK);
    assert_true(length >= least);
    assert_int_equal(source.reads, 1); /* a second read might block for a minute */
    ingest_decoder_free(decoder);
}

static void what_can_be_decoded_is_handed_out_before_the_next_read(void **state)
{
    bytes_t plain = make_text(100000);
    bytes_t gzip = pack_gzip(&plain);

    (void)state;
    expect_no_read_ahead(&plain, 1000);
    expect_no_read_ahead(&gzip, 500);
    bytes_free(&gzip);
    bytes_free(&plain);
}

static void a_finished_gzip_member_does_not_wait_for_another(void **state)
{
    bytes_t plain = make_text(500);
    bytes_t packed = pack_gzip(&plain);

    (void)state;
    expect_no_read_ahead(&packed, 500);
    bytes_free(&packed);
    bytes_free(&plain);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void expect_cut_off(bytes_t packed, const char *reason)
{
    size_t whole = packed.length;

    for (packed.length = 6; packed.length < whole; packed.length += 1 + packed.length / 50) {
        expect_corrupt(&packed, reason);
    }
    packed.length = whole - 1;
    expect_corrupt(&packed, reason);
    bytes_free(&packed);
}

static void gzip_cut_off_anywhere_is_corrupt(void **state)
{
    bytes_t plain = make_text(5000);

    (void)state;
    expect_cut_off(pack_gzip(&plain), "gzip stream is cut off");
    bytes_free(&plain);
}

static void xz_cut_off_anywhere_is_corrupt(void **state)
{
    bytes_t plain = make_text(5000);

    (void)state;
    expect_cut_off(pack_xz(&plain, 1), "xz stream is cut off");
    bytes_free(&plain);
}

static void every_flipped_byte_of_the_gzip_trailer_is_corrupt(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_gzip(&plain);
    size_t i;

    (void)state;
    for (i = packed.length - 8; i < packed.length; i++) { /* CRC32 and ISIZE */
        packed.data[i] ^= 1;
        expect_corrupt(&packed, "gzip stream is broken");
        packed.data[i] ^= 1;
    }
    bytes_free(&packed);
    bytes_free(&plain);
}

static void a_member_whose_size_lies_is_corrupt_although_the_last_is_right(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_gzip(&plain);
    bytes_t both = { 0 };

    (void)state;
    bytes_add(&both, packed.data, packed.length);
    memset(both.data + both.length - 4, 0, 4);
    bytes_add(&both, packed.data, packed.length);
    expect_corrupt(&both, "gzip stream is broken");
    bytes_free(&both);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void a_flipped_bit_in_xz_is_corrupt(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_xz(&plain, 1);
    size_t i;

    (void)state;
    for (i = 6; i < packed.length; i += 13) {
        result_t result;
        packed.data[i] ^= 4;
        result = decode_in_steps(&packed, 0);
        assert_int_not_equal(result.status, INGEST_DECODE_END);
        bytes_free(&result.out);
        packed.data[i] ^= 4;
    }
    bytes_free(&packed);
    bytes_free(&plain);
}

static void expect_refused_with(bytes_t packed, const void *trailer, size_t length,
                                const char *reason)
{
    bytes_add(&packed, trailer, length);
    expect_corrupt(&packed, reason);
    bytes_free(&packed);
}

static void bytes_behind_gzip_are_refused(void **state)
{
    bytes_t plain = make_text(1000);

    (void)state;
    expect_refused_with(pack_gzip(&plain), "x", 1, "other bytes follow the gzip");
    expect_refused_with(pack_gzip(&plain), "\0", 1, "other bytes follow the gzip");
    expect_refused_with(pack_gzip(&plain), "\x1f", 1, "gzip stream is cut off");
    expect_refused_with(pack_gzip(&plain), "\x1fxxxxxxxxxxxxx", 14, "gzip stream is broken");
    bytes_free(&plain);
}

static void bytes_behind_xz_are_refused(void **state)
{
    bytes_t plain = make_text(1000);

    (void)state;
    expect_refused_with(pack_xz(&plain, 1), "x", 1, "xz stream is");
    expect_refused_with(pack_xz(&plain, 1), "\0", 1, "xz stream is"); /* padding is four bytes */
    expect_refused_with(pack_xz(&plain, 1), "0123456789abcdef", 16, "followed by other bytes");
    bytes_free(&plain);
}

static void a_dictionary_of_4_gib_is_refused_as_memory(void **state)
{
    /* Stream header; block header with LZMA2 and the dictionary size 40 (4 GiB - 1), its CRC32. */
    static const unsigned char header[] = {
        0xfd, '7', 'z',  'X', 'Z', 0, 0, 0, 0xff, 0x12, 0xd9, 0x41, /* */
        2,    0,   0x21, 1,   40,  0, 0, 0, 0xe6, 0xa0, 0x11, 0xb3,
    };
    bytes_t packed = { 0 };
    result_t result;

    (void)state;
    bytes_add(&packed, header, sizeof(header));
    bytes_zero(&packed, 100);
    result = decode_in_steps(&packed, 0);
    assert_int_equal(result.status, INGEST_DECODE_MEMORY);
    assert_non_null(strstr(result.reason, "80 MB"));
    bytes_free(&packed);
}

static void the_first_failure_of_the_source_is_the_last_word(void **state)
{
    bytes_t plain = make_text(100000);
    bytes_t packed = pack_gzip(&plain);
    bytes_source_t source = {
        .data = packed.data, .length = packed.length / 2, .step = 100, .breaks_off = true
    };
    result_t result = decode_from(bytes_source, &source);

    (void)state;
    assert_int_equal(result.status, INGEST_DECODE_SOURCE);
    assert_true(result.out.length > 0); /* what came before is not withheld */
    bytes_free(&result.out);
    bytes_free(&packed);
    bytes_free(&plain);
}

static void a_source_that_fails_at_once_is_told_from_an_empty_one(void **state)
{
    bytes_source_t source = { .breaks_off = true };

    (void)state;
    assert_int_equal(decode_from(bytes_source, &source).status, INGEST_DECODE_SOURCE);
}

static void only_one_layer_is_decoded(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t inner = pack_gzip(&plain);
    bytes_t outer = pack_xz(&inner, 0);

    (void)state;
    expect_same_at_every_step(&outer, &inner);
    bytes_free(&outer);
    bytes_free(&inner);
    bytes_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_pass_as_they_are),
        cmocka_unit_test(gzip_is_decoded_whatever_the_reads_are),
        cmocka_unit_test(xz_is_decoded_whatever_the_reads_are),
        cmocka_unit_test(output_beyond_the_buffer_is_not_lost),
        cmocka_unit_test(nothing_is_an_empty_plain_stream),
        cmocka_unit_test(the_beginning_of_a_magic_number_is_plain),
        cmocka_unit_test(members_of_gzip_are_joined),
        cmocka_unit_test(streams_of_xz_are_joined),
        cmocka_unit_test(the_greatest_usual_dictionary_fits),
        cmocka_unit_test(what_can_be_decoded_is_handed_out_before_the_next_read),
        cmocka_unit_test(a_finished_gzip_member_does_not_wait_for_another),
        cmocka_unit_test(gzip_cut_off_anywhere_is_corrupt),
        cmocka_unit_test(xz_cut_off_anywhere_is_corrupt),
        cmocka_unit_test(every_flipped_byte_of_the_gzip_trailer_is_corrupt),
        cmocka_unit_test(a_member_whose_size_lies_is_corrupt_although_the_last_is_right),
        cmocka_unit_test(a_flipped_bit_in_xz_is_corrupt),
        cmocka_unit_test(bytes_behind_gzip_are_refused),
        cmocka_unit_test(bytes_behind_xz_are_refused),
        cmocka_unit_test(a_dictionary_of_4_gib_is_refused_as_memory),
        cmocka_unit_test(the_first_failure_of_the_source_is_the_last_word),
        cmocka_unit_test(a_source_that_fails_at_once_is_told_from_an_empty_one),
        cmocka_unit_test(only_one_layer_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
