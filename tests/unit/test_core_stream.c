/* SPDX-License-Identifier: Apache-2.0 */
/* Bare cores: one stream, plain or packed, that must be an ELF file of the type ET_CORE; and an
 * archive or a core that comes as the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

#define CORE      4 /* e_type */
#define DYNAMIC   3
#define CORE_SIZE 100000

static const size_t steps[] = { 0, 1, 17, 18, 511, 512, 513 };

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static int set_up(void **state)
{
    upload_t *upload = upload_new();

    upload->read = ingest_core_read;
    *state = upload;
    return 0;
}

static int tear_down(void **state)
{
    upload_free(*state);
    return 0;
}

/* upload->tar is what is sent, which is no tar here. */
static void add_core(upload_t *upload, size_t size)
{
    upload_add_elf(&upload->tar, CORE);
    while (upload->tar.length < size) {
        bytes_text(&upload->tar, "0123456789");
    }
    upload->tar.length = size;
}

/* Plain and packed, however it arrives. */
static void expect_all_forms(upload_t *upload, int status, const char *part)
{
    size_t i;
    size_t k;

    for (i = 0; i < STEPS; i++) {
        upload->step = steps[i];
        upload_tar(upload);
        upload_expect(upload, status, part);
        for (k = 0; k < PACKINGS; k++) {
            bytes_t packed = packings[k].pack(&upload->tar);
            upload_read(upload, &packed);
            upload_expect(upload, status, part);
            if (status == 201) {
                upload_expect_file(upload, INGEST_COREDUMP, upload->tar.data, upload->tar.length);
            }
            bytes_free(&packed);
        }
    }
}

static void a_core_becomes_the_member_coredump(void **state)
{
    upload_t *upload = *state;

    add_core(upload, 2000);
    expect_all_forms(upload, 201, "");
    assert_int_equal(upload->verdict.members, 1 << INGEST_COREDUMP);
}

static void a_core_may_be_shorter_than_what_is_looked_at(void **state)
{
    upload_t *upload = *state;

    add_core(upload, 64);
    expect_all_forms(upload, 201, "");
    bytes_zero(&upload->tar, 511 - 64);
    expect_all_forms(upload, 201, "");
}

static void no_other_file_is_required(void **state)
{
    upload_t *upload = *state;

    upload->limits.required = RETRACE_REQUIRED_S2;
    add_core(upload, 1000);
    upload_tar(upload);
    upload_expect(upload, 201, "");
}

static void zeros_of_a_core_take_no_space(void **state)
{
    upload_t *upload = *state;

    upload_add_elf(&upload->tar, CORE);
    bytes_zero(&upload->tar, 8 * 1024 * 1024 - upload->tar.length);
    upload_tar(upload);
    upload_expect(upload, 201, "");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 8 * 1024 * 1024);
    assert_true(upload_space(upload, INGEST_COREDUMP) <= 8192);
}

static void a_core_at_the_limit_is_accepted_and_one_byte_more_is_not(void **state)
{
    upload_t *upload = *state;

    upload->limits.max_unpacked_bytes = CORE_SIZE;
    add_core(upload, CORE_SIZE);
    expect_all_forms(upload, 201, "");
    bytes_text(&upload->tar, "x");
    expect_all_forms(upload, 413, "larger than");
    assert_true(upload_size(upload, INGEST_COREDUMP) <= CORE_SIZE);
}

static void what_is_no_core_is_refused(void **state)
{
    upload_t *upload = *state;

    expect_all_forms(upload, 403, "ET_CORE"); /* nothing */
    bytes_text(&upload->tar, "text");
    expect_all_forms(upload, 403, "ET_CORE");
    bytes_zero(&upload->tar, 5000);
    expect_all_forms(upload, 403, "ET_CORE");
}

static void a_library_is_no_core(void **state)
{
    upload_t *upload = *state;

    upload_add_elf(&upload->tar, DYNAMIC);
    bytes_zero(&upload->tar, 5000);
    expect_all_forms(upload, 403, "ET_CORE");
}

static void an_archive_is_refused_and_told_what_to_do(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    expect_all_forms(upload, 403, "send it as application/x-tar");
}

static void a_core_that_comes_as_an_archive_is_told_what_to_do(void **state)
{
    upload_t *upload = *state;

    upload->read = ingest_archive_read;
    add_core(upload, 64);
    expect_all_forms(upload, 403, "send it as application/x-coredump");
    add_core(upload, 5000);
    expect_all_forms(upload, 403, "send it as application/x-coredump");
}

static void a_core_packed_twice_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t once;

    add_core(upload, 1000);
    once = pack_zstd(&upload->tar);
    bytes_free(&upload->tar);
    upload->tar = once;
    upload_tar(upload);
    upload_expect(upload, 201, "");
    once = pack_gzip(&upload->tar);
    upload_read(upload, &once);
    upload_expect(upload, 403, "ET_CORE");
    bytes_free(&once);
}

static void a_broken_stream_is_refused_for_what_it_is(void **state)
{
    upload_t *upload = *state;
    size_t k;

    add_core(upload, 2000);
    for (k = 0; k < PACKINGS; k++) {
        bytes_t packed = packings[k].pack(&upload->tar);
        packed.length -= 5;
        upload_read(upload, &packed);
        upload_expect(upload, 403, "stream is cut off");
        packed.length += 5;
        bytes_text(&packed, "junk");
        upload_read(upload, &packed);
        upload_expect(upload, 403, packings[k].name);
        bytes_free(&packed);
    }
}

static void an_upload_that_breaks_off_is_told_from_a_cut_core(void **state)
{
    upload_t *upload = *state;

    add_core(upload, 2000);
    upload->breaks_off = true;
    upload_tar(upload);
    upload_expect(upload, 400, "broke off");
}

static void too_little_space_is_refused_before_anything_is_read(void **state)
{
    upload_t *upload = *state;

    add_core(upload, 2000);
    upload->breaks_off = true;
    upload->limits.min_free_bytes = INT64_MAX;
    upload_tar(upload);
    upload_expect(upload, 507, "would stay free");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_core_becomes_the_member_coredump),
        TEST(a_core_may_be_shorter_than_what_is_looked_at),
        TEST(no_other_file_is_required),
        TEST(zeros_of_a_core_take_no_space),
        TEST(a_core_at_the_limit_is_accepted_and_one_byte_more_is_not),
        TEST(what_is_no_core_is_refused),
        TEST(a_library_is_no_core),
        TEST(an_archive_is_refused_and_told_what_to_do),
        TEST(a_core_that_comes_as_an_archive_is_told_what_to_do),
        TEST(a_core_packed_twice_is_refused),
        TEST(a_broken_stream_is_refused_for_what_it_is),
        TEST(an_upload_that_breaks_off_is_told_from_a_cut_core),
        TEST(too_little_space_is_refused_before_anything_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
