/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of files with holes: content is never changed, zeros take no space, and the rest goes
 * out in few writes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/ingest/sparse_file.h"

#define BLOCK INGEST_ZERO_BLOCK

/* The writes are counted in place of the C library's. */
static int writes;

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    writes++;
    return syscall(SYS_pwrite64, fd, data, length, offset);
}

typedef struct file_t {
    int fd;
    int64_t written;
    unsigned char expected[64 * BLOCK];
} file_t;

static int set_up(void **state)
{
    file_t *file = calloc(1, sizeof(*file));

    assert_non_null(file);
    file->fd = memfd_create("sparse", MFD_CLOEXEC);
    assert_true(file->fd >= 0);
    writes = 0;
    *state = file;
    return 0;
}

static int tear_down(void **state)
{
    file_t *file = *state;

    close(file->fd);
    free(file);
    return 0;
}

static void write_pieces(file_t *file, size_t size, size_t piece)
{
    size_t at;

    for (at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        assert_int_equal(
            ingest_sparse_write(file->fd, file->expected + at, length, (int64_t)at, &file->written),
            0);
    }
    assert_int_equal(ingest_sparse_finish(file->fd, (int64_t)size), 0);
}

static void expect_content(const file_t *file, size_t size)
{
    unsigned char *content = malloc(size + 1);

    assert_non_null(content);
    assert_int_equal(pread(file->fd, content, size + 1, 0), size);
    assert_memory_equal(content, file->expected, size);
    free(content);
}

static void data_goes_out_in_one_write(void **state)
{
    file_t *file = *state;

    memset(file->expected, 'x', sizeof(file->expected));
    write_pieces(file, sizeof(file->expected), sizeof(file->expected));
    expect_content(file, sizeof(file->expected));
    assert_int_equal(writes, 1);
    assert_int_equal(file->written, sizeof(file->expected));
}

static void zeros_are_never_written(void **state)
{
    file_t *file = *state;

    write_pieces(file, sizeof(file->expected) - 1, 1000);
    expect_content(file, sizeof(file->expected) - 1);
    assert_int_equal(writes, 0);
}

static void each_run_of_data_is_one_write(void **state)
{
    file_t *file = *state;

    memset(file->expected + 2 * BLOCK, 'x', 3 * BLOCK);
    memset(file->expected + 9 * BLOCK, 'y', BLOCK);
    write_pieces(file, 20 * BLOCK, 20 * BLOCK);
    expect_content(file, 20 * BLOCK);
    assert_int_equal(writes, 2);
    assert_int_equal(file->written, 4 * BLOCK);
}

static void one_byte_keeps_its_block(void **state)
{
    file_t *file = *state;

    file->expected[5 * BLOCK - 1] = 1;
    write_pieces(file, 10 * BLOCK, 10 * BLOCK);
    expect_content(file, 10 * BLOCK);
    assert_int_equal(file->written, BLOCK);
}

static void blocks_are_those_of_the_file_whatever_the_pieces(void **state)
{
    static const size_t pieces[] = { 1, 511, 512, 4095, 4097, 8192, 100000 };
    size_t i;

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        file_t *file = *state;
        struct stat st;
        assert_int_equal(ftruncate(file->fd, 0), 0);
        memset(file->expected, 0, sizeof(file->expected));
        memset(file->expected + 3 * BLOCK, 'x', 2 * BLOCK);
        file->expected[30 * BLOCK + 17] = 'z';
        write_pieces(file, 64 * BLOCK, pieces[i]);
        expect_content(file, 64 * BLOCK);
        assert_int_equal(fstat(file->fd, &st), 0);
        assert_int_equal(st.st_blocks * 512, 3 * BLOCK);
    }
}

static void a_random_pattern_survives_every_cut(void **state)
{
    file_t *file = *state;
    unsigned int seed = 7;
    size_t i;

    for (i = 0; i < sizeof(file->expected); i += 1 + seed % 3000) {
        seed = seed * 1664525 + 1013904223;
        file->expected[i] = (unsigned char)(seed >> 24);
    }
    for (i = 1; i < 20000; i += 997) {
        assert_int_equal(ftruncate(file->fd, 0), 0);
        write_pieces(file, sizeof(file->expected), i);
        expect_content(file, sizeof(file->expected));
    }
}

static void nothing_to_write_is_fine(void **state)
{
    file_t *file = *state;

    write_pieces(file, 0, 1);
    assert_int_equal(ingest_sparse_write(file->fd, "", 0, 5, &file->written), 0);
    assert_int_equal(writes, 0);
}

static void a_descriptor_that_cannot_be_written_is_told(void **state)
{
    file_t *file = *state;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(ingest_sparse_write(fd, "x", 1, 0, &file->written), EBADF);
    assert_int_equal(ingest_sparse_finish(fd, 1), EINVAL);
    assert_int_equal(file->written, 0);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_goes_out_in_one_write),
        TEST(zeros_are_never_written),
        TEST(each_run_of_data_is_one_write),
        TEST(one_byte_keeps_its_block),
        TEST(blocks_are_those_of_the_file_whatever_the_pieces),
        TEST(a_random_pattern_survives_every_cut),
        TEST(nothing_to_write_is_fine),
        TEST(a_descriptor_that_cannot_be_written_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
