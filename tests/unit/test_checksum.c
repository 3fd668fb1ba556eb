/* SPDX-License-Identifier: Apache-2.0 */
/* lib/checksum.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "tests/unit/workspace.h"

#define ABC_SHA1   "a9993e364706816aba3e25717850c26c9cd0d89d"
#define EMPTY_1    "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define EMPTY_256  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void unknown_types_and_wrong_digits_are_refused(void **state)
{
    retrace_checksum_t checksum = { .type = NULL };

    (void)state;
    assert_false(retrace_checksum_parse(&checksum, "md5", "900150983cd24fb0d6963f7d28e17f72"));
    assert_false(retrace_checksum_parse(&checksum, "", ABC_SHA1));
    assert_false(retrace_checksum_parse(&checksum, "sha256", ABC_SHA1));
    assert_false(retrace_checksum_parse(&checksum, "sha256", ABC_SHA256 "0"));
    assert_false(
        retrace_checksum_parse(&checksum, "sha", "z9993e364706816aba3e25717850c26c9cd0d89d"));
    assert_false(retrace_checksum_parse(&checksum, "sha1", "-" EMPTY_1));
    assert_null(checksum.type);
    assert_int_equal(retrace_checksum_bits(&checksum), 0);
}

static void types_and_digits_are_written_in_one_way(void **state)
{
    static const char *const types[][2] = { { "sha", "sha1" },
                                            { "SHA1", "sha1" },
                                            { "sha-1", "sha1" } };
    retrace_checksum_t checksum;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        assert_true(retrace_checksum_parse(&checksum, types[i][0],
                                           "DA39a3ee5e6b4b0d3255bfef95601890afd80709"));
        assert_string_equal(checksum.type, types[i][1]);
        assert_string_equal(checksum.digits, EMPTY_1);
    }
    assert_true(retrace_checksum_parse(&checksum, "sha256", EMPTY_256));
    assert_string_equal(checksum.type, "sha256");
}

static apr_status_t verify(workspace_t *ws, const char *text, const char *type, const char *digits)
{
    retrace_checksum_t checksum;
    apr_status_t rv;
    int fd;

    assert_true(retrace_checksum_parse(&checksum, type, digits));
    workspace_write(ws, "file", text);
    fd = openat(ws->dir, "file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
    rv = retrace_checksum_verify(&checksum, fd, &ws->err);
    if (rv == APR_SUCCESS) {
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    }
    assert_int_equal(close(fd), 0);
    return rv;
}

static void a_file_is_read_from_its_beginning_and_left_there(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(verify(ws, "x", "sha256", EMPTY_256), APR_EINVAL);
    assert_int_equal(verify(ws, "", "sha256", EMPTY_256), APR_SUCCESS);
    assert_int_equal(verify(ws, "", "sha1", EMPTY_1), APR_SUCCESS);
    assert_int_equal(verify(ws, "x", "sha256",
                            "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
                     APR_SUCCESS);
}

static void what_cannot_be_computed_or_read_is_told(void **state)
{
    workspace_t *ws = *state;
    retrace_checksum_t checksum = { "none", EMPTY_256 };

    assert_int_equal(retrace_checksum_verify(&checksum, ws->dir, &ws->err), APR_EGENERAL);
    checksum.type = NULL;
    assert_int_equal(retrace_checksum_verify(&checksum, ws->dir, &ws->err), APR_EGENERAL);
    checksum.type = "sha256";
    assert_int_equal(retrace_checksum_verify(&checksum, ws->dir, &ws->err), EISDIR);
}

static void a_file_has_it_or_not(void **state)
{
    static const char *const good[][2] = {
        { "sha", ABC_SHA1 },
        { "SHA256", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD" },
        { "sha-256", ABC_SHA256 }
    };
    workspace_t *ws = *state;
    retrace_checksum_t checksum;
    size_t i;
    int fd;

    workspace_write(ws, "abc", "abc");
    fd = openat(ws->dir, "abc", O_RDWR | O_CLOEXEC);
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(retrace_checksum_parse(&checksum, good[i][0], good[i][1]));
        assert_int_equal(retrace_checksum_verify(&checksum, fd, &ws->err), APR_SUCCESS);
    }
    assert_int_equal(retrace_checksum_bits(&checksum), 256);
    assert_int_equal(pwrite(fd, "d", 1, 3), 1);
    assert_int_equal(retrace_checksum_verify(&checksum, fd, &ws->err), APR_EINVAL);
    assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_types_and_wrong_digits_are_refused),
        TEST(types_and_digits_are_written_in_one_way),
        TEST(a_file_is_read_from_its_beginning_and_left_there),
        TEST(what_cannot_be_computed_or_read_is_told),
        TEST(a_file_has_it_or_not),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
