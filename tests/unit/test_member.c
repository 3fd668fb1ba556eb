/* SPDX-License-Identifier: Apache-2.0 */
/* The names that an upload may hold and the sets that make it complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "worker/ingest/member.h"

#define BIT(member) (UINT32_C(1) << (member))

static ingest_member_t find_plain(const char *name)
{
    bool is_packed = true;
    ingest_member_t member = ingest_member_find(name, &is_packed);

    assert_false(is_packed);
    return member;
}

static void every_member_is_found_by_its_name(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < INGEST_MEMBERS; i++) {
        assert_int_equal(find_plain(ingest_member_rule((ingest_member_t)i)->name), i);
    }
}

static void one_leading_dot_slash_is_tolerated(void **state)
{
    (void)state;
    assert_int_equal(find_plain("./coredump"), INGEST_COREDUMP);
}

static void two_leading_dot_slashes_are_not(void **state)
{
    (void)state;
    assert_int_equal(find_plain("././coredump"), INGEST_MEMBERS);
}

static void other_spellings_of_a_name_are_foreign(void **state)
{
    static const char *const names[] = {
        "",
        ".",
        "./",
        "..",
        "../coredump",
        "./../coredump",
        "/coredump",
        "coredump/",
        "./coredump/",
        "coredump ",
        " coredump",
        "Coredump",
        "coredum",
        "coredumpx",
        "a/coredump",
        ".//coredump",
        ".coredump",
        "coredump\n",
        "coredump.",
        "coredump.XZ",
        "coredump.xz.gz",
        "coredump.bz2",
        "coredumpxxz",
        "core.xz",
        "coredump.xz/",
        "package.xz",
        "././coredump.gz",
        ".xz",
        "vmcore.so",
        "coredump/.",
        "\\coredump",
        "os_release_i",
        "package\t",
        "rootdir/..",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(find_plain(names[i]), INGEST_MEMBERS);
    }
}

static void a_packed_core_is_the_core(void **state)
{
    static const char *const names[] = { "coredump.xz", "coredump.gz", "coredump.zst",
                                         "coredump.lz4", "./coredump.xz" };
    bool is_packed;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        is_packed = false;
        assert_int_equal(ingest_member_find(names[i], &is_packed), INGEST_COREDUMP);
        assert_true(is_packed);
    }
}

static void only_the_core_is_unlimited_by_its_class(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < INGEST_MEMBERS; i++) {
        ingest_size_class_t size_class = ingest_member_rule((ingest_member_t)i)->size_class;
        assert_int_equal(size_class == INGEST_SIZE_CORE, i == INGEST_COREDUMP);
        assert_int_equal(size_class == INGEST_SIZE_PACKAGES, i == INGEST_PACKAGES);
    }
}

static const ingest_member_set_t s1 =
    BIT(INGEST_COREDUMP) | BIT(INGEST_EXECUTABLE) | BIT(INGEST_PACKAGE);
static const ingest_member_set_t s2 =
    BIT(INGEST_COREDUMP) | BIT(INGEST_ARCHITECTURE) | BIT(INGEST_RELEASE) | BIT(INGEST_PACKAGES);

static void either_set_is_complete(void **state)
{
    (void)state;
    assert_null(ingest_member_missing(s1, RETRACE_REQUIRED_S1_OR_S2));
    assert_null(ingest_member_missing(s2, RETRACE_REQUIRED_S1_OR_S2));
}

static void each_set_is_complete_where_it_is_required(void **state)
{
    (void)state;
    assert_null(ingest_member_missing(s1, RETRACE_REQUIRED_S1));
    assert_null(ingest_member_missing(s2, RETRACE_REQUIRED_S2));
    assert_null(ingest_member_missing(BIT(INGEST_COREDUMP), RETRACE_REQUIRED_CORE));
}

static void one_set_does_not_stand_for_the_other(void **state)
{
    (void)state;
    assert_string_equal(ingest_member_missing(s2, RETRACE_REQUIRED_S1), "executable");
    assert_string_equal(ingest_member_missing(s1, RETRACE_REQUIRED_S2), "packages");
}

static void each_missing_file_is_named(void **state)
{
    (void)state;
    assert_string_equal(ingest_member_missing(s1 & ~BIT(INGEST_COREDUMP), RETRACE_REQUIRED_S1),
                        "coredump");
    assert_string_equal(ingest_member_missing(s1 & ~BIT(INGEST_EXECUTABLE), RETRACE_REQUIRED_S1),
                        "executable");
    assert_string_equal(ingest_member_missing(s1 & ~BIT(INGEST_PACKAGE), RETRACE_REQUIRED_S1),
                        "package");
    assert_string_equal(ingest_member_missing(s2 & ~BIT(INGEST_RELEASE), RETRACE_REQUIRED_S2),
                        "release");
    assert_string_equal(ingest_member_missing(s2 & ~BIT(INGEST_ARCHITECTURE), RETRACE_REQUIRED_S2),
                        "architecture");
}

static void the_set_nearest_to_complete_names_the_missing_file(void **state)
{
    (void)state;
    assert_string_equal(
        ingest_member_missing(s2 & ~BIT(INGEST_PACKAGES), RETRACE_REQUIRED_S1_OR_S2), "packages");
    assert_string_equal(ingest_member_missing(s1 & ~BIT(INGEST_PACKAGE), RETRACE_REQUIRED_S1_OR_S2),
                        "package");
}

static void nothing_at_all_lacks_the_core(void **state)
{
    (void)state;
    assert_string_equal(ingest_member_missing(0, RETRACE_REQUIRED_S1_OR_S2), "coredump");
    assert_string_equal(ingest_member_missing(0, RETRACE_REQUIRED_CORE), "coredump");
}

static void a_core_alone_lacks_the_executable(void **state)
{
    (void)state;
    assert_string_equal(ingest_member_missing(BIT(INGEST_COREDUMP), RETRACE_REQUIRED_S1_OR_S2),
                        "executable");
}

static void files_beyond_the_set_do_no_harm(void **state)
{
    ingest_member_set_t all = BIT(INGEST_MEMBERS) - 1;

    (void)state;
    assert_null(ingest_member_missing(all, RETRACE_REQUIRED_S1));
    assert_null(ingest_member_missing(all, RETRACE_REQUIRED_CORE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_found_by_its_name),
        cmocka_unit_test(one_leading_dot_slash_is_tolerated),
        cmocka_unit_test(two_leading_dot_slashes_are_not),
        cmocka_unit_test(other_spellings_of_a_name_are_foreign),
        cmocka_unit_test(a_packed_core_is_the_core),
        cmocka_unit_test(only_the_core_is_unlimited_by_its_class),
        cmocka_unit_test(either_set_is_complete),
        cmocka_unit_test(each_set_is_complete_where_it_is_required),
        cmocka_unit_test(one_set_does_not_stand_for_the_other),
        cmocka_unit_test(each_missing_file_is_named),
        cmocka_unit_test(the_set_nearest_to_complete_names_the_missing_file),
        cmocka_unit_test(nothing_at_all_lacks_the_core),
        cmocka_unit_test(a_core_alone_lacks_the_executable),
        cmocka_unit_test(files_beyond_the_set_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
