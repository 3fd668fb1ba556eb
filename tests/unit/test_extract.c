/* SPDX-License-Identifier: Apache-2.0 */
/* Files out of RPM packages of rpmbuild's: with every compression, hard links, and what makes a package
 * be given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/config.h"
#include "tests/unit/rpm_builder.h"
#include "worker/resolve/extract.h"

typedef struct job_t {
    apr_array_header_t *items;
    int fd;
} job_t;

static job_t begin(workspace_t *ws, const char *package)
{
    job_t job = { apr_array_make(ws->pool, 4, sizeof(worker_extract_item_t)),
                  openat(ws->dir, package, O_RDONLY | O_CLOEXEC) };

    assert_true(job.fd >= 0);
    return job;
}

/* The content goes into out/<number>. */
static void want(workspace_t *ws, job_t *job, const char *path)
{
    const char *name = apr_psprintf(ws->pool, "out/%d", job->items->nelts);
    worker_extract_item_t item = { .path = path };

    workspace_write(ws, name, "");
    item.fd = openat(ws->dir, name, O_WRONLY | O_CLOEXEC);
    assert_true(item.fd >= 0);
    APR_ARRAY_PUSH(job->items, worker_extract_item_t) = item;
}

static apr_status_t run(workspace_t *ws, job_t *job, const worker_extract_limits_t *limits)
{
    apr_status_t rv = worker_extract(job->items, job->fd, limits, &ws->err);
    int i;

    for (i = 0; i < job->items->nelts; i++) {
        (void)close(APR_ARRAY_IDX(job->items, i, worker_extract_item_t).fd);
    }
    (void)close(job->fd);
    return rv;
}

static bool is_done(const job_t *job, int number)
{
    return APR_ARRAY_IDX(job->items, number, worker_extract_item_t).is_done;
}

/* --- What comes out ------------------------------------------------------------------------ */

static void expect_big(workspace_t *ws, const char *payload)
{
    job_t job;

    rpm_builder_make(ws, payload);
    job = begin(ws, "tiny.rpm");
    want(ws, &job, "/tiny/big");
    assert_int_equal(run(ws, &job, &worker_extract_usual), APR_SUCCESS);
    assert_true(is_done(&job, 0));
    workspace_shell(ws, "seq 40000 | head -c 200000 | cmp - out/0");
}

static void gzip_can_be_read(void **state)
{
    expect_big(*state, "w9.gzdio");
}

static void xz_can_be_read(void **state)
{
    expect_big(*state, "w2.xzdio");
}

static void zstd_can_be_read(void **state)
{
    expect_big(*state, "w3.zstdio");
}

static void bzip2_can_be_read(void **state)
{
    expect_big(*state, "w9.bzdio");
}

static void no_compression_can_be_read(void **state)
{
    expect_big(*state, "w.ufdio");
}

/* Only one of them has the content: the last one in the package. */
static void hard_links_have_their_content_whichever_is_wanted(void **state)
{
    static const char *const names[] = { "/tiny/first", "/tiny/linked", "/tiny/other" };
    workspace_t *ws = *state;
    size_t i;

    rpm_builder_make(ws, "w3.zstdio");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        job_t job = begin(ws, "tiny.rpm");

        want(ws, &job, names[i]);
        assert_int_equal(run(ws, &job, &worker_extract_usual), APR_SUCCESS);
        assert_true(is_done(&job, 0));
        assert_string_equal(workspace_read(ws, "out/0"), "small\n");
    }
}

static void several_files_come_in_one_pass_and_what_is_not_there_does_not(void **state)
{
    workspace_t *ws = *state;
    job_t job;

    rpm_builder_make(ws, "w3.zstdio");
    job = begin(ws, "tiny.rpm");
    want(ws, &job, "/tiny/other");
    want(ws, &job, "/tiny/none");
    want(ws, &job, "/tiny/big");
    want(ws, &job, "/tiny/symbolic");
    want(ws, &job, "/tiny");
    assert_int_equal(run(ws, &job, &worker_extract_usual), APR_SUCCESS);
    assert_true(is_done(&job, 0) && is_done(&job, 2));
    assert_false(is_done(&job, 1) || is_done(&job, 3) || is_done(&job, 4));
}

/* --- What does not ------------------------------------------------------------------------- */

static void expect_refused(workspace_t *ws, const char *package, apr_status_t status,
                           const worker_extract_limits_t *limits, const char *words)
{
    job_t job = begin(ws, package);

    want(ws, &job, "/tiny/big");
    assert_int_equal(run(ws, &job, limits), status);
    assert_non_null(strstr(ws->err.text, words));
    assert_false(is_done(&job, 0));
}

static void expect_taken(workspace_t *ws, const worker_extract_limits_t *limits)
{
    job_t job = begin(ws, "tiny.rpm");

    want(ws, &job, "/tiny/big");
    assert_int_equal(run(ws, &job, limits), APR_SUCCESS);
    assert_true(is_done(&job, 0));
}

static void what_is_cut_off_or_no_package_is_refused(void **state)
{
    workspace_t *ws = *state;

    rpm_builder_make(ws, "w2.xzdio");
    workspace_shell(ws, "size=$(stat -c %s tiny.rpm); head -c $((size - 500)) tiny.rpm >cut.rpm");
    workspace_write(ws, "text.rpm", "no package");
    workspace_shell(ws, "mkdir tree; echo x >tree/x; tar cf tar.rpm tree");
    expect_refused(ws, "cut.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
    expect_refused(ws, "text.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
    expect_refused(ws, "tar.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    workspace_t *ws = *state;
    worker_extract_limits_t limits = worker_extract_usual;

    rpm_builder_make(ws, "w3.zstdio");
    limits.file_bytes = RPM_BUILDER_BIG;
    expect_taken(ws, &limits);
    limits.file_bytes = RPM_BUILDER_BIG - 1;
    expect_refused(ws, "tiny.rpm", APR_ENOSPC, &limits, "/tiny/big has more than");
}

/* /tiny and /tiny/big are the first ones. */
static void more_entries_than_the_limit_are_refused(void **state)
{
    workspace_t *ws = *state;
    worker_extract_limits_t limits = worker_extract_usual;

    rpm_builder_make(ws, "w3.zstdio");
    limits.entries = 2;
    expect_taken(ws, &limits);
    limits.entries = 1;
    expect_refused(ws, "tiny.rpm", APR_ENOSPC, &limits, "more than 1 files");
}

static void more_bytes_than_the_limit_are_refused(void **state)
{
    workspace_t *ws = *state;
    worker_extract_limits_t limits = worker_extract_usual;

    rpm_builder_make(ws, "w3.zstdio");
    limits.decoded_bytes = RPM_BUILDER_BIG / 2;
    expect_refused(ws, "tiny.rpm", APR_ENOSPC, &limits, "unpacked");
}

static void more_time_than_the_limit_is_refused(void **state)
{
    workspace_t *ws = *state;
    worker_extract_limits_t limits = worker_extract_usual;

    rpm_builder_make(ws, "w3.zstdio");
    limits.time_ms = -1;
    expect_refused(ws, "tiny.rpm", APR_ENOSPC, &limits, "to unpack");
}

/* Another payload behind the headers of tiny.rpm, into other.rpm. */
static void change_payload(workspace_t *ws, const char *command)
{
    rpm_builder_make(ws, "w.ufdio");
    workspace_shell(ws,
                    apr_psprintf(ws->pool,
                                 "at=$(grep -abo 07070 tiny.rpm | head -n 1 | cut -d: -f1); "
                                 "tail -c +$((at + 1)) tiny.rpm >cpio; "
                                 "(head -c \"$at\" tiny.rpm; %s) >other.rpm",
                                 command));
}

static void one_compression_is_undone_and_not_a_second_one(void **state)
{
    workspace_t *ws = *state;
    job_t job;

    change_payload(ws, "gzip <cpio");
    job = begin(ws, "other.rpm");
    want(ws, &job, "/tiny/big");
    assert_int_equal(run(ws, &job, &worker_extract_usual), APR_SUCCESS);
    assert_true(is_done(&job, 0));
    change_payload(ws, "gzip <cpio | gzip");
    expect_refused(ws, "other.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
    change_payload(ws, "gzip <cpio | xz");
    expect_refused(ws, "other.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
    change_payload(ws, "cat tiny.rpm");
    expect_refused(ws, "other.rpm", APR_EINVAL, &worker_extract_usual, "unknown way");
    change_payload(ws, "tar cf - cpio | gzip");
    expect_refused(ws, "other.rpm", APR_EINVAL, &worker_extract_usual, "cannot be unpacked");
}

/* libarchive looks for the next header as long as there is anything. */
static void bytes_that_are_no_file_are_counted_too(void **state)
{
    workspace_t *ws = *state;
    worker_extract_limits_t limits = worker_extract_usual;

    limits.decoded_bytes = RETRACE_MIB;
    change_payload(ws, "(head -c 120 cpio; head -c 64M /dev/zero) | gzip -1");
    expect_refused(ws, "other.rpm", APR_ENOSPC, &limits, "unpacked");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gzip_can_be_read),
        TEST(xz_can_be_read),
        TEST(zstd_can_be_read),
        TEST(bzip2_can_be_read),
        TEST(no_compression_can_be_read),
        TEST(hard_links_have_their_content_whichever_is_wanted),
        TEST(several_files_come_in_one_pass_and_what_is_not_there_does_not),
        TEST(what_is_cut_off_or_no_package_is_refused),
        TEST(a_file_beyond_the_limit_is_refused),
        TEST(more_entries_than_the_limit_are_refused),
        TEST(more_bytes_than_the_limit_are_refused),
        TEST(more_time_than_the_limit_is_refused),
        TEST(one_compression_is_undone_and_not_a_second_one),
        TEST(bytes_that_are_no_file_are_counted_too),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
