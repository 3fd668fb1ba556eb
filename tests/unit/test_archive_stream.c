/* SPDX-License-Identifier: Apache-2.0 */
/* The stream around the entries: broken, cut off, followed by other bytes, or made to burst. What
 * hostile headers cost is measured: none may need memory by its own word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

#define MIB (INT64_C(1024) * 1024)

static int set_up(void **state)
{
    *state = upload_new();
    return 0;
}

static int tear_down(void **state)
{
    upload_free(*state);
    return 0;
}

static void expect_packed(upload_t *upload, bytes_t packed, int status, const char *part)
{
    upload_read(upload, &packed);
    upload_expect(upload, status, part);
    bytes_free(&packed);
}

static void expect_all_forms(upload_t *upload, int status, const char *part)
{
    static const size_t steps[] = { 0, 1, 100, 511, 512, 513 };
    size_t i;
    size_t k;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        upload->step = steps[i];
        upload_tar(upload);
        upload_expect(upload, status, part);
        for (k = 0; k < PACKINGS; k++) {
            expect_packed(upload, packings[k].pack(&upload->tar), status, part);
        }
    }
}

static long peak_kb(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Checks that one reading takes little memory, whatever the tests before it took. */
static void expect_cheap(long before_kb)
{
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_kb() - before_kb < 8 * 1024);
#else
    (void)before_kb;
#endif
}

/* --- the end of the archive ------------------------------------------------------------------- */

static void the_usual_upload_is_accepted_in_every_form_and_pace(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    expect_all_forms(upload, 201, "");
}

static void zeros_after_the_end_are_padding(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    bytes_zero(&upload->tar, 300001);
    expect_all_forms(upload, 201, "");
}

static void one_block_of_zeros_is_an_end(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    bytes_zero(&upload->tar, TAR_BLOCK);
    expect_all_forms(upload, 201, "");
}

static void an_archive_without_its_end_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    expect_all_forms(upload, 403, "cut off before its end mark");
}

static void a_header_for_nothing_before_the_end_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    tar_usual(&upload->tar);
    pax_record(&records, "mtime", "1");
    tar_pax(&upload->tar, 'x', &records);
    upload_tar(upload);
    upload_expect(upload, 403, "");
}

static void junk_behind_the_end_is_refused_wherever_it_lies(void **state)
{
    static const size_t gaps[] = { 0, 1, 511, 512, 1024, 70000, 200000 };
    size_t i;

    for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        upload_t *upload = *state;
        bytes_free(&upload->tar);
        tar_usual(&upload->tar);
        tar_end(&upload->tar);
        bytes_zero(&upload->tar, gaps[i]);
        bytes_add(&upload->tar, "x", 1);
        expect_all_forms(upload, 403, "other bytes follow the end of the archive");
    }
}

static void junk_behind_a_single_block_of_zeros_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    bytes_zero(&upload->tar, TAR_BLOCK);
    bytes_zero(&upload->tar, TAR_BLOCK - 1);
    bytes_add(&upload->tar, "x", 1);
    expect_all_forms(upload, 403, "other bytes follow the end of the archive");
}

static void a_second_archive_behind_the_end_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    tar_text(&upload->tar, "release", "x");
    tar_end(&upload->tar);
    expect_all_forms(upload, 403, "other bytes follow the end of the archive");
}

static void a_second_archive_in_a_second_gzip_member_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t packed;
    bytes_t both = { 0 };

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    packed = pack_gzip(&upload->tar);
    bytes_add(&both, packed.data, packed.length);
    bytes_add(&both, packed.data, packed.length);
    bytes_free(&packed);
    expect_packed(upload, both, 403, "other bytes follow the end of the archive");
}

static void an_archive_in_two_gzip_members_is_accepted(void **state)
{
    upload_t *upload = *state;
    bytes_t first;
    bytes_t second = { 0 };
    bytes_t rest;

    tar_usual(&upload->tar);
    first = pack_gzip(&upload->tar);
    tar_end(&second);
    rest = pack_gzip(&second);
    bytes_add(&first, rest.data, rest.length);
    bytes_free(&second);
    bytes_free(&rest);
    expect_packed(upload, first, 201, "");
}

static void junk_behind_the_packed_stream_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t packed;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    packed = pack_gzip(&upload->tar);
    bytes_add(&packed, "junk", 4);
    expect_packed(upload, packed, 403, "other bytes follow the gzip stream");
    packed = pack_xz(&upload->tar, 2);
    bytes_add(&packed, "junk", 4);
    expect_packed(upload, packed, 403, "xz stream is");
}

/* --- cut off ---------------------------------------------------------------------------------- */

static void expect_refused_at_every_length(upload_t *upload, bytes_t packed, size_t enough)
{
    for (packed.length = 0; packed.length < enough; packed.length++) {
        upload_read(upload, &packed);
        assert_int_equal(upload->verdict.status, 403);
    }
    bytes_free(&packed);
}

static void an_archive_cut_off_anywhere_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t copy = { 0 };

    tar_usual(&upload->tar);
    bytes_add(&copy, upload->tar.data, upload->tar.length);
    bytes_zero(&copy, TAR_BLOCK);
    expect_refused_at_every_length(upload, copy, copy.length);
}

static void a_packed_archive_cut_off_anywhere_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t packed;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    packed = pack_gzip(&upload->tar);
    expect_refused_at_every_length(upload, packed, packed.length);
    packed = pack_xz(&upload->tar, 2);
    expect_refused_at_every_length(upload, packed, packed.length);
}

static void an_upload_that_breaks_off_is_told_from_one_that_is_cut(void **state)
{
    upload_t *upload = *state;
    size_t whole;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    upload->breaks_off = true;
    whole = upload->tar.length;
    for (upload->tar.length = 0; upload->tar.length <= whole; upload->tar.length += 97) {
        upload_tar(upload);
        upload_expect(upload, 400, "the upload broke off");
    }
}

static void an_offence_before_the_break_decides(void **state)
{
    upload_t *upload = *state;

    upload->breaks_off = true;
    tar_text(&upload->tar, "foreign", "x");
    upload_tar(upload);
    upload_expect(upload, 403, "does not belong here");
}

/* --- not what it should be -------------------------------------------------------------------- */

static void an_empty_upload_is_refused(void **state)
{
    upload_tar(*state);
    upload_expect(*state, 403, "not a sound tar archive");
}

static void other_formats_are_refused(void **state)
{
    static const char *const texts[] = { "PK\3\4 zip",   "070701 cpio",
                                         "!<arch>\n",    "7z\xbc\xaf\x27\x1c",
                                         "Rar!\x1a\x07", "\x27\xb5\x2f\xfd zst",
                                         "BZh9",         "#mtree\n" };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        upload_t *upload = *state;
        bytes_free(&upload->tar);
        bytes_text(&upload->tar, texts[i]);
        bytes_zero(&upload->tar, 2000);
        upload_tar(upload);
        upload_expect(upload, 403, "not a sound tar archive");
    }
}

static void an_archive_packed_twice_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t once;
    bytes_t twice;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    once = pack_gzip(&upload->tar);
    twice = pack_gzip(&once);
    expect_packed(upload, twice, 403, "not a sound tar archive");
    twice = pack_xz(&once, 2);
    expect_packed(upload, twice, 403, "not a sound tar archive");
    bytes_free(&once);
}

static void a_wrong_checksum_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    upload->tar.data[2 * TAR_BLOCK + 150] ^= 1;
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, 403, "not a sound tar archive");
}

static void a_dictionary_of_4_gib_is_refused(void **state)
{
    static const unsigned char header[] = {
        0xfd, '7', 'z',  'X', 'Z', 0, 0, 0, 0xff, 0x12, 0xd9, 0x41, /* */
        2,    0,   0x21, 1,   40,  0, 0, 0, 0xe6, 0xa0, 0x11, 0xb3,
    };
    upload_t *upload = *state;
    long before_kb = peak_kb();

    bytes_add(&upload->tar, header, sizeof(header));
    bytes_zero(&upload->tar, 1000);
    upload_tar(upload);
    upload_expect(upload, 403, "needs more than 80 MB of memory");
    expect_cheap(before_kb);
}

/* --- bombs ------------------------------------------------------------------------------------ */

static void read_bomb(upload_t *upload, int64_t zeros, bool xz)
{
    bomb_t *bomb = bomb_new(&upload->tar, zeros, xz);

    ingest_archive_read(&upload->verdict, bomb_source, bomb, upload->files, &upload->limits);
    bomb_free(bomb);
}

static void a_bomb_of_10_gib_is_refused_by_its_declared_size(void **state)
{
    upload_t *upload = *state;

    tar_header(&upload->tar, '0', "coredump", "", 10240 * MIB);
    read_bomb(upload, 10240 * MIB, true);
    upload_expect(upload, 413, "larger than 64 MB");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 0);
}

static void a_bomb_in_the_padding_is_refused_by_what_was_decoded(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    upload->limits.max_unpacked_bytes = MIB;
    read_bomb(upload, 10240 * MIB, false);
    upload_expect(upload, 413, "the unpacked archive is larger than 65 MB");
}

static void a_pax_header_of_200_mib_is_refused_cheaply(void **state)
{
    upload_t *upload = *state;
    long before_kb;

    tar_header(&upload->tar, 'x', "PaxHeaders/x", "", 200 * MIB);
    bytes_text(&upload->tar, "209715200 comment=");
    before_kb = peak_kb();
    read_bomb(upload, 200 * MIB, false);
    upload_expect(upload, 403, "not a sound tar archive");
    expect_cheap(before_kb);
}

static void a_long_name_of_200_mib_is_refused_cheaply(void **state)
{
    upload_t *upload = *state;
    long before_kb;

    tar_header(&upload->tar, 'L', "././@LongLink", "", 200 * MIB);
    before_kb = peak_kb();
    read_bomb(upload, 200 * MIB, false);
    upload_expect(upload, 403, "not a sound tar archive");
    expect_cheap(before_kb);
}

static void endless_headers_for_one_file_are_refused(void **state)
{
    upload_t *upload = *state;
    int i;

    for (i = 0; i < 1000; i++) {
        bytes_t records = { 0 };
        pax_record(&records, "mtime", "1");
        tar_pax(&upload->tar, i % 2 == 0 ? 'x' : 'g', &records);
    }
    upload_tar(upload);
    upload_expect(upload, 403, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dictionary_of_4_gib_is_refused),
        TEST(a_pax_header_of_200_mib_is_refused_cheaply),
        TEST(a_long_name_of_200_mib_is_refused_cheaply),
        TEST(the_usual_upload_is_accepted_in_every_form_and_pace),
        TEST(zeros_after_the_end_are_padding),
        TEST(one_block_of_zeros_is_an_end),
        TEST(an_archive_without_its_end_is_refused),
        TEST(a_header_for_nothing_before_the_end_is_refused),
        TEST(junk_behind_the_end_is_refused_wherever_it_lies),
        TEST(junk_behind_a_single_block_of_zeros_is_refused),
        TEST(a_second_archive_behind_the_end_is_refused),
        TEST(a_second_archive_in_a_second_gzip_member_is_refused),
        TEST(an_archive_in_two_gzip_members_is_accepted),
        TEST(junk_behind_the_packed_stream_is_refused),
        TEST(an_archive_cut_off_anywhere_is_refused),
        TEST(a_packed_archive_cut_off_anywhere_is_refused),
        TEST(an_upload_that_breaks_off_is_told_from_one_that_is_cut),
        TEST(an_offence_before_the_break_decides),
        TEST(an_empty_upload_is_refused),
        TEST(other_formats_are_refused),
        TEST(an_archive_packed_twice_is_refused),
        TEST(a_wrong_checksum_is_refused),
        TEST(a_bomb_of_10_gib_is_refused_by_its_declared_size),
        TEST(a_bomb_in_the_padding_is_refused_by_what_was_decoded),
        TEST(endless_headers_for_one_file_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
