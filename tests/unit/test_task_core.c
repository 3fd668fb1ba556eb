/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/core.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/core.h"
#include "helpers/task/exit.h"
#include "tests/unit/workspace.h"

/* The first bytes of a little-endian core; NULs behind them. */
#define HEAD "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\4\0"

static void write_core(const workspace_t *ws, const char *name, const char *head, size_t length,
                       off_t bytes)
{
    int fd = openat(ws->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, head, length), length);
    assert_int_equal(ftruncate(fd, bytes), 0);
    assert_int_equal(close(fd), 0);
}

static apr_status_t look(workspace_t *ws, const char *name, task_packing_t *ppacking,
                         int64_t *pbytes)
{
    int fd = -1;
    apr_status_t rv = task_core_open(&fd, ppacking, pbytes, ws->dir, name, &ws->err);

    if (rv == APR_SUCCESS) {
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
        assert_int_equal(close(fd), 0);
    }
    return rv;
}

static void expect_refusal(workspace_t *ws, const char *name, const char *sentence)
{
    task_packing_t packing = TASK_PACKING_NONE;
    int64_t bytes = 0;
    int descriptors = workspace_descriptors();

    assert_int_equal(look(ws, name, &packing, &bytes), TASK_STATUS(TASK_EXIT_SOURCE));
    assert_string_equal(ws->err.text, sentence);
    assert_int_equal(workspace_descriptors(), descriptors);
}

static void a_core_is_known_in_either_byte_order(void **state)
{
    unsigned char bytes[TASK_MAGIC_MAX];

    (void)state;
    memcpy(bytes, HEAD, sizeof(bytes));
    assert_true(task_core_is_elf(bytes, sizeof(bytes)));
    assert_false(task_core_is_elf(bytes, sizeof(bytes) - 1));
    bytes[5] = 2;
    assert_false(task_core_is_elf(bytes, sizeof(bytes)));
    bytes[16] = 0;
    bytes[17] = 4;
    assert_true(task_core_is_elf(bytes, sizeof(bytes)));
    bytes[17] = 2; /* a program */
    assert_false(task_core_is_elf(bytes, sizeof(bytes)));
}

static void packings_are_known_by_their_magic(void **state)
{
    (void)state;
    assert_int_equal(task_packing_find((const unsigned char *)"\x1f\x8b\x08", 3),
                     TASK_PACKING_GZIP);
    assert_int_equal(task_packing_find((const unsigned char *)"\xfd"
                                                              "7zXZ\0",
                                       6),
                     TASK_PACKING_XZ);
    assert_int_equal(task_packing_find((const unsigned char *)"\xfd"
                                                              "7zXZ\0",
                                       5),
                     TASK_PACKING_NONE);
    assert_int_equal(task_packing_find((const unsigned char *)"\x28\xb5\x2f\xfd", 4),
                     TASK_PACKING_ZSTD);
    assert_int_equal(task_packing_find((const unsigned char *)"\x04\x22\x4d\x18", 4),
                     TASK_PACKING_LZ4);
    assert_int_equal(task_packing_find((const unsigned char *)HEAD, 18), TASK_PACKING_NONE);
}

static void a_plain_core_is_opened(void **state)
{
    workspace_t *ws = *state;
    task_packing_t packing = TASK_PACKING_XZ;
    int64_t bytes = 0;

    write_core(ws, "core", HEAD, 18, 5000);
    assert_int_equal(look(ws, "core", &packing, &bytes), APR_SUCCESS);
    assert_int_equal(packing, TASK_PACKING_NONE);
    assert_int_equal(bytes, 5000);
}

static void a_packed_core_is_looked_into(void **state)
{
    static const char *const commands[TASK_PACKINGS] = { "true", "gzip -k core", "xz -k core",
                                                         "zstd -qk core", "lz4 -qk core core.lz4" };
    workspace_t *ws = *state;
    int i;

    write_core(ws, "core", HEAD, 18, 5000);
    for (i = 0; i < TASK_PACKINGS; i++) {
        task_packing_t packing = TASK_PACKINGS;
        int64_t bytes = 0;

        workspace_shell(ws, commands[i]);
        assert_int_equal(
            look(ws, apr_pstrcat(ws->pool, "core", task_packing_suffix((task_packing_t)i), NULL),
                 &packing, &bytes),
            APR_SUCCESS);
        assert_int_equal(packing, i);
    }
}

static void what_is_no_core_is_refused(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "text", "this is only a text, and a long one");
    expect_refusal(ws, "text", "text is no core file");
    workspace_write(ws, "empty", "");
    expect_refusal(ws, "empty", "empty is no core file");
    workspace_shell(ws, "gzip -k text");
    expect_refusal(ws, "text.gz", "text.gz is no core file");
    workspace_fifo(ws, "fifo");
    expect_refusal(ws, "fifo", "fifo is no regular file");
    workspace_make_dir(ws, "directory");
    expect_refusal(ws, "directory", "directory is no regular file");
    expect_refusal(ws, "absent", "open absent: No such file or directory");
}

static void a_link_is_followed_from_the_command_line_only(void **state)
{
    workspace_t *ws = *state;
    task_packing_t packing = TASK_PACKING_NONE;
    int64_t bytes = 0;
    int fd = -1;

    write_core(ws, "core", HEAD, 18, 5000);
    workspace_link(ws, "core", "link");
    expect_refusal(ws, "link", "open link: Too many levels of symbolic links");
    assert_int_equal(
        task_core_open(&fd, &packing, &bytes, AT_FDCWD, workspace_path(ws, "link"), &ws->err),
        APR_SUCCESS);
    assert_int_equal(close(fd), 0);
}

static apr_status_t unpack(workspace_t *ws, const char *name, int64_t max_bytes, int64_t *pbytes)
{
    int in = openat(ws->dir, name, O_RDONLY | O_CLOEXEC);
    int out = -1;
    int descriptors;
    apr_status_t rv;

    assert_true(in >= 0);
    descriptors = workspace_descriptors();
    rv = task_core_unpack(&out, pbytes, in, max_bytes, &ws->err);
    if (rv == APR_SUCCESS) {
        assert_int_equal(lseek(out, 0, SEEK_END), *pbytes);
        assert_int_equal(close(out), 0);
    }
    assert_int_equal(workspace_descriptors(), descriptors);
    assert_int_equal(close(in), 0);
    return rv;
}

static void a_core_is_unpacked_up_to_the_limit(void **state)
{
    workspace_t *ws = *state;
    int64_t bytes = 0;

    write_core(ws, "core", HEAD, 18, 200000);
    workspace_shell(ws, "xz -k core");
    assert_int_equal(unpack(ws, "core.xz", 200000, &bytes), APR_SUCCESS);
    assert_int_equal(bytes, 200000);
    assert_int_equal(unpack(ws, "core.xz", -1, &bytes), APR_SUCCESS);
    assert_int_equal(unpack(ws, "core.xz", 199999, &bytes), TASK_STATUS(TASK_EXIT_SOURCE));
}

static void a_broken_one_is_refused(void **state)
{
    workspace_t *ws = *state;
    int64_t bytes = 0;

    write_core(ws, "core", HEAD, 18, 200000);
    workspace_shell(ws, "xz -k core && truncate -s -20 core.xz");
    assert_int_equal(unpack(ws, "core.xz", -1, &bytes), TASK_STATUS(TASK_EXIT_SOURCE));
    assert_non_null(strstr(ws->err.text, "unpack the core: "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_core_is_known_in_either_byte_order),
        TEST(packings_are_known_by_their_magic),
        TEST(a_plain_core_is_opened),
        TEST(a_packed_core_is_looked_into),
        TEST(what_is_no_core_is_refused),
        TEST(a_link_is_followed_from_the_command_line_only),
        TEST(a_core_is_unpacked_up_to_the_limit),
        TEST(a_broken_one_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
