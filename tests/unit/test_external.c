/* SPDX-License-Identifier: Apache-2.0 */
/* The only file of a directory that a client names: nothing outside the allowed directories is
 * ever opened, whatever lies in them. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/upload.h"
#include "tests/unit/workspace.h"
#include "worker/ingest/external.h"

#define MAX_MB 1

/* The directory is named as in "allowed/x". */
typedef struct result_t {
    int fd; /* -1: refused */
    int64_t length;
    ingest_refusal_t refusal;
} result_t;

static result_t open_with(workspace_t *ws, const char *directory, const char *content, bool allowed)
{
    const retrace_config_t config = { .allow_external_dir = allowed,
                                      .external_dirs = apr_psprintf(ws->pool, "/nonexistent:%s/",
                                                                    workspace_path(ws, "allowed")),
                                      .max_packed_mb = MAX_MB };
    ingest_request_t request = { .length = 0 };
    result_t result = { .fd = -1 };
    int before = workspace_descriptors();
    bool opened;

    snprintf(request.content, sizeof(request.content), "%s", content);
    snprintf(request.directory, sizeof(request.directory), "%s",
             directory[0] == '/' ? directory : workspace_path(ws, directory));
    opened = ingest_external_open(&result.fd, &result.length, &result.refusal, &request, &config);
    assert_int_equal(opened, result.fd >= 0);
    assert_int_equal(opened, result.refusal.status == 0);
    assert_int_equal(workspace_descriptors(), before + opened);
    return result;
}

static void expect_refused(workspace_t *ws, const char *directory, int status, const char *part)
{
    result_t result = open_with(ws, directory, "application/x-tar", true);

    if (result.refusal.status != status || strstr(result.refusal.sentence, part) == NULL) {
        fail_msg("%s: %d \"%s\", not %d \"%s\"", directory, result.refusal.status,
                 result.refusal.sentence, status, part);
    }
}

static void expect_file(workspace_t *ws, const char *directory, const char *content)
{
    result_t result = open_with(ws, directory, "application/x-tar", true);
    char text[100] = "";

    assert_true(result.fd >= 0);
    assert_int_equal(result.length, strlen(content));
    assert_int_equal(read(result.fd, text, sizeof(text) - 1), strlen(content));
    assert_string_equal(text, content);
    assert_int_equal(fcntl(result.fd, F_GETFD), FD_CLOEXEC);
    (void)close(result.fd);
}

/* --- what is opened --------------------------------------------------------------------------- */

static void the_only_file_is_opened_whatever_its_name(void **state)
{
    workspace_write(*state, "allowed/1/upload.tar", "one");
    workspace_write(*state, "allowed/deep/er/.hidden", "two");
    expect_file(*state, "allowed/1", "one");
    expect_file(*state, "allowed/1/", "one");
    expect_file(*state, "allowed//1/.", "one");
    expect_file(*state, "allowed/deep/er", "two");
}

static void an_empty_file_is_one(void **state)
{
    workspace_write(*state, "allowed/1/empty", "");
    expect_file(*state, "allowed/1", "");
}

/* --- where it may be -------------------------------------------------------------------------- */

static void what_is_not_below_an_allowed_directory_is_refused(void **state)
{
    workspace_write(*state, "allowed2/file", "x");
    workspace_write(*state, "outside/file", "x");
    workspace_write(*state, "allowed/file", "x");
    expect_refused(*state, "allowed2", 403, "not below one of the ExternalDirs");
    expect_refused(*state, "outside", 403, "not below one of the ExternalDirs");
    expect_refused(*state, "allowed", 403, "not below one of the ExternalDirs");
    expect_refused(*state, "allowed//", 403, "not below one of the ExternalDirs");
    expect_refused(*state, "/", 403, "not below one of the ExternalDirs");
}

static void nothing_is_allowed_while_the_option_is_off(void **state)
{
    result_t result;

    workspace_write(*state, "allowed/1/file", "x");
    result = open_with(*state, "allowed/1", "application/x-tar", false);
    assert_int_equal(result.refusal.status, 403);
}

/* The request's grammar has no "..": here it would have got through. */
static void dots_do_not_lead_out(void **state)
{
    workspace_write(*state, "allowed/1/file", "x");
    workspace_write(*state, "outside/file", "x");
    expect_refused(*state, "allowed/../outside", 403, "link");
    expect_refused(*state, "allowed/1/../../outside", 403, "link");
}

static void symbolic_links_are_refused_wherever_they_are(void **state)
{
    workspace_write(*state, "outside/file", "x");
    workspace_write(*state, "allowed/1/file", "x");
    workspace_link(*state, "../outside", "allowed/out");
    workspace_link(*state, "1", "allowed/in");
    workspace_link(*state, "/proc/self/cwd", "allowed/magic");
    expect_refused(*state, "allowed/out", 403, "symbolic link");
    expect_refused(*state, "allowed/in", 403, "symbolic link");
    expect_refused(*state, "allowed/in/", 403, "symbolic link");
    expect_refused(*state, "allowed/magic/x", 403, "symbolic link");
}

static void what_is_not_there_is_told_so(void **state)
{
    workspace_write(*state, "allowed/file", "x");
    expect_refused(*state, "allowed/missing", 404, "no such directory");
    expect_refused(*state, "allowed/file", 404, "no such directory");
    expect_refused(*state, "allowed/file/x", 404, "no such directory");
    expect_refused(*state, "/nonexistent/x", 404, "no such directory");
}

/* --- what may be in it ------------------------------------------------------------------------ */

static void none_or_two_files_are_refused(void **state)
{
    workspace_make_dir(*state, "allowed/none");
    workspace_write(*state, "allowed/two/a", "x");
    workspace_write(*state, "allowed/two/.b", "x");
    expect_refused(*state, "allowed/none", 501, "one file");
    expect_refused(*state, "allowed/two", 501, "one file");
}

static void what_is_no_regular_file_is_refused(void **state)
{
    workspace_write(*state, "outside/file", "x");
    workspace_make_dir(*state, "allowed/dir/dir");
    workspace_make_dir(*state, "allowed/fifo");
    workspace_fifo(*state, "allowed/fifo/fifo");
    workspace_make_dir(*state, "allowed/link");
    workspace_link(*state, "../../outside/file", "allowed/link/link");
    expect_refused(*state, "allowed/dir", 501, "not a regular file");
    expect_refused(*state, "allowed/fifo", 501, "not a regular file");
    expect_refused(*state, "allowed/link", 501, "not a regular file");
}

static void a_file_at_the_limit_is_opened_and_a_larger_one_is_not(void **state)
{
    workspace_t *ws = *state;
    result_t result;

    workspace_write(ws, "allowed/1/file", "");
    assert_int_equal(truncate(workspace_path(ws, "allowed/1/file"), MAX_MB * 1024 * 1024), 0);
    result = open_with(ws, "allowed/1", "application/x-tar", true);
    assert_int_equal(result.length, MAX_MB * 1024 * 1024);
    (void)close(result.fd);
    assert_int_equal(truncate(workspace_path(ws, "allowed/1/file"), MAX_MB * 1024 * 1024 + 1), 0);
    expect_refused(ws, "allowed/1", 413, "1 MB");
}

/* --- what it may say -------------------------------------------------------------------------- */

static void put_file(workspace_t *ws, const bytes_t *bytes)
{
    FILE *file;

    workspace_write(ws, "allowed/1/file", "");
    file = fopen(workspace_path(ws, "allowed/1/file"), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->length, file), bytes->length);
    assert_int_equal(fclose(file), 0);
}

static int status_of(workspace_t *ws, const char *content)
{
    result_t result = open_with(ws, "allowed/1", content, true);

    if (result.fd >= 0) {
        (void)close(result.fd);
    }
    return result.refusal.status;
}

static void the_content_type_must_be_that_of_the_file(void **state)
{
    static const struct {
        const char *content;
        const char *packing;
    } types[] = {
        { "application/gzip", "gzip" },   { "application/x-gzip", "gzip" },
        { "application/x-xz", "xz" },     { "application/x-xz-compressed-tar", "xz" },
        { "application/zstd", "zstd" },   { "application/x-zstd", "zstd" },
        { "application/x-tar", "plain" },
    };
    bytes_t tar = { 0 };
    size_t i;
    size_t k;

    tar_usual(&tar);
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (k = 0; k < PACKINGS; k++) {
            bytes_t packed = packings[k].pack(&tar);
            put_file(*state, &packed);
            assert_int_equal(status_of(*state, types[i].content),
                             strcmp(types[i].packing, packings[k].name) == 0 ? 0 : 409);
            bytes_free(&packed);
        }
        put_file(*state, &tar);
        assert_int_equal(status_of(*state, types[i].content),
                         strcmp(types[i].packing, "plain") == 0 ? 0 : 409);
    }
    assert_int_equal(status_of(*state, "application/x-coredump"), 409);
    assert_int_equal(status_of(*state, "text/plain"), 409);
    bytes_free(&tar);
}

static void a_core_may_be_packed_and_is_no_archive(void **state)
{
    bytes_t core = { 0 };
    size_t k;

    upload_add_elf(&core, 4);
    put_file(*state, &core);
    assert_int_equal(status_of(*state, "application/x-coredump"), 0);
    assert_int_equal(status_of(*state, "application/x-core"), 0);
    assert_int_equal(status_of(*state, "application/x-tar"), 409);
    for (k = 0; k < PACKINGS; k++) {
        bytes_t packed = packings[k].pack(&core);
        put_file(*state, &packed);
        assert_int_equal(status_of(*state, "application/x-core"), 0);
        bytes_free(&packed);
    }
    bytes_free(&core);
}

/* --- a kernel without openat2 ----------------------------------------------------------------- */

static int open_without_openat2(void *baton)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ingest_request_t request = { .content = "application/x-tar" };
    retrace_config_t config = { .allow_external_dir = true, .max_packed_mb = MAX_MB };
    ingest_refusal_t refusal = { 0 };
    workspace_t *ws = baton;
    int64_t length = 0;
    int fd = -1;

    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) != 0
        || seccomp_load(filter) != 0) {
        return 2;
    }
    config.external_dirs = workspace_path(ws, "allowed");
    snprintf(request.directory, sizeof(request.directory), "%s", workspace_path(ws, "allowed/1"));
    return !ingest_external_open(&fd, &length, &refusal, &request, &config) && fd == -1
            && refusal.status == 500
        ? 0
        : 1;
}

static void without_openat2_nothing_is_opened(void **state)
{
    workspace_write(*state, "allowed/1/file", "x");
    assert_int_equal(workspace_child(open_without_openat2, *state), 0);
}

static int set_up(void **state)
{
    if (workspace_setup(state) != 0) {
        return -1;
    }
    workspace_make_dir(*state, "allowed");
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_only_file_is_opened_whatever_its_name),
        TEST(an_empty_file_is_one),
        TEST(what_is_not_below_an_allowed_directory_is_refused),
        TEST(nothing_is_allowed_while_the_option_is_off),
        TEST(dots_do_not_lead_out),
        TEST(symbolic_links_are_refused_wherever_they_are),
        TEST(what_is_not_there_is_told_so),
        TEST(none_or_two_files_are_refused),
        TEST(what_is_no_regular_file_is_refused),
        TEST(a_file_at_the_limit_is_opened_and_a_larger_one_is_not),
        TEST(the_content_type_must_be_that_of_the_file),
        TEST(a_core_may_be_packed_and_is_no_archive),
        TEST(without_openat2_nothing_is_opened),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
