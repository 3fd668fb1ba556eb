/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an upload when the file system is full or faulty. The calls of the C library that
 * meet it are replaced here by ones that obey the test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

#define MIB (INT64_C(1024) * 1024)

/* The replaced calls have no other way to know what the test wants. */
static int64_t free_bytes; /* less what was written */
static int64_t written_bytes;
static int statvfs_calls;
static int statvfs_error;
static int write_error; /* of the first write beyond write_error_at */
static int64_t write_error_at;
static size_t write_most;    /* bytes that one write takes; 0: all */
static int write_interrupts; /* so many writes are interrupted */
static int truncate_error;

int fstatvfs(int fd, struct statvfs *fs)
{
    (void)fd;
    statvfs_calls++;
    if (statvfs_error != 0) {
        errno = statvfs_error;
        return -1;
    }
    memset(fs, 0, sizeof(*fs));
    fs->f_frsize = 1;
    fs->f_bavail = (fsblkcnt_t)(free_bytes - written_bytes);
    return 0;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    ssize_t n;

    if (write_interrupts > 0) {
        write_interrupts--;
        errno = EINTR;
        return -1;
    }
    if (write_error != 0 && written_bytes + (int64_t)length > write_error_at) {
        errno = write_error;
        return -1;
    }
    if (write_most > 0 && length > write_most) {
        length = write_most;
    }
    n = syscall(SYS_pwrite64, fd, data, length, offset);
    written_bytes += n;
    return n;
}

int ftruncate(int fd, off_t size)
{
    if (truncate_error != 0 && size > 0) {
        errno = truncate_error;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

static int set_up(void **state)
{
    upload_t *upload = upload_new();

    free_bytes = 1024 * MIB;
    written_bytes = 0;
    statvfs_calls = 0;
    statvfs_error = 0;
    write_error = 0;
    write_error_at = 0;
    write_most = 0;
    write_interrupts = 0;
    truncate_error = 0;
    upload->limits.required = RETRACE_REQUIRED_CORE;
    *state = upload;
    return 0;
}

static int tear_down(void **state)
{
    upload_free(*state);
    return 0;
}

static void read_core(upload_t *upload, size_t length, int byte)
{
    bytes_t core = { 0 };

    bytes_zero(&core, length);
    memset(core.data, byte, length);
    tar_file(&upload->tar, "coredump", core.data, core.length);
    tar_end(&upload->tar);
    bytes_free(&core);
    upload_tar(upload);
}

static void enough_space_is_enough(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 1000 * MIB;
    free_bytes = 1020 * MIB;
    read_core(upload, 20 * MIB, 'x');
    upload_expect(upload, 201, "");
}

static void too_little_space_before_the_start_reads_nothing(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 1000 * MIB;
    free_bytes = 1000 * MIB - 1;
    tar_text(&upload->tar, "foreign", "x");
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, 507, "less than 1000 MB of storage would stay free");
}

static void space_is_looked_at_every_16_mib(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 1000 * MIB;
    free_bytes = 1010 * MIB;
    read_core(upload, 60 * MIB, 'x');
    upload_expect(upload, 507, "less than 1000 MB of storage would stay free");
    assert_in_range(written_bytes, 16 * MIB, 17 * MIB);
}

static void space_is_looked_at_once_more_at_the_end(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 1000 * MIB;
    free_bytes = 1000 * MIB;
    read_core(upload, 4096, 'x');
    upload_expect(upload, 507, "less than 1000 MB of storage would stay free");
    assert_int_equal(statvfs_calls, 2);
}

static void zeros_take_no_space(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 1000 * MIB;
    free_bytes = 1000 * MIB;
    read_core(upload, 60 * MIB, 0);
    upload_expect(upload, 201, "");
    assert_int_equal(written_bytes, 0);
}

static void a_file_system_that_does_not_answer_is_our_fault(void **state)
{
    upload_t *upload = *state;

    statvfs_error = EIO;
    read_core(upload, 1, 'x');
    upload_expect(upload, 500, "free space cannot be told");
}

static void a_full_file_system_is_told_as_such(void **state)
{
    upload_t *upload = *state;

    upload->limits.min_free_bytes = 512 * MIB;
    write_error = ENOSPC;
    write_error_at = MIB;
    read_core(upload, 2 * MIB, 'x');
    upload_expect(upload, 507, "the storage is full (512 MB");
}

static void an_exhausted_quota_is_told_as_full(void **state)
{
    upload_t *upload = *state;

    write_error = EDQUOT;
    read_core(upload, 1, 'x');
    upload_expect(upload, 507, "the storage is full");
}

static void a_faulty_file_system_is_our_fault(void **state)
{
    upload_t *upload = *state;

    write_error = EIO;
    read_core(upload, 1, 'x');
    upload_expect(upload, 500, "the file coredump cannot be written");
}

static void a_size_that_cannot_be_set_is_our_fault(void **state)
{
    upload_t *upload = *state;

    truncate_error = EFBIG;
    read_core(upload, 1, 0);
    upload_expect(upload, 500, "the file coredump cannot be written");
}

static void short_and_interrupted_writes_are_continued(void **state)
{
    upload_t *upload = *state;
    char text[10000];

    memset(text, 'y', sizeof(text));
    write_most = 777;
    write_interrupts = 3;
    tar_text(&upload->tar, "coredump", "c");
    tar_file(&upload->tar, "package", text, sizeof(text));
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, 201, "");
    upload_expect_file(upload, INGEST_PACKAGE, text, sizeof(text));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enough_space_is_enough),
        TEST(too_little_space_before_the_start_reads_nothing),
        TEST(space_is_looked_at_every_16_mib),
        TEST(space_is_looked_at_once_more_at_the_end),
        TEST(zeros_take_no_space),
        TEST(a_file_system_that_does_not_answer_is_our_fault),
        TEST(a_full_file_system_is_told_as_such),
        TEST(an_exhausted_quota_is_told_as_full),
        TEST(a_faulty_file_system_is_our_fault),
        TEST(a_size_that_cannot_be_set_is_our_fault),
        TEST(short_and_interrupted_writes_are_continued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
