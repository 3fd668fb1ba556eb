/* SPDX-License-Identifier: Apache-2.0 */
/* Whole uploads under the filter of the reader: nothing that the libraries do late (tables for
 * names in other scripts, maps, large allocations) may need a call that kills. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/locked_child.h"
#include "tests/unit/upload.h"

typedef struct piped_upload_t {
    upload_t *upload;
    int pipe;
    int status; /* expected */
} piped_upload_t;

static ssize_t pipe_source(void *baton, void *buffer, size_t size)
{
    struct pollfd ready = { .fd = *(int *)baton, .events = POLLIN };
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (poll(&ready, 1, 10000) != 1) {
        return -1;
    }
    return read(ready.fd, buffer, size);
}

static void read_upload(void *baton)
{
    piped_upload_t *piped = baton;
    upload_t *upload = piped->upload;

    upload->read(&upload->verdict, pipe_source, &piped->pipe, upload->files, &upload->limits);
    _exit(upload->verdict.status == piped->status ? 0 : 1);
}

/* A child writes the bytes, another reads them under the filter. */
static void expect_upload(upload_t *upload, const bytes_t *packed, int status)
{
    piped_upload_t piped = { .upload = upload, .status = status };
    int ends[2];
    pid_t writer;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        size_t at = 0;
        ssize_t n = 1;
        close(ends[0]);
        for (; at < packed->length && n > 0; at += (size_t)n) {
            n = write(ends[1], packed->data + at, packed->length - at);
        }
        _exit(0);
    }
    close(ends[1]);
    piped.pipe = ends[0];
    locked_expect_done(true, read_upload, &piped);
    close(ends[0]);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
}

/* Headers that make the library convert names, allocate, and follow maps. */
static void add_demanding_entries(bytes_t *tar)
{
    bytes_t records = { 0 };

    pax_record(&records, "uname", "J\xc3\xbcrgen");
    pax_record(&records, "gname", "\xd0\xb3\xd1\x80");
    pax_record(&records, "mtime", "1719500000.5");
    pax_record(&records, "SCHILY.xattr.user.x", "y");
    tar_pax(tar, 'x', &records);
    tar_text(tar, "executable", "/usr/bin/x");
    tar_header(tar, 'L', "././@LongLink", "", 8);
    bytes_add(tar, "package", 8);
    tar_pad(tar);
    tar_text(tar, "replaced", "x-1-1.x86_64");
    pax_record(&records, "GNU.sparse.size", "1000000");
    pax_record(&records, "GNU.sparse.name", "coredump");
    pax_record(&records, "GNU.sparse.map", "500000,2");
    tar_pax(tar, 'x', &records);
    tar_text(tar, "replaced", "ab");
}

static void add_large_file(bytes_t *tar)
{
    bytes_t core = { 0 };
    uint32_t seed = 1;
    size_t i;

    bytes_zero(&core, 6 * 1024 * 1024);
    for (i = 0; i < core.length; i += 64) {
        seed = seed * 1664525 + 1013904223;
        memcpy(core.data + i, &seed, sizeof(seed));
    }
    tar_file(tar, "release", core.data, core.length);
    bytes_free(&core);
}

static void whole_uploads_of_every_form_pass(void **state)
{
    upload_t *upload;
    bytes_t packed;
    size_t i;

    (void)state;
    locked_skip_sanitized();
    upload = upload_new();
    upload->limits.max_small_bytes = 8 * 1024 * 1024;
    add_demanding_entries(&upload->tar);
    add_large_file(&upload->tar);
    tar_end(&upload->tar);
    expect_upload(upload, &upload->tar, 201);
    for (i = 0; i < PACKINGS; i++) {
        packed = packings[i].pack(&upload->tar);
        expect_upload(upload, &packed, 201);
        bytes_free(&packed);
    }
    upload_free(upload);
}

static void the_greatest_dictionary_and_window_fit_into_the_memory(void **state)
{
    upload_t *upload;
    bytes_t packed;

    (void)state;
    locked_skip_sanitized();
    upload = upload_new();
    tar_usual(&upload->tar);
    tar_end(&upload->tar);
    packed = pack_xz(&upload->tar, 9);
    expect_upload(upload, &packed, 201);
    bytes_free(&packed);
    packed = pack_zstd_window(&upload->tar, 16 << 3);
    expect_upload(upload, &packed, 201);
    bytes_free(&packed);
    upload_free(upload);
}

/* Decoders within decoders: the memory of both must fit. */
static void packed_members_pass_in_every_combination(void **state)
{
    size_t i;

    (void)state;
    locked_skip_sanitized();
    for (i = 0; i < PACKINGS * PACKINGS; i++) {
        upload_t *upload = upload_new();
        char name[32];
        bytes_t core = { 0 };
        bytes_t packed;

        upload->limits.required = RETRACE_REQUIRED_CORE;
        bytes_zero(&core, 1024 * 1024);
        packed = packings[i % PACKINGS].pack(&core);
        snprintf(name, sizeof(name), "coredump%s", packings[i % PACKINGS].suffix);
        tar_file(&upload->tar, name, packed.data, packed.length);
        tar_end(&upload->tar);
        bytes_free(&packed);
        packed = packings[i / PACKINGS].pack(&upload->tar);
        expect_upload(upload, &packed, 201);
        bytes_free(&packed);
        bytes_free(&core);
        upload_free(upload);
    }
}

static void the_greatest_dictionaries_fit_within_each_other(void **state)
{
    upload_t *upload;
    bytes_t core = { 0 };
    bytes_t packed;

    (void)state;
    locked_skip_sanitized();
    upload = upload_new();
    upload->limits.required = RETRACE_REQUIRED_CORE;
    bytes_zero(&core, 1000);
    packed = pack_xz(&core, 9);
    tar_file(&upload->tar, "coredump.xz", packed.data, packed.length);
    tar_end(&upload->tar);
    bytes_free(&packed);
    packed = pack_xz(&upload->tar, 9);
    expect_upload(upload, &packed, 201);
    bytes_free(&packed);
    bytes_free(&core);
    upload_free(upload);
}

static void bare_cores_pass_in_every_packing(void **state)
{
    upload_t *upload;
    size_t i;

    (void)state;
    locked_skip_sanitized();
    upload = upload_new();
    upload->read = ingest_core_read;
    upload_add_elf(&upload->tar, 4);
    bytes_zero(&upload->tar, 1024 * 1024);
    expect_upload(upload, &upload->tar, 201);
    for (i = 0; i < PACKINGS; i++) {
        bytes_t packed = packings[i].pack(&upload->tar);
        expect_upload(upload, &packed, 201);
        bytes_free(&packed);
    }
    upload_free(upload);
}

static void refusals_pass_as_well(void **state)
{
    static const char *const names[] = { "\xc3\xa9", "\xff\xfe", "..", "/etc/passwd" };
    size_t i;

    (void)state;
    locked_skip_sanitized();
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        upload_t *upload = upload_new();
        bytes_t records = { 0 };
        pax_record(&records, "path", names[i]);
        pax_record(&records, "hdrcharset", i % 2 == 0 ? "BINARY" : "KOI8-R");
        tar_pax(&upload->tar, 'x', &records);
        tar_text(&upload->tar, "coredump", "x");
        tar_end(&upload->tar);
        expect_upload(upload, &upload->tar, 403);
        upload_free(upload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_uploads_of_every_form_pass),
        cmocka_unit_test(the_greatest_dictionary_and_window_fit_into_the_memory),
        cmocka_unit_test(packed_members_pass_in_every_combination),
        cmocka_unit_test(the_greatest_dictionaries_fit_within_each_other),
        cmocka_unit_test(bare_cores_pass_in_every_packing),
        cmocka_unit_test(refusals_pass_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
