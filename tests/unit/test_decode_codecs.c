/* SPDX-License-Identifier: Apache-2.0 */
/* What only one of the decoders does: limits of memory, what may stand between frames, and what
 * each makes of bytes behind its stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/decoding.h"

static void expect_refused_with(bytes_t packed, const void *trailer, size_t length,
                                const char *reason)
{
    bytes_add(&packed, trailer, length);
    expect_corrupt(&packed, reason);
    bytes_free(&packed);
}

/* --- gzip ------------------------------------------------------------------------------------- */

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

static void a_gzip_checksum_is_looked_at(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_gzip(&plain);
    size_t i;

    (void)state;
    for (i = packed.length - 8; i < packed.length - 4; i++) {
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

/* --- xz --------------------------------------------------------------------------------------- */

static void padding_between_streams_of_xz_is_skipped(void **state)
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

static void bytes_behind_xz_are_refused(void **state)
{
    bytes_t plain = make_text(1000);

    (void)state;
    expect_refused_with(pack_xz(&plain, 1), "x", 1, "xz stream is");
    expect_refused_with(pack_xz(&plain, 1), "\0", 1, "xz stream is"); /* padding is four bytes */
    expect_refused_with(pack_xz(&plain, 1), "0123456789abcdef", 16, "followed by other bytes");
    bytes_free(&plain);
}

static void the_greatest_usual_dictionary_of_xz_fits(void **state)
{
    bytes_t plain = make_text(1000);
    bytes_t packed = pack_xz(&plain, 9);

    (void)state;
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&packed);
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

/* --- zstd ------------------------------------------------------------------------------------- */

static bytes_t frame_with_window(unsigned char window)
{
    bytes_t plain = { 0 };
    bytes_t packed;

    bytes_text(&plain, "x");
    packed = pack_zstd_window(&plain, window);
    bytes_free(&plain);
    return packed;
}

/* Exponent 16 is a window of 64 MiB; a mantissa of 1 adds an eighth. */
static void a_zstd_window_at_the_limit_fits(void **state)
{
    bytes_t packed = frame_with_window(16 << 3);
    bytes_t plain = { 0 };

    (void)state;
    bytes_text(&plain, "x");
    expect_same_at_every_step(&packed, &plain);
    bytes_free(&plain);
    bytes_free(&packed);
}

static void a_zstd_window_beyond_the_limit_is_refused_as_memory(void **state)
{
    static const unsigned char windows[] = { (16 << 3) + 1, 17 << 3, 0xff };
    static const size_t steps[] = { 0, 1 };
    size_t i;

    (void)state;
    for (i = 0; i < 6; i++) {
        bytes_t packed = frame_with_window(windows[i / 2]);
        result_t result = decode_in_steps(&packed, steps[i % 2]);
        assert_int_equal(result.status, INGEST_DECODE_MEMORY);
        assert_non_null(strstr(result.reason, "64 MB"));
        bytes_free(&packed);
    }
}

static void a_later_zstd_frame_has_the_same_limit(void **state)
{
    bytes_t packed = frame_with_window(16 << 3);
    bytes_t second = frame_with_window(17 << 3);
    result_t result;

    (void)state;
    bytes_add(&packed, second.data, second.length);
    result = decode_in_steps(&packed, 0);
    assert_int_equal(result.status, INGEST_DECODE_MEMORY);
    bytes_free(&result.out);
    bytes_free(&second);
    bytes_free(&packed);
}

/* A skippable frame of four bytes: what it holds no program would show. */
#define SKIPPABLE "\x50\x2a\x4d\x18\x04\0\0\0hide"

static void bytes_behind_zstd_are_refused(void **state)
{
    bytes_t plain = make_text(1000);

    (void)state;
    expect_refused_with(pack_zstd(&plain), "x", 1, "other bytes follow the zstd");
    expect_refused_with(pack_zstd(&plain), SKIPPABLE, 12, "other bytes follow the zstd");
    expect_refused_with(pack_zstd(&plain), "\x28", 1, "zstd stream is cut off");
    expect_refused_with(pack_zstd(&plain), "\x28xxxxxxx", 8, "zstd stream is broken");
    bytes_free(&plain);
}

/* --- lz4 -------------------------------------------------------------------------------------- */

static void bytes_behind_lz4_are_refused(void **state)
{
    bytes_t plain = make_text(1000);

    (void)state;
    expect_refused_with(pack_lz4(&plain), "x", 1, "other bytes follow the lz4");
    expect_refused_with(pack_lz4(&plain), SKIPPABLE, 12, "other bytes follow the lz4");
    expect_refused_with(pack_lz4(&plain), "\x04", 1, "lz4 stream is cut off");
    expect_refused_with(pack_lz4(&plain), "\x04xxxxxxxxxxxxxxx", 16, "lz4 stream is broken");
    bytes_free(&plain);
}

static void a_skippable_frame_in_front_is_no_packed_stream(void **state)
{
    bytes_t stream = { 0 };

    (void)state;
    bytes_add(&stream, SKIPPABLE, 12);
    expect_same_at_every_step(&stream, &stream);
    bytes_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_behind_gzip_are_refused),
        cmocka_unit_test(a_gzip_checksum_is_looked_at),
        cmocka_unit_test(a_member_whose_size_lies_is_corrupt_although_the_last_is_right),
        cmocka_unit_test(padding_between_streams_of_xz_is_skipped),
        cmocka_unit_test(bytes_behind_xz_are_refused),
        cmocka_unit_test(the_greatest_usual_dictionary_of_xz_fits),
        cmocka_unit_test(a_dictionary_of_4_gib_is_refused_as_memory),
        cmocka_unit_test(a_zstd_window_at_the_limit_fits),
        cmocka_unit_test(a_zstd_window_beyond_the_limit_is_refused_as_memory),
        cmocka_unit_test(a_later_zstd_frame_has_the_same_limit),
        cmocka_unit_test(bytes_behind_zstd_are_refused),
        cmocka_unit_test(bytes_behind_lz4_are_refused),
        cmocka_unit_test(a_skippable_frame_in_front_is_no_packed_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
