/* SPDX-License-Identifier: Apache-2.0 */
/* See decoding.h. */
#include "tests/unit/decoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

result_t decode_from(ingest_source_fn fn, void *baton)
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
    result.is_packed = ingest_decoder_is_packed(decoder);
    result.bytes_in = ingest_decoder_bytes_in(decoder);
    strncpy(result.reason, ingest_decoder_reason(decoder), sizeof(result.reason) - 1);
    ingest_decoder_free(decoder);
    return result;
}

result_t decode_in_steps(const bytes_t *packed, size_t step)
{
    bytes_source_t source = { .data = packed->data, .length = packed->length, .step = step };

    return decode_from(bytes_source, &source);
}

bytes_t make_text(size_t length)
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

void expect_corrupt(const bytes_t *packed, const char *reason)
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

void expect_same_at_every_step(const bytes_t *packed, const bytes_t *plain)
{
    static const size_t steps[] = { 0, 1, 2, 3, 5, 6, 7, 511, 65536 };
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        result_t result = decode_in_steps(packed, steps[i]);
        assert_int_equal(result.bytes_in, packed->length);
        expect_content(&result, plain);
    }
}
