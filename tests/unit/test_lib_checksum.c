/* SPDX-License-Identifier: Apache-2.0 */
/* lib/checksum.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "tests/unit/workspace.h"

#define ABC_SHA1   "a9993e364706816aba3e25717850c26c9cd0d89d"
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
    assert_null(checksum.type);
    assert_int_equal(retrace_checksum_bits(&checksum), 0);
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
        TEST(a_file_has_it_or_not),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
