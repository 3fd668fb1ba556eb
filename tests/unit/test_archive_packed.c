/* SPDX-License-Identifier: Apache-2.0 */
/* A core that comes packed within an archive: decoded while it is read, and counted as what it
 * becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

#define CORE_SIZE 300000

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

static bytes_t make_core(size_t size)
{
    bytes_t core = { 0 };

    while (core.length < size) {
        bytes_text(&core, "not an ELF file, but that is the worker's to find out; ");
    }
    core.length = size;
    return core;
}

static void add_packed(upload_t *upload, const packing_t *packing, const bytes_t *core)
{
    bytes_t packed = packing->pack(core);
    char name[32];

    snprintf(name, sizeof(name), "coredump%s", packing->suffix);
    tar_file(&upload->tar, name, packed.data, packed.length);
    bytes_free(&packed);
}

static void expect_verdict(upload_t *upload, int status, const char *part)
{
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, status, part);
    bytes_free(&upload->tar);
}

static void a_packed_core_is_unpacked_however_it_arrives(void **state)
{
    static const size_t steps[] = { 0, 1, 511, 512, 513 };
    upload_t *upload = *state;
    bytes_t core = make_core(CORE_SIZE);
    size_t i;

    for (i = 0; i < PACKINGS * 5; i++) {
        upload->step = steps[i / PACKINGS];
        add_packed(upload, &packings[i % PACKINGS], &core);
        expect_verdict(upload, 201, "");
        upload_expect_file(upload, INGEST_COREDUMP, core.data, core.length);
        assert_int_equal(upload->verdict.members, 1 << INGEST_COREDUMP);
    }
    bytes_free(&core);
}

static void entries_before_and_behind_it_are_read(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);

    upload->limits.required = RETRACE_REQUIRED_S1;
    tar_text(&upload->tar, "executable", "/usr/bin/x");
    add_packed(upload, &packings[2], &core);
    tar_text(&upload->tar, "package", "x-1-1");
    expect_verdict(upload, 201, "");
    upload_expect_file(upload, INGEST_PACKAGE, "x-1-1", 5);
    bytes_free(&core);
}

static void any_packing_will_do_whatever_the_name_says(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    packing_t lying = { .suffix = ".xz", .pack = pack_lz4 };

    add_packed(upload, &lying, &core);
    expect_verdict(upload, 201, "");
    upload_expect_file(upload, INGEST_COREDUMP, core.data, core.length);
    bytes_free(&core);
}

static void zeros_of_a_packed_core_take_no_space(void **state)
{
    upload_t *upload = *state;
    bytes_t core = { 0 };

    bytes_zero(&core, 8 * 1024 * 1024);
    add_packed(upload, &packings[1], &core);
    expect_verdict(upload, 201, "");
    assert_int_equal(upload_size(upload, INGEST_COREDUMP), core.length);
    assert_true(upload_space(upload, INGEST_COREDUMP) <= 4096);
    bytes_free(&core);
}

static void its_unpacked_size_counts(void **state)
{
    upload_t *upload = *state;
    size_t i;

    upload->limits.max_unpacked_bytes = CORE_SIZE + 3;
    for (i = 0; i < PACKINGS; i++) {
        bytes_t exact = make_core(CORE_SIZE);
        bytes_t more = make_core(CORE_SIZE + 1);
        tar_text(&upload->tar, "release", "f36");
        add_packed(upload, &packings[i], &exact);
        expect_verdict(upload, 201, "");
        tar_text(&upload->tar, "release", "f36");
        add_packed(upload, &packings[i], &more);
        expect_verdict(upload, 413, "unpacked files are larger");
        assert_true(upload_size(upload, INGEST_COREDUMP) <= CORE_SIZE);
        add_packed(upload, &packings[i], &exact); /* and for what comes behind it */
        tar_text(&upload->tar, "release", "f36+");
        expect_verdict(upload, 413, "unpacked files are larger");
        bytes_free(&more);
        bytes_free(&exact);
    }
}

static void a_second_core_is_refused_in_whatever_form(void **state)
{
    static const char *const names[] = { "coredump", "./coredump.xz", "coredump.gz" };
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        add_packed(upload, &packings[1], &core);
        tar_text(&upload->tar, names[i], "x");
        expect_verdict(upload, 403, "the file coredump comes twice");
    }
    tar_text(&upload->tar, "coredump", "x");
    add_packed(upload, &packings[0], &core);
    expect_verdict(upload, 403, "the file coredump comes twice");
    bytes_free(&core);
}

static void what_is_not_packed_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "coredump.xz", "\177ELF as it is");
    expect_verdict(upload, 403, "the file coredump.xz is not packed");
    tar_text(&upload->tar, "./coredump.lz4", "");
    expect_verdict(upload, 403, "the file ./coredump.lz4 is not packed");
}

static void broken_streams_are_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    size_t i;

    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&core);
        tar_file(&upload->tar, "coredump.gz", packed.data, packed.length - 1);
        expect_verdict(upload, 403, "the file coredump.gz cannot be decoded: the ");
        bytes_text(&packed, "x");
        tar_file(&upload->tar, "coredump.gz", packed.data, packed.length);
        expect_verdict(upload, 403, "the file coredump.gz cannot be decoded: ");
        bytes_free(&packed);
    }
    bytes_free(&core);
}

static void a_greater_window_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    bytes_t packed = pack_zstd_window(&core, 17 << 3);

    tar_file(&upload->tar, "coredump.zst", packed.data, packed.length);
    expect_verdict(upload, 403, "window of more than 64 MB");
    bytes_free(&packed);
    bytes_free(&core);
}

/* What it unpacks to is the core, even if that is packed again. */
static void it_is_unpacked_once(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    bytes_t once = pack_gzip(&core);

    add_packed(upload, &packings[1], &once);
    expect_verdict(upload, 201, "");
    upload_expect_file(upload, INGEST_COREDUMP, once.data, once.length);
    bytes_free(&once);
    bytes_free(&core);
}

/* A sparse member: this content by this map in a file of this size. */
static void add_mapped(upload_t *upload, const bytes_t *packed, const char *map, size_t size)
{
    bytes_t records = { 0 };
    char text[64];

    snprintf(text, sizeof(text), "%zu", size);
    pax_record(&records, "GNU.sparse.size", text);
    pax_record(&records, "GNU.sparse.name", "coredump.gz");
    pax_record(&records, "GNU.sparse.map", map);
    tar_pax(&upload->tar, 'x', &records);
    tar_file(&upload->tar, "GNUSparseFile.0/coredump.gz", packed->data, packed->length);
}

static void add_sparse(upload_t *upload, const bytes_t *packed, size_t offset, size_t size)
{
    char map[64];

    snprintf(map, sizeof(map), "%zu,%zu", offset, packed->length);
    add_mapped(upload, packed, map, size);
}

/* It would be another stream to a program that writes pieces where they belong. */
static void a_packed_file_in_another_order_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    bytes_t packed = pack_gzip(&core);
    char map[64];

    snprintf(map, sizeof(map), "8,%zu,0,8", packed.length - 8);
    add_mapped(upload, &packed, map, packed.length);
    expect_verdict(upload, 403, "coredump.gz is packed, but has holes");
    bytes_free(&packed);
    bytes_free(&core);
}

static void a_packed_file_with_holes_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(1000);
    bytes_t packed = pack_gzip(&core);

    add_sparse(upload, &packed, 0, packed.length);
    expect_verdict(upload, 201, "");
    add_sparse(upload, &packed, 512, packed.length + 512);
    expect_verdict(upload, 403, "coredump.gz is packed, but has holes");
    add_sparse(upload, &packed, 0, packed.length + 512);
    expect_verdict(upload, 403, "coredump.gz is packed, but has holes");
    bytes_free(&packed);
    bytes_free(&core);
}

static void an_archive_cut_off_within_it_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t core = make_core(CORE_SIZE);

    add_packed(upload, &packings[3], &core);
    upload->tar.length = 1024;
    upload_tar(upload);
    upload_expect(upload, 403, "not a sound tar archive");
    upload->breaks_off = true;
    upload_tar(upload);
    upload_expect(upload, 400, "broke off");
    bytes_free(&core);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packed_core_is_unpacked_however_it_arrives),
        TEST(entries_before_and_behind_it_are_read),
        TEST(any_packing_will_do_whatever_the_name_says),
        TEST(zeros_of_a_packed_core_take_no_space),
        TEST(its_unpacked_size_counts),
        TEST(a_second_core_is_refused_in_whatever_form),
        TEST(what_is_not_packed_is_refused),
        TEST(broken_streams_are_refused),
        TEST(a_greater_window_is_refused),
        TEST(it_is_unpacked_once),
        TEST(a_packed_file_in_another_order_is_refused),
        TEST(a_packed_file_with_holes_is_refused),
        TEST(an_archive_cut_off_within_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
