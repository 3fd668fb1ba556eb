/* SPDX-License-Identifier: Apache-2.0 */
/* Which gdb reads which core: by table where that is plain, else by what they say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/workspace.h"
#include "worker/gdb_choice.h"

#define ABSENT "/nonexistent/gdb"

/* --- by table ------------------------------------------------------------------------------ */

static void a_machine_reads_its_own_cores_and_32_bit_ones(void **state)
{
    static const struct {
        const char *host;
        const char *arch;
        bool is_native;
    } rows[] = {
        { "x86_64", "x86_64", true },    { "x86_64", "i386", true },
        { "x86_64", "aarch64", false },  { "x86_64", "armhfp", false },
        { "x86_64", "ppc64le", false },  { "x86_64", "s390x", false },
        { "x86_64", "unknown", false },  { "i686", "i386", true },
        { "i686", "x86_64", false },     { "aarch64", "aarch64", true },
        { "aarch64", "armhfp", true },   { "aarch64", "x86_64", false },
        { "armv7l", "armhfp", true },    { "armv7l", "aarch64", false },
        { "ppc64le", "ppc64le", true },  { "ppc64le", "ppc64", false },
        { "ppc64", "ppc64", true },      { "s390x", "s390x", true },
        { "s390x", "i386", false },      { "riscv64", "unknown", false },
        { "unknown", "unknown", false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (worker_gdb_is_native(rows[i].host, rows[i].arch) != rows[i].is_native) {
            print_message("%s on %s\n", rows[i].arch, rows[i].host);
            fail();
        }
    }
}

static void every_architecture_of_a_core_has_a_name_in_gdb(void **state)
{
    static const char *const rows[][2] = {
        { "x86_64", "i386:x86-64" },       { "i386", "i386" },
        { "aarch64", "aarch64" },          { "armhfp", "arm" },
        { "ppc64le", "powerpc:common64" }, { "ppc64", "powerpc:common64" },
        { "s390x", "s390:64-bit" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(worker_gdb_architecture(rows[i][0]), rows[i][1]);
    }
    assert_null(worker_gdb_architecture("unknown"));
}

/* --- by what gdb lists --------------------------------------------------------------------- */

static void a_name_in_the_list_is_known(void **state)
{
    (void)state;
    assert_true(
        worker_gdb_lists("set architecture aarch64\nset architecture aarch64:ilp32\n", "aarch64"));
    assert_true(worker_gdb_lists("set architecture armv7\nset architecture arm\n", "arm"));
    assert_true(worker_gdb_lists("set architecture s390:64-bit", "s390:64-bit"));
}

static void a_name_that_only_begins_alike_is_unknown(void **state)
{
    (void)state;
    assert_false(worker_gdb_lists("", "arm"));
    assert_false(worker_gdb_lists("set architecture armv7\n", "arm"));
    assert_false(worker_gdb_lists("set architecture ar\n", "arm"));
    assert_false(worker_gdb_lists("reset architecture arm\n", "arm"));
    assert_false(worker_gdb_lists("Undefined command: \"complete\".\n", "arm"));
    assert_false(worker_gdb_lists("-ex complete set architecture arm\n", "arm"));
}

/* --- the choice ---------------------------------------------------------------------------- */

typedef struct choice_t {
    const char *gdb;
    apr_status_t rv;
    retrace_error_t err;
} choice_t;

static choice_t choose(void **state, const char *multiarch, const char *gdb, const char *arch)
{
    const retrace_config_t config = { .gdb_path = gdb, .gdb_multiarch_path = multiarch };
    choice_t choice = { .gdb = "untouched" };

    choice.rv = worker_gdb_choose(&choice.gdb, "x86_64", arch, &config, &choice.err,
                                  ((workspace_t *)*state)->pool);
    return choice;
}

/* A program that answers as a gdb which knows this architecture. */
static const char *make_gdb(void **state, const char *name, const char *known)
{
    workspace_t *workspace = *state;
    const char *path = workspace_path(workspace, name);
    const char *text =
        apr_pstrcat(workspace->pool,
                    "#!/bin/sh\nfor word; do last=$word; done\n"
                    "[ \"$last\" = 'complete set architecture ",
                    known, "' ] && echo 'set architecture ", known, "'\nexit 0\n", NULL);

    workspace_write(workspace, name, text);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void expect_choice(void **state, const char *multiarch, const char *gdb, const char *arch,
                          const char *chosen)
{
    choice_t choice = choose(state, multiarch, gdb, arch);

    assert_int_equal(choice.rv, APR_SUCCESS);
    assert_string_equal(choice.gdb, chosen);
}

static void expect_refusal(void **state, const char *multiarch, const char *gdb, const char *words)
{
    choice_t choice = choose(state, multiarch, gdb, "s390x");

    assert_int_equal(choice.rv, APR_ENOTIMPL);
    assert_string_equal(choice.gdb, "untouched");
    assert_string_equal(choice.err.text, words);
}

/* Nobody is asked: whether it is there shows when it is run. */
static void a_native_core_is_for_gdb_path(void **state)
{
    const char *other = make_gdb(state, "other", "i386:x86-64");

    expect_choice(state, other, ABSENT, "x86_64", ABSENT);
    expect_choice(state, other, ABSENT, "i386", ABSENT);
}

static void a_foreign_core_is_for_the_gdb_that_knows_it(void **state)
{
    const char *all = make_gdb(state, "all", "s390:64-bit");
    const char *plain = make_gdb(state, "plain", "i386:x86-64");
    const char *another = make_gdb(state, "another", "s390:64-bit");

    expect_choice(state, all, plain, "s390x", all);
    expect_choice(state, all, another, "s390x", all);
    expect_choice(state, plain, all, "s390x", all);
    expect_choice(state, ABSENT, all, "s390x", all);
    expect_choice(state, "", all, "s390x", all);
}

static void a_core_of_unknown_architecture_is_for_the_first_that_is_there(void **state)
{
    const char *all = make_gdb(state, "all", "s390:64-bit");
    const char *plain = make_gdb(state, "plain", "i386:x86-64");

    expect_choice(state, all, plain, "unknown", all);
    expect_choice(state, ABSENT, plain, "unknown", plain);
}

static void the_refusal_says_what_is_wrong_with_both(void **state)
{
    static const char start[] = "there is no gdb for a core of the architecture s390x: ";
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    const char *plain = make_gdb(state, "plain", "i386:x86-64");

    expect_refusal(state, ABSENT, plain,
                   apr_pstrcat(p, start, "GdbMultiarchPath (" ABSENT ") is not there, GdbPath (",
                               plain, ") does not know it", NULL));
    expect_refusal(state, "", ABSENT,
                   apr_pstrcat(p, start,
                               "GdbMultiarchPath is empty, GdbPath (" ABSENT ") is not there",
                               NULL));
    expect_refusal(state, plain, plain,
                   apr_pstrcat(p, start, "GdbMultiarchPath (", plain,
                               ") does not know it, GdbPath (", plain, ") does not know it", NULL));
}

/* It may repeat what it is asked: that is no answer. */
static void what_is_no_gdb_knows_nothing(void **state)
{
    expect_refusal(state, "/bin/echo", "/bin/false",
                   "there is no gdb for a core of the architecture s390x: GdbMultiarchPath "
                   "(/bin/echo) does not know it, GdbPath (/bin/false) does not know it");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_machine_reads_its_own_cores_and_32_bit_ones),
        TEST(every_architecture_of_a_core_has_a_name_in_gdb),
        TEST(a_name_in_the_list_is_known),
        TEST(a_name_that_only_begins_alike_is_unknown),
        TEST(a_native_core_is_for_gdb_path),
        TEST(a_foreign_core_is_for_the_gdb_that_knows_it),
        TEST(a_core_of_unknown_architecture_is_for_the_first_that_is_there),
        TEST(the_refusal_says_what_is_wrong_with_both),
        TEST(what_is_no_gdb_knows_nothing),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
