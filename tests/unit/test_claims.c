/* SPDX-License-Identifier: Apache-2.0 */
/* What an upload says about itself, and what it cannot make of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/claims.h"

static worker_claims_t read_claims(const workspace_t *ws)
{
    worker_claims_t claims = { NULL, NULL, NULL, NULL };

    worker_claims_read(&claims, ws->dir, ws->pool);
    return claims;
}

static void a_bare_core_says_nothing(void **state)
{
    worker_claims_t claims = read_claims(*state);

    assert_null(claims.executable);
    assert_null(claims.package);
    assert_null(claims.os_release);
}

static void first_lines_are_taken(void **state)
{
    workspace_t *ws = *state;
    worker_claims_t claims;

    workspace_write(ws, "executable", "/usr/bin/app\nmore\n");
    workspace_write(ws, "package", "app-1-1");
    workspace_write(ws, "os_release", "Fedora release 36\n");
    claims = read_claims(ws);
    assert_string_equal(claims.executable, "/usr/bin/app");
    assert_string_equal(claims.package, "app-1-1");
    assert_string_equal(claims.os_release, "Fedora release 36");
}

static void the_system_in_the_root_directory_counts(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "release", "Fedora release 20\n");
    assert_string_equal(read_claims(ws).os_release, "Fedora release 20");
    workspace_write(ws, "os_release", "Fedora release 36\n");
    assert_string_equal(read_claims(ws).os_release, "Fedora release 36");
    workspace_write(ws, "os_release_in_rootdir", "CentOS release 7\n");
    assert_string_equal(read_claims(ws).os_release, "CentOS release 7");
    workspace_write(ws, "os_release_in_rootdir", "\n");
    assert_string_equal(read_claims(ws).os_release, "Fedora release 36");
}

static void what_does_not_print_is_replaced(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "package", "a\x1b[2J\tb\xff\x7f~");
    assert_string_equal(read_claims(ws).package, "a?[2J?b??~");
}

static void blanks_at_the_end_are_left_out(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "executable", "/usr/bin/a b \t\r\n");
    workspace_write(ws, "package", " \n");
    assert_string_equal(read_claims(ws).executable, "/usr/bin/a b");
    assert_string_equal(read_claims(ws).package, "");
}

static void a_long_line_is_cut(void **state)
{
    workspace_t *ws = *state;
    char *line = apr_pcalloc(ws->pool, WORKER_CLAIM_BYTES + 2);

    memset(line, 'x', WORKER_CLAIM_BYTES);
    workspace_write(ws, "package", line);
    assert_string_equal(read_claims(ws).package, line);
    line[WORKER_CLAIM_BYTES] = 'y';
    workspace_write(ws, "package", line);
    line[WORKER_CLAIM_BYTES] = '\0';
    assert_string_equal(read_claims(ws).package, line);
}

static void what_is_no_file_says_nothing(void **state)
{
    workspace_t *ws = *state;

    workspace_make_dir(ws, "package");
    workspace_link(ws, "/etc/hostname", "executable");
    workspace_fifo(ws, "os_release");
    assert_null(read_claims(ws).package);
    assert_null(read_claims(ws).executable);
    assert_null(read_claims(ws).os_release);
}

static const char *packages_of(const workspace_t *ws)
{
    return apr_array_pstrcat(ws->pool, read_claims(ws).packages, ' ');
}

static void packages_are_words(void **state)
{
    workspace_t *ws = *state;

    assert_string_equal(packages_of(ws), "");
    workspace_write(ws, "packages", " a-1-1.x86_64\r\n\tb-1-1.i686,c d\001e f\303\244 g\n");
    assert_string_equal(packages_of(ws), "a-1-1.x86_64 b-1-1.i686 c g");
}

static void packages_have_limits(void **state)
{
    workspace_t *ws = *state;
    char word[WORKER_CLAIM_BYTES + 2];

    memset(word, 'a', sizeof(word));
    word[WORKER_CLAIM_BYTES] = '\0';
    workspace_write(ws, "packages", word);
    assert_string_equal(packages_of(ws), word);
    word[WORKER_CLAIM_BYTES] = 'a';
    word[WORKER_CLAIM_BYTES + 1] = '\0';
    workspace_write(ws, "packages", word);
    assert_string_equal(packages_of(ws), "");
    workspace_shell(ws, "seq 1001 >packages");
    assert_int_equal(read_claims(ws).packages->nelts, WORKER_CLAIM_PACKAGES);
    workspace_shell(ws, "echo x >packages; truncate -s 1M packages");
    assert_string_equal(packages_of(ws), "x");
    workspace_shell(ws, "truncate -s 1048577 packages");
    assert_string_equal(packages_of(ws), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bare_core_says_nothing),
        TEST(first_lines_are_taken),
        TEST(the_system_in_the_root_directory_counts),
        TEST(packages_are_words),
        TEST(packages_have_limits),
        TEST(what_does_not_print_is_replaced),
        TEST(blanks_at_the_end_are_left_out),
        TEST(a_long_line_is_cut),
        TEST(what_is_no_file_says_nothing),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
