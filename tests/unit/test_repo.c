/* SPDX-License-Identifier: Apache-2.0 */
/* Which repositories there are, which of them a crash is looked for in, and whose keys they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/rpm_keys.h"

static apr_array_header_t *split(const char *text, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(const char *));
    char *rest = apr_pstrdup(p, text);
    char *name;

    while ((name = strsep(&rest, " ")) != NULL) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    return names;
}

static void expect_selected(void **state, const char *release, const char *arch,
                            const char *expected)
{
    static const char all[] = "fedora-36-i386 fedora-36-x86_64 fedora-3-x86_64 rhel-7-x86_64";
    const workspace_t *ws = *state;
    const apr_array_header_t *names =
        worker_repo_select(split(all, ws->pool), release, arch, ws->pool);

    assert_string_equal(apr_array_pstrcat(ws->pool, names, ' '), expected != NULL ? expected : all);
}

static void the_own_architecture_comes_first(void **state)
{
    expect_selected(state, "fedora-36", "x86_64", "fedora-36-x86_64 fedora-36-i386");
    expect_selected(state, "fedora-36", "i386", "fedora-36-i386 fedora-36-x86_64");
    expect_selected(state, "fedora-36", NULL, "fedora-36-i386 fedora-36-x86_64");
    expect_selected(state, "fedora-3", "x86_64", "fedora-3-x86_64");
}

static void all_are_looked_at_when_the_release_is_unknown_or_not_there(void **state)
{
    expect_selected(state, NULL, "x86_64", NULL);
    expect_selected(state, "-", "x86_64", NULL);
    expect_selected(state, "fedora-37", "x86_64", NULL);
    expect_selected(state, "rhel-7.9", "x86_64", NULL);
    expect_selected(state, "fedora", "x86_64", NULL);
}

/* --- Keys ---------------------------------------------------------------------------------- */

static void signatures_are_required_unless_it_is_rawhide_or_switched_off(void **state)
{
    retrace_config_t config = { .require_gpg_check = true };

    (void)state;
    assert_true(worker_keys_are_required(&config, "fedora-36-x86_64"));
    assert_true(worker_keys_are_required(&config, "rawhide-36-x86_64"));
    assert_true(worker_keys_are_required(&config, "fedora-rawhide2-x86_64"));
    assert_false(worker_keys_are_required(&config, "fedora-rawhide-x86_64"));
    config.require_gpg_check = false;
    assert_false(worker_keys_are_required(&config, "fedora-36-x86_64"));
}

static void expect_no_key(workspace_t *ws, const char *text, apr_status_t status)
{
    struct stat info;
    rpmKeyring keyring = rpmKeyringNew();

    workspace_write(ws, "key", text);
    assert_int_equal(
        worker_keys_load(keyring, &info, workspace_path(ws, "key"), &ws->err, ws->pool), status);
    rpmKeyringFree(keyring);
}

static void what_holds_no_key_is_refused(void **state)
{
    workspace_t *ws = *state;
    char *large = apr_palloc(ws->pool, WORKER_KEYS_MAX_BYTES + 2);

    expect_no_key(ws, "", APR_EINVAL);
    expect_no_key(ws, "no key", APR_EINVAL);
    expect_no_key(ws, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", APR_EINVAL);
    expect_no_key(ws,
                  "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=AAAA\n"
                  "-----END PGP PUBLIC KEY BLOCK-----\n",
                  APR_EINVAL);
    memset(large, '-', WORKER_KEYS_MAX_BYTES + 1);
    large[WORKER_KEYS_MAX_BYTES + 1] = '\0';
    expect_no_key(ws, large, APR_EINVAL);
    assert_null(strstr(ws->err.text, "holds no public key"));
    large[WORKER_KEYS_MAX_BYTES] = '\0';
    expect_no_key(ws, large, APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "holds no public key"));
}

static void a_file_of_keys_that_others_may_write_is_refused(void **state)
{
    workspace_t *ws = *state;

    expect_no_key(ws, "no key", APR_EINVAL);
    workspace_shell(ws, "chmod 0666 key");
    expect_no_key(ws, "no key", APR_EACCES);
    assert_non_null(strstr(ws->err.text, "must not be writable by others"));
    workspace_shell(ws, "chmod 0664 key");
    expect_no_key(ws, "no key", APR_EACCES);
    workspace_shell(ws, "chmod 0644 key");
    expect_no_key(ws, "no key", APR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_own_architecture_comes_first),
        TEST(all_are_looked_at_when_the_release_is_unknown_or_not_there),
        TEST(signatures_are_required_unless_it_is_rawhide_or_switched_off),
        TEST(what_holds_no_key_is_refused),
        TEST(a_file_of_keys_that_others_may_write_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
