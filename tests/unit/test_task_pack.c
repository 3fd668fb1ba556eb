/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/pack.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/pack.h"
#include "tests/unit/workspace.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable()  ((void)0)
#endif

#define CORE_BYTES 200000

static task_source_t make_source(const workspace_t *ws)
{
    task_source_t source = { .name = "core", .core_bytes = CORE_BYTES };

    workspace_write(ws, "core", "memory");
    source.core = openat(ws->dir, "core", O_RDWR | O_CLOEXEC);
    assert_true(source.core >= 0);
    assert_int_equal(ftruncate(source.core, CORE_BYTES), 0);
    task_source_own(source.core, ws->pool);
    return source;
}

static task_plan_t make_plan(task_format_t format)
{
    return (
        task_plan_t){ .format = format, .name = "coredump", .max_packed = -1, .max_unpacked = -1 };
}

static apr_status_t pack(workspace_t *ws, task_upload_t *upload, task_source_t *source,
                         const task_plan_t *plan)
{
    task_progress_t progress = { .out = NULL };

    return task_pack(upload, source, plan, &progress, &ws->err, ws->pool);
}

/* archive_write_free (libarchive 3.6) keeps the buffers of an archive that has failed. */
static void expect_refusal(workspace_t *ws, task_source_t *source, const task_plan_t *plan)
{
    task_upload_t upload;

    __lsan_disable();
    assert_int_equal(pack(ws, &upload, source, plan), TASK_STATUS(TASK_EXIT_SOURCE));
    __lsan_enable();
}

static void an_upload_has_its_length_and_no_name(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_XZ);
    task_upload_t upload;
    struct stat info;

    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
    assert_int_equal(fstat(upload.fd, &info), 0);
    assert_int_equal(info.st_size, upload.bytes);
    assert_int_equal(info.st_nlink, 0);
}

static void the_packed_limit_is_exact(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_GZIP);
    task_upload_t upload;

    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
    plan.max_packed = upload.bytes;
    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
    plan.max_packed--;
    expect_refusal(ws, &source, &plan);
}

static void a_core_that_shrinks_meanwhile_is_refused(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_ZSTD);

    assert_int_equal(ftruncate(source.core, CORE_BYTES - 1), 0);
    expect_refusal(ws, &source, &plan);
    assert_string_equal(ws->err.text, "the core became shorter meanwhile");
}

static void one_that_grows_is_sent_as_it_was(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_XZ);
    task_upload_t upload;

    assert_int_equal(ftruncate(source.core, CORE_BYTES * 2), 0);
    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
}

static void a_bare_core_is_packed_without_an_archive(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_GZIP);
    task_upload_t upload;
    char command[128];

    plan.bare = true;
    source.members[TASK_MEMBER_EXECUTABLE] = "/bin/a";
    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
    snprintf(command, sizeof(command), "zcat </proc/%d/fd/%d | cmp - core", (int)getpid(),
             upload.fd);
    workspace_shell(ws, command);
}

static void a_bare_core_is_the_upload(void **state)
{
    workspace_t *ws = *state;
    task_source_t source = make_source(ws);
    task_plan_t plan = make_plan(TASK_FORMAT_CORE);
    task_upload_t upload;

    assert_int_equal(pack(ws, &upload, &source, &plan), APR_SUCCESS);
    assert_int_equal(upload.fd, source.core);
    assert_int_equal(upload.bytes, CORE_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_upload_has_its_length_and_no_name),     TEST(the_packed_limit_is_exact),
        TEST(a_core_that_shrinks_meanwhile_is_refused), TEST(one_that_grows_is_sent_as_it_was),
        TEST(a_bare_core_is_packed_without_an_archive), TEST(a_bare_core_is_the_upload),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
