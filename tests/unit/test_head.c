/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is by its first bytes: cores of every class and byte order, and what only looks
 * like one. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/tar_builder.h"
#include "worker/ingest/head.h"

typedef struct head_t {
    unsigned char bytes[INGEST_CORE_HEAD];
} head_t;

static head_t make_head(unsigned char class, unsigned char data, unsigned char low,
                        unsigned char high)
{
    head_t head = { { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, data, EV_CURRENT } };

    head.bytes[16] = low;
    head.bytes[17] = high;
    return head;
}

static bool is_core(head_t head)
{
    return ingest_head_is_core(head.bytes, sizeof(head.bytes));
}

static void cores_of_every_class_and_byte_order_are_cores(void **state)
{
    (void)state;
    assert_true(is_core(make_head(ELFCLASS32, ELFDATA2LSB, ET_CORE, 0)));
    assert_true(is_core(make_head(ELFCLASS64, ELFDATA2LSB, ET_CORE, 0)));
    assert_true(is_core(make_head(ELFCLASS32, ELFDATA2MSB, 0, ET_CORE)));
    assert_true(is_core(make_head(ELFCLASS64, ELFDATA2MSB, 0, ET_CORE)));
}

static void other_types_of_elf_are_none(void **state)
{
    static const unsigned char types[] = { ET_NONE, ET_REL, ET_EXEC, ET_DYN, 5, 0xff };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(types); i++) {
        assert_false(is_core(make_head(ELFCLASS64, ELFDATA2LSB, types[i], 0)));
        assert_false(is_core(make_head(ELFCLASS64, ELFDATA2MSB, 0, types[i])));
    }
    assert_false(is_core(make_head(ELFCLASS64, ELFDATA2LSB, ET_CORE, 1)));
    assert_false(is_core(make_head(ELFCLASS64, ELFDATA2LSB, 0, ET_CORE)));
    assert_false(is_core(make_head(ELFCLASS64, ELFDATA2MSB, ET_CORE, 0)));
}

static void a_wrong_byte_of_the_identification_is_no_core(void **state)
{
    const head_t good = make_head(ELFCLASS64, ELFDATA2LSB, ET_CORE, 0);
    size_t i;

    (void)state;
    for (i = 0; i <= EI_VERSION; i++) {
        head_t head = good;
        head.bytes[i] = 0;
        assert_false(is_core(head));
        head.bytes[i] = 9;
        assert_false(is_core(head));
    }
}

static void a_head_that_ends_early_is_no_core(void **state)
{
    const head_t head = make_head(ELFCLASS64, ELFDATA2LSB, ET_CORE, 0);
    size_t length;

    (void)state;
    for (length = 0; length < INGEST_CORE_HEAD; length++) {
        assert_false(ingest_head_is_core(head.bytes, length));
    }
}

static void a_tar_archive_is_told_by_its_magic(void **state)
{
    bytes_t tar = { 0 };

    (void)state;
    tar_text(&tar, "coredump", "x");
    assert_true(ingest_head_is_tar(tar.data, INGEST_HEAD_MAX));
    assert_true(ingest_head_is_tar(tar.data, 262));
    assert_false(ingest_head_is_tar(tar.data, 261));
    tar.data[257] = 'U';
    assert_false(ingest_head_is_tar(tar.data, INGEST_HEAD_MAX));
    bytes_free(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_of_every_class_and_byte_order_are_cores),
        cmocka_unit_test(other_types_of_elf_are_none),
        cmocka_unit_test(a_wrong_byte_of_the_identification_is_no_core),
        cmocka_unit_test(a_head_that_ends_early_is_no_core),
        cmocka_unit_test(a_tar_archive_is_told_by_its_magic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
