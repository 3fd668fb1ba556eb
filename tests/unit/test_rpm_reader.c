/* SPDX-License-Identifier: Apache-2.0 */
/* What librpm tells of packages without signatures; those with some are tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/rpm_builder.h"
#include "worker/resolve/rpm_reader.h"

static worker_rpm_t *open_rpm(workspace_t *ws, bool is_checked)
{
    const retrace_config_t config = { .require_gpg_check = is_checked,
                                      .gpg_key_dir = workspace_path(ws, "keys") };
    worker_rpm_t *rpm = NULL;

    assert_int_equal(worker_rpm_open(&rpm, &config, "fedora-36-x86_64", &ws->err, ws->pool),
                     APR_SUCCESS);
    return rpm;
}

static void the_header_tells_name_and_build_ids(void **state)
{
    workspace_t *ws = *state;
    worker_package_t *package = NULL;
    worker_rpm_t *rpm;

    rpm_builder_make(ws, "w3.zstdio");
    rpm = open_rpm(ws, false);
    assert_string_equal(worker_rpm_trust(rpm, ws->pool), "");
    assert_int_equal(
        worker_rpm_read(&package, rpm, workspace_path(ws, "tiny.rpm"), &ws->err, ws->pool),
        APR_SUCCESS);
    assert_string_equal(package->name, "tiny");
    assert_string_equal(package->epoch, "3");
    assert_string_equal(package->version, "1.0");
    assert_string_equal(package->release, "1");
    assert_int_equal(package->files->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(package->files, 0, worker_package_file_t).key, "abcdef");
    assert_string_equal(APR_ARRAY_IDX(package->files, 0, worker_package_file_t).path, "/tiny/big");
}

static void without_signatures_a_damaged_package_is_refused_all_the_same(void **state)
{
    workspace_t *ws = *state;
    worker_rpm_t *rpm;

    rpm_builder_make(ws, "w.ufdio");
    workspace_shell(ws, "sed 's/^100$/666/' tiny.rpm >bad.rpm");
    rpm = open_rpm(ws, false);
    assert_int_equal(worker_rpm_verify(rpm, workspace_path(ws, "tiny.rpm"), &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(worker_rpm_verify(rpm, workspace_path(ws, "bad.rpm"), &ws->err, ws->pool),
                     APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "it is damaged: Payload SHA256"));
}

static void without_keys_nothing_is_opened(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t config = { .require_gpg_check = true,
                                      .gpg_key_dir = workspace_path(ws, "keys") };
    worker_rpm_t *rpm = NULL;

    assert_int_equal(worker_rpm_open(&rpm, &config, "fedora-36-x86_64", &ws->err, ws->pool),
                     APR_ENOENT);
    assert_null(rpm);
}

static void only_its_own_ending_says_that_a_package_is_reduced(void **state)
{
    (void)state;
    assert_true(worker_rpm_is_stripped("Packages/a/a-1-1.x86_64.stripped.rpm"));
    assert_false(worker_rpm_is_stripped("Packages/a/a-1-1.x86_64.rpm"));
    assert_false(worker_rpm_is_stripped("a.stripped.rpm.rpm"));
    assert_false(worker_rpm_is_stripped(".stripped.rpm"));
}

static apr_status_t check_file(workspace_t *ws, const char *name, const char *content)
{
    worker_rpm_t *rpm = open_rpm(ws, false);
    apr_status_t rv;
    int fd;

    workspace_write(ws, "content", content);
    fd = openat(ws->dir, "content", O_RDONLY | O_CLOEXEC);
    rv = worker_rpm_check_file(rpm, workspace_path(ws, "tiny.rpm"), name, fd, &ws->err);
    assert_int_equal(close(fd), 0);
    return rv;
}

static void a_file_of_a_reduced_package_has_the_checksum_of_the_header(void **state)
{
    workspace_t *ws = *state;

    rpm_builder_make(ws, "w.ufdio");
    assert_int_equal(check_file(ws, "/tiny/first", "small\n"), APR_SUCCESS);
    assert_int_equal(check_file(ws, "/tiny/linked", "small\n"), APR_SUCCESS);
    assert_int_equal(check_file(ws, "/tiny/first", "smell\n"), APR_EINVAL);
    assert_string_equal(ws->err.text, "/tiny/first: its checksum is not the one that is told");
    assert_int_equal(check_file(ws, "/tiny/none", "small\n"), APR_EINVAL);
    assert_string_equal(ws->err.text, "its header has no SHA-2 checksum of /tiny/none");
    assert_int_equal(check_file(ws, "/tiny/symbolic", ""), APR_EINVAL);
}

static void the_header_of_a_reduced_package_is_verified_alone(void **state)
{
    workspace_t *ws = *state;
    worker_rpm_t *rpm;

    rpm_builder_make(ws, "w.ufdio");
    workspace_shell(ws,
                    "sed 's/^100$/666/' tiny.rpm >content.rpm; "
                    "sed 's/linked/lonked/' tiny.rpm >header.rpm");
    rpm = open_rpm(ws, false);
    assert_int_equal(
        worker_rpm_verify_header(rpm, workspace_path(ws, "content.rpm"), &ws->err, ws->pool),
        APR_SUCCESS);
    assert_int_equal(
        worker_rpm_verify_header(rpm, workspace_path(ws, "header.rpm"), &ws->err, ws->pool),
        APR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_header_tells_name_and_build_ids),
        TEST(without_signatures_a_damaged_package_is_refused_all_the_same),
        TEST(without_keys_nothing_is_opened),
        TEST(only_its_own_ending_says_that_a_package_is_reduced),
        TEST(a_file_of_a_reduced_package_has_the_checksum_of_the_header),
        TEST(the_header_of_a_reduced_package_is_verified_alone),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
