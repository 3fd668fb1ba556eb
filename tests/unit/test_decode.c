/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded decoders, what they have in common: what they accept, what they refuse, and that they
 * never ask for more input than they need. What only one of them does is in test_decode_codecs.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/decoding.h"

/* The reason as this packing gives it: "zstd stream is cut off". */
static const char *reason_of(char text[64], const packing_t *packing, const char *what)
{
    snprintf(text, 64, "%s %s", packing->name, what);
    return text;
}

/* --- what is accepted ------------------------------------------------------------------------- */

static void plain_bytes_pass_as_they_are(void **state)
{
    bytes_t plain = make_text(300000);
    result_t result = decode_in_steps(&plain, 0);

    (void)state;
    assert_false(result.is_packed);
    expect_same_at_every_step(&plain, &plain);
    bytes_free(&result.out);
    bytes_free(&plain);
}

static void packed_bytes_are_decoded_whatever_the_reads_are(void **state)
{
    bytes_t plain = make_text(300000);
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        result_t result = decode_in_steps(&packed, 0);
        assert_true(result.is_packed);
        expect_same_at_every_step(&packed, &plain);
        bytes_free(&result.out);
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

static void output_beyond_the_buffer_is_not_lost(void **state)
{
    bytes_t plain = { 0 };
    size_t i;

    (void)state;
    bytes_zero(&plain, 5000000); /* packs into less than one read */
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        expect_same_at_every_step(&packed, &plain);
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

static void nothing_is_an_empty_plain_stream(void **state)
{
    bytes_t nothing = { 0 };
    result_t result = decode_in_steps(&nothing, 0);

    (void)state;
    assert_int_equal(result.status, INGEST_DECODE_END);
    assert_false(result.is_packed);
}

static void nothing_can_be_packed(void **state)
{
    bytes_t nothing = { 0 };
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&nothing);
        result_t result = decode_in_steps(&packed, 1);
        assert_int_equal(result.status, INGEST_DECODE_END);
        assert_true(result.is_packed);
        bytes_free(&packed);
    }
}

static void the_beginning_of_a_magic_number_is_plain(void **state)
{
    static const char *const texts[] = {
        "\x1f",
        "\xfd",
        "\375"
        "7zXY",
        "\x1f\x8c",
        "\375"
        "7zXZ",
        "\x28",
        "\x28\xb5\x2f",
        "\x28\xb5\x2f\xfe",
        "\x04\x22\x4d",
        "\x04\x22\x4d\x19",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bytes_t plain = { 0 };
        bytes_text(&plain, texts[i]);
        expect_same_at_every_step(&plain, &plain);
        bytes_free(&plain);
    }
}

static void frames_behind_each_other_are_joined(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t twice = { 0 };
    size_t i;

    (void)state;
    bytes_add(&twice, plain.data, plain.length);
    bytes_add(&twice, plain.data, plain.length);
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        bytes_t both = { 0 };
        bytes_add(&both, packed.data, packed.length);
        bytes_add(&both, packed.data, packed.length);
        expect_same_at_every_step(&both, &twice);
        bytes_free(&both);
        bytes_free(&packed);
    }
    bytes_free(&twice);
    bytes_free(&plain);
}

static void only_one_layer_is_decoded(void **state)
{
    bytes_t plain = make_text(1000);
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t inner = packings[i].pack(&plain);
        bytes_t outer = packings[(i + 1) % PACKINGS].pack(&inner);
        expect_same_at_every_step(&outer, &inner);
        bytes_free(&outer);
        bytes_free(&inner);
    }
    bytes_free(&plain);
}

static void a_packing_is_told_by_its_first_bytes(void **state)
{
    bytes_t plain = make_text(100);
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        assert_string_equal(ingest_decode_codec(packed.data, packed.length), packings[i].name);
        assert_null(ingest_decode_codec(packed.data, 1));
        bytes_free(&packed);
    }
    assert_null(ingest_decode_codec(plain.data, plain.length));
    assert_null(ingest_decode_codec("", 0));
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

static void a_finished_frame_does_not_wait_for_another(void **state)
{
    bytes_t plain = make_text(500);
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        expect_no_read_ahead(&packed, 500);
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void a_stream_cut_off_anywhere_is_corrupt(void **state)
{
    bytes_t plain = make_text(5000);
    char reason[64];
    size_t i;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        size_t whole = packed.length;
        reason_of(reason, &packings[i], "stream is cut off");
        for (packed.length = 6; packed.length < whole; packed.length += 1 + packed.length / 50) {
            expect_corrupt(&packed, reason);
        }
        packed.length = whole - 1;
        expect_corrupt(&packed, reason);
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

static void a_flipped_bit_is_corrupt(void **state)
{
    bytes_t plain = make_text(1000);
    size_t i;
    size_t at;

    (void)state;
    for (i = 1; i < PACKINGS; i++) { /* gzip's header has fields that mean nothing */
        bytes_t packed = packings[i].pack(&plain);
        for (at = 6; at < packed.length; at += 13) {
            result_t result;
            packed.data[at] ^= 4;
            result = decode_in_steps(&packed, 0);
            assert_int_not_equal(result.status, INGEST_DECODE_END);
            bytes_free(&result.out);
            packed.data[at] ^= 4;
        }
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

static void every_flipped_byte_at_the_end_is_corrupt(void **state)
{
    bytes_t plain = make_text(1000);
    char reason[64];
    size_t i;
    size_t at;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&plain);
        reason_of(reason, &packings[i], "stream is broken");
        for (at = packed.length - 4; at < packed.length; at++) { /* a checksum in each of them */
            packed.data[at] ^= 1;
            expect_corrupt(&packed, reason);
            packed.data[at] ^= 1;
        }
        bytes_free(&packed);
    }
    bytes_free(&plain);
}

static void other_bytes_behind_a_stream_are_refused(void **state)
{
    static const char trailers[][16] = { "x", "\0", "0123456789abcdef" };
    static const size_t lengths[] = { 1, 1, 16 };
    bytes_t plain = make_text(1000);
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < PACKINGS; i++) {
        for (k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            bytes_t packed = packings[i].pack(&plain);
            bytes_add(&packed, trailers[k], lengths[k]);
            expect_corrupt(&packed, packings[i].name);
            bytes_free(&packed);
        }
    }
    bytes_free(&plain);
}

/* --- the source ------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_pass_as_they_are),
        cmocka_unit_test(packed_bytes_are_decoded_whatever_the_reads_are),
        cmocka_unit_test(output_beyond_the_buffer_is_not_lost),
        cmocka_unit_test(nothing_is_an_empty_plain_stream),
        cmocka_unit_test(nothing_can_be_packed),
        cmocka_unit_test(the_beginning_of_a_magic_number_is_plain),
        cmocka_unit_test(frames_behind_each_other_are_joined),
        cmocka_unit_test(only_one_layer_is_decoded),
        cmocka_unit_test(a_packing_is_told_by_its_first_bytes),
        cmocka_unit_test(what_can_be_decoded_is_handed_out_before_the_next_read),
        cmocka_unit_test(a_finished_frame_does_not_wait_for_another),
        cmocka_unit_test(a_stream_cut_off_anywhere_is_corrupt),
        cmocka_unit_test(a_flipped_bit_is_corrupt),
        cmocka_unit_test(every_flipped_byte_at_the_end_is_corrupt),
        cmocka_unit_test(other_bytes_behind_a_stream_are_refused),
        cmocka_unit_test(the_first_failure_of_the_source_is_the_last_word),
        cmocka_unit_test(a_source_that_fails_at_once_is_told_from_an_empty_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
