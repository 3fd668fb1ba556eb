/* SPDX-License-Identifier: Apache-2.0 */
/* How large the files of an archive may be, which must be there, and which offence decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

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

static void expect_entry(upload_t *upload, int status, const char *part)
{
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, status, part);
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* A file whose header says this size; of its content there is only so much. */
static void add_zeros(upload_t *upload, const char *name, int64_t size, size_t present)
{
    tar_header(&upload->tar, '0', name, "", size);
    bytes_zero(&upload->tar, present);
    tar_pad(&upload->tar);
}

static void a_small_file_at_its_limit_is_accepted(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    add_zeros(upload, "release", 100 * 1024, 100 * 1024);
    expect_entry(upload, 201, "");
    assert_int_equal(upload_size(upload, INGEST_RELEASE), 100 * 1024);
}

static void a_small_file_beyond_its_limit_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    add_zeros(upload, "release", 100 * 1024 + 1, 0);
    upload_tar(upload);
    upload_expect(upload, 413, "the file release is larger than 100 KB");
}

static void the_list_of_packages_has_a_limit_of_its_own(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    add_zeros(upload, "packages", INGEST_MAX_PACKAGES_BYTES, INGEST_MAX_PACKAGES_BYTES);
    expect_entry(upload, 201, "");
}

static void the_list_of_packages_beyond_its_limit_is_refused(void **state)
{
    upload_t *upload = *state;

    add_zeros(upload, "packages", INGEST_MAX_PACKAGES_BYTES + 1, 0);
    upload_tar(upload);
    upload_expect(upload, 413, "the file packages is larger than 1 MB");
}

static void all_files_together_may_reach_the_limit(void **state)
{
    upload_t *upload = *state;

    upload->limits.max_unpacked_bytes = 10000;
    upload->limits.required = RETRACE_REQUIRED_CORE;
    add_zeros(upload, "coredump", 9999, 9999);
    add_zeros(upload, "release", 1, 1);
    expect_entry(upload, 201, "");
}

static void all_files_together_beyond_the_limit_are_refused_before_they_are_written(void **state)
{
    upload_t *upload = *state;

    upload->limits.max_unpacked_bytes = 10000;
    add_zeros(upload, "release", 2, 2);
    add_zeros(upload, "coredump", 9999, 9999);
    expect_entry(upload, 413, "the unpacked files are larger than 10000 bytes");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 0);
}

static void the_sentence_names_the_limit_in_mb(void **state)
{
    upload_t *upload = *state;

    add_zeros(upload, "coredump", 64 * 1024 * 1024 + 1, 0);
    upload_tar(upload);
    upload_expect(upload, 413, "larger than 64 MB");
}

static void a_core_of_the_greatest_size_there_is_is_refused(void **state)
{
    upload_t *upload = *state;

    add_zeros(upload, "coredump", INT64_MAX, 0);
    upload_tar(upload);
    assert_true(upload->verdict.status == 413 || upload->verdict.status == 403);
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 0);
}

static void the_greatest_sizes_do_not_wrap_around(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    upload->limits.max_unpacked_bytes = INT64_MAX;
    tar_text(&upload->tar, "package", "pp");
    pax_record(&records, "size", "9223372036854775806");
    tar_pax(&upload->tar, 'x', &records);
    add_zeros(upload, "coredump", 0, 0);
    expect_entry(upload, 413, "the unpacked files are larger than");
}

static void a_negative_size_is_refused(void **state)
{
    upload_t *upload = *state;

    add_zeros(upload, "coredump", -1, 0);
    expect_entry(upload, 403, "");
}

static void a_pax_size_beyond_the_limit_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "size", "1000000");
    tar_pax(&upload->tar, 'x', &records);
    add_zeros(upload, "executable", 0, 0);
    expect_entry(upload, 413, "the file executable is larger than 100 KB");
}

/* --- the ratio of small files ----------------------------------------------------------------- */

/* A file of this many zeros, packed by gzip about 1000 times. */
static void read_zeros(upload_t *upload, const char *name, int64_t size)
{
    bytes_t header = { 0 };
    bomb_t *bomb;

    upload->limits.max_unpacked_bytes = INT64_C(1024) * 1024 * 1024;
    upload->limits.max_small_bytes = INT64_C(1024) * 1024 * 1024;
    upload->limits.required = RETRACE_REQUIRED_CORE;
    tar_text(&header, "package", "x");
    tar_header(&header, '0', name, "", size);
    bomb = bomb_new(&header, size + 2 * TAR_BLOCK, false);
    ingest_archive_read(&upload->verdict, bomb_source, bomb, upload->files, &upload->limits);
    bomb_free(bomb);
    bytes_free(&header);
}

static void a_core_may_be_nothing_but_zeros(void **state)
{
    upload_t *upload = *state;

    read_zeros(upload, "coredump", INT64_C(128) * 1024 * 1024);
    upload_expect(upload, 201, "");
    assert_int_equal(upload_space(upload, INGEST_COREDUMP), 0);
}

static void a_small_file_of_zeros_up_to_64_mb_is_not_measured(void **state)
{
    upload_t *upload = *state;

    read_zeros(upload, "release", INGEST_RATIO_MIN_UNPACKED - 1); /* and one byte of package */
    upload_expect(upload, 403, "the file coredump is missing");
}

static void a_small_file_of_more_zeros_is_refused(void **state)
{
    upload_t *upload = *state;

    read_zeros(upload, "release", INGEST_RATIO_MIN_UNPACKED);
    upload_expect(upload, 413, "more than 200 bytes per byte of the upload");
    read_zeros(upload, "release", 2 * INGEST_RATIO_MIN_UNPACKED);
    upload_expect(upload, 413, "more than 200 bytes per byte of the upload");
}

/* --- what is missing, and the order ----------------------------------------------------------- */

static void a_missing_file_is_named(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "coredump", "x");
    tar_text(&upload->tar, "executable", "x");
    expect_entry(upload, 403, "the file package is missing");
}

static void an_archive_of_nothing_lacks_the_core(void **state)
{
    expect_entry(*state, 403, "the file coredump is missing");
}

static void the_first_offence_in_the_stream_decides(void **state)
{
    upload_t *upload = *state;

    add_zeros(upload, "executable", 200 * 1024, 200 * 1024);
    tar_text(&upload->tar, "foreign", "x");
    expect_entry(upload, 413, "executable");
}

static void a_foreign_name_before_a_long_file_decides(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "foreign", "x");
    add_zeros(upload, "executable", 200 * 1024, 200 * 1024);
    expect_entry(upload, 403, "foreign");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_file_at_its_limit_is_accepted),
        TEST(a_small_file_beyond_its_limit_is_refused),
        TEST(the_list_of_packages_has_a_limit_of_its_own),
        TEST(the_list_of_packages_beyond_its_limit_is_refused),
        TEST(all_files_together_may_reach_the_limit),
        TEST(all_files_together_beyond_the_limit_are_refused_before_they_are_written),
        TEST(the_sentence_names_the_limit_in_mb),
        TEST(a_core_of_the_greatest_size_there_is_is_refused),
        TEST(the_greatest_sizes_do_not_wrap_around),
        TEST(a_negative_size_is_refused),
        TEST(a_pax_size_beyond_the_limit_is_refused),
        TEST(a_core_may_be_nothing_but_zeros),
        TEST(a_small_file_of_zeros_up_to_64_mb_is_not_measured),
        TEST(a_small_file_of_more_zeros_is_refused),
        TEST(a_missing_file_is_named),
        TEST(an_archive_of_nothing_lacks_the_core),
        TEST(the_first_offence_in_the_stream_decides),
        TEST(a_foreign_name_before_a_long_file_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
