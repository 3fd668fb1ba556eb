/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse members in the four forms of GNU tar (manual, D.1): a few bytes may stand for a file of
 * any size, and their maps may say anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

#define MIB (INT64_C(1024) * 1024)

static int set_up(void **state)
{
    upload_t *upload = upload_new();

    upload->limits.required = RETRACE_REQUIRED_CORE;
    *state = upload;
    return 0;
}

static int tear_down(void **state)
{
    upload_free(*state);
    return 0;
}

static void expect_verdict(upload_t *upload, int status, const char *part)
{
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, status, part);
}

/* "ab" at the offset in a file of this size. */
static void expect_ab(upload_t *upload, int64_t offset, int64_t size)
{
    char text[2];

    assert_int_equal(upload_size(upload, INGEST_COREDUMP), size);
    assert_int_equal(pread(upload->files[INGEST_COREDUMP], text, 2, offset), 2);
    assert_memory_equal(text, "ab", 2);
    assert_in_range(upload_space(upload, INGEST_COREDUMP), 1, 8192);
}

/* The form 0.1: the map is a list in a pax record. */
static void add_map_01(upload_t *upload, const char *size, const char *map, const char *content)
{
    bytes_t records = { 0 };

    pax_record(&records, "GNU.sparse.size", size);
    pax_record(&records, "GNU.sparse.numblocks", "1");
    pax_record(&records, "GNU.sparse.name", "coredump");
    pax_record(&records, "GNU.sparse.map", map);
    tar_pax(&upload->tar, 'x', &records);
    tar_text(&upload->tar, "GNUSparseFile.0/coredump", content);
}

/* The form 1.0: the map is text before the content, in blocks of its own. */
static void add_map_10(upload_t *upload, const char *size, const bytes_t *map, const char *content)
{
    bytes_t records = { 0 };
    bytes_t data = { 0 };

    pax_record(&records, "GNU.sparse.major", "1");
    pax_record(&records, "GNU.sparse.minor", "0");
    pax_record(&records, "GNU.sparse.name", "coredump");
    pax_record(&records, "GNU.sparse.realsize", size);
    tar_pax(&upload->tar, 'x', &records);
    bytes_add(&data, map->data, map->length);
    tar_pad(&data);
    bytes_text(&data, content);
    tar_file(&upload->tar, "GNUSparseFile.0/coredump", data.data, data.length);
    bytes_free(&data);
}

static void add_text_map_10(upload_t *upload, const char *size, const char *text,
                            const char *content)
{
    bytes_t map = { 0 };

    bytes_text(&map, text);
    add_map_10(upload, size, &map, content);
    bytes_free(&map);
}

/* The old form: one piece in a header of type 'S'. */
static void add_old_map(upload_t *upload, int64_t size, int64_t offset, int64_t length,
                        const char *content)
{
    unsigned char *header;
    char text[13];

    tar_header(&upload->tar, 'S', "coredump", "", (int64_t)strlen(content));
    header = upload->tar.data + upload->tar.length - TAR_BLOCK;
    (void)snprintf(text, sizeof(text), "%011llo", (unsigned long long)offset);
    memcpy(header + 386, text, 12);
    (void)snprintf(text, sizeof(text), "%011llo", (unsigned long long)length);
    memcpy(header + 398, text, 12);
    (void)snprintf(text, sizeof(text), "%011llo", (unsigned long long)size);
    memcpy(header + 483, text, 12);
    tar_checksum(header);
    bytes_text(&upload->tar, content);
    tar_pad(&upload->tar);
}

/* --- what is accepted ------------------------------------------------------------------------- */

static void the_old_form_becomes_a_file_with_holes(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 10 * MIB, 5 * MIB, 2, "ab");
    expect_verdict(upload, 201, "");
    expect_ab(upload, 5 * MIB, 10 * MIB);
}

static void the_form_0_1_becomes_a_file_with_holes(void **state)
{
    upload_t *upload = *state;

    add_map_01(upload, "10485760", "5242880,2", "ab");
    expect_verdict(upload, 201, "");
    expect_ab(upload, 5 * MIB, 10 * MIB);
}

static void the_form_1_0_becomes_a_file_with_holes(void **state)
{
    upload_t *upload = *state;

    add_text_map_10(upload, "10485760", "1\n5242880\n2\n", "ab");
    expect_verdict(upload, 201, "");
    expect_ab(upload, 5 * MIB, 10 * MIB);
}

static void a_file_that_is_one_hole_keeps_its_size(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 10 * MIB, 10 * MIB, 0, "");
    expect_verdict(upload, 201, "");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 10 * MIB);
    assert_int_equal(upload_space(upload, INGEST_COREDUMP), 0);
}

static void what_follows_a_sparse_file_is_read_as_usual(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 10 * MIB, 5 * MIB, 2, "ab");
    tar_text(&upload->tar, "release", "Fedora");
    expect_verdict(upload, 201, "");
    upload_expect_file(upload, INGEST_RELEASE, "Fedora", 6);
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void a_hole_counts_with_its_full_size(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 64 * MIB + 1, 0, 2, "ab");
    expect_verdict(upload, 413, "the unpacked files are larger than 64 MB");
}

static void holes_may_reach_the_limit(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 64 * MIB, 0, 2, "ab");
    expect_verdict(upload, 201, "");
}

static void fifteen_tib_of_hole_are_refused(void **state)
{
    upload_t *upload = *state;

    add_map_01(upload, "16492674416640", "0,2", "ab");
    expect_verdict(upload, 413, "the unpacked files are larger than 64 MB");
    bytes_free(&upload->tar);
    add_text_map_10(upload, "16492674416640", "1\n0\n2\n", "ab");
    expect_verdict(upload, 413, "the unpacked files are larger than 64 MB");
}

static void a_small_file_may_not_hide_in_a_hole(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "GNU.sparse.size", "1000000");
    pax_record(&records, "GNU.sparse.name", "executable");
    pax_record(&records, "GNU.sparse.map", "0,1");
    tar_pax(&upload->tar, 'x', &records);
    tar_text(&upload->tar, "coredump", "x");
    expect_verdict(upload, 413, "the file executable is larger than 100 KB");
}

/* --- broken maps ------------------------------------------------------------------------------ */

static void a_piece_beyond_the_end_is_refused(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 100, 99, 2, "ab");
    expect_verdict(upload, 403, "the sparse map of the file coredump is broken");
    assert_true(upload_size(upload, INGEST_COREDUMP) <= 100);
}

static void a_piece_at_the_end_is_accepted(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 100, 98, 2, "ab");
    expect_verdict(upload, 201, "");
}

static void pieces_out_of_order_are_refused(void **state)
{
    upload_t *upload = *state;

    add_map_01(upload, "10000", "5000,1,100,1", "ab");
    expect_verdict(upload, 403, "");
}

static void pieces_that_overlap_are_refused(void **state)
{
    upload_t *upload = *state;

    add_map_01(upload, "10000", "100,2,101,2", "abcd");
    expect_verdict(upload, 403, "");
}

static void broken_maps_of_the_form_0_1_are_refused(void **state)
{
    static const char *const maps[] = {
        "x",
        "1",
        "1,x",
        "-1,2",
        "1,-2",
        "9223372036854775807,2",
        "2,9223372036854775807",
        "99999999999999999999,2",
        "9223372036854775807,9223372036854775807",
        "0,2,5000,3",

    };
    size_t i;

    for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        upload_t *upload = *state;
        bytes_free(&upload->tar);
        add_map_01(upload, "10000", maps[i], "ab");
        tar_end(&upload->tar);
        upload_tar(upload);
        assert_int_equal(upload->verdict.status, 403);
        assert_true(upload_size(upload, INGEST_COREDUMP) <= 10000);
    }
}

static void broken_maps_of_the_form_1_0_are_refused(void **state)
{
    static const char *const maps[] = {
        "x\n",
        "",
        "1\n",
        "-1\n0\n2\n",
        "99999999999999999999\n0\n2\n",
        "1\n9223372036854775807\n2\n",
        "1\n0\n9223372036854775807\n",
        "1000000\n0\n1\n",
        "1\n-5\n2\n",
        "1\n0\n-2\n",
        "2\n0\n2\n5000\n1\n",
    };
    size_t i;

    for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        upload_t *upload = *state;
        bytes_free(&upload->tar);
        add_text_map_10(upload, "10000", maps[i], "ab");
        tar_end(&upload->tar);
        upload_tar(upload);
        assert_int_equal(upload->verdict.status, 403);
        assert_true(upload_size(upload, INGEST_COREDUMP) <= 10000);
    }
}

static void a_map_of_100_000_pieces_costs_little(void **state)
{
    upload_t *upload = *state;
    struct rusage before;
    struct rusage after;
    bytes_t map = { 0 };
    char line[32];
    int i;

    bytes_text(&map, "100000\n");
    for (i = 0; i < 100000; i++) {
        (void)snprintf(line, sizeof(line), "%d\n0\n", i * 16);
        bytes_text(&map, line);
    }
    add_map_10(upload, "10485760", &map, "");
    bytes_free(&map);
    tar_end(&upload->tar);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    upload_tar(upload);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(upload->verdict.status == 201 || upload->verdict.status == 403);
#ifndef __SANITIZE_ADDRESS__
    assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
#endif
    assert_true(after.ru_utime.tv_sec - before.ru_utime.tv_sec < 5);
}

static void a_map_that_wants_more_than_there_is_is_refused(void **state)
{
    upload_t *upload = *state;

    add_old_map(upload, 10000, 0, 5000, "ab");
    expect_verdict(upload, 403, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_old_form_becomes_a_file_with_holes),
        TEST(the_form_0_1_becomes_a_file_with_holes),
        TEST(the_form_1_0_becomes_a_file_with_holes),
        TEST(a_file_that_is_one_hole_keeps_its_size),
        TEST(what_follows_a_sparse_file_is_read_as_usual),
        TEST(a_hole_counts_with_its_full_size),
        TEST(holes_may_reach_the_limit),
        TEST(fifteen_tib_of_hole_are_refused),
        TEST(a_small_file_may_not_hide_in_a_hole),
        TEST(a_piece_beyond_the_end_is_refused),
        TEST(a_piece_at_the_end_is_accepted),
        TEST(pieces_out_of_order_are_refused),
        TEST(pieces_that_overlap_are_refused),
        TEST(broken_maps_of_the_form_0_1_are_refused),
        TEST(broken_maps_of_the_form_1_0_are_refused),
        TEST(a_map_of_100_000_pieces_costs_little),
        TEST(a_map_that_wants_more_than_there_is_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
