/* SPDX-License-Identifier: Apache-2.0 */
/* The sysroot as a plan: executables at the paths of the core, debug information by build-id, links
 * for what the process knows by another name, and nothing at a path that is not plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/environment/environment.h"
#include "worker/path.h"

typedef struct plan_t {
    worker_core_t core;
    apr_array_header_t *resolved;
    apr_pool_t *pool;
} plan_t;

static plan_t *make_plan(void **state)
{
    plan_t *plan = apr_pcalloc(((workspace_t *)*state)->pool, sizeof(*plan));

    plan->pool = ((workspace_t *)*state)->pool;
    plan->core.modules = apr_array_make(plan->pool, 16, sizeof(worker_module_t));
    plan->resolved = apr_array_make(plan->pool, 16, sizeof(worker_resolved_t));
    return plan;
}

static worker_found_t *make_found(const plan_t *plan, const char *path, const char *build_id,
                                  const char *soname)
{
    worker_elf_file_t *elf = apr_pcalloc(plan->pool, sizeof(*elf));
    worker_found_t *found = apr_pcalloc(plan->pool, sizeof(*found));

    elf->build_id = build_id;
    elf->soname = soname;
    found->path = path;
    found->elf = elf;
    return found;
}

/* A module whose executable was found; NULL source: it was not. */
static worker_resolved_t *add_module(plan_t *plan, const char *path, const char *source,
                                     const char *soname)
{
    worker_module_t *module = apr_array_push(plan->core.modules);
    worker_resolved_t *resolved = apr_array_push(plan->resolved);

    memset(module, 0, sizeof(*module));
    memset(resolved, 0, sizeof(*resolved));
    module->path = path;
    module->is_elf = true;
    module->build_id = SAMPLE_ID;
    resolved->module = module;
    if (source != NULL) {
        resolved->executable = make_found(plan, source, SAMPLE_ID, soname);
    }
    return resolved;
}

static const worker_environment_t *finish(const plan_t *plan)
{
    return worker_sysroot_plan(&plan->core, plan->resolved, plan->pool);
}

static const char *bind_of(const worker_environment_t *environment, const char *target)
{
    int i;

    for (i = 0; i < environment->binds->nelts; i++) {
        const worker_bind_t *bind = &APR_ARRAY_IDX(environment->binds, i, worker_bind_t);

        if (strcmp(bind->target, target) == 0) {
            return bind->source;
        }
    }
    return NULL;
}

static const char *link_of(const worker_environment_t *environment, const char *path)
{
    int i;

    for (i = 0; i < environment->links->nelts; i++) {
        const worker_link_t *link = &APR_ARRAY_IDX(environment->links, i, worker_link_t);

        if (strcmp(link->path, path) == 0) {
            return link->content;
        }
    }
    return NULL;
}

/* The sandbox refuses the whole run otherwise. */
static void expect_all_plain(const worker_environment_t *environment)
{
    int i;

    for (i = 0; i < environment->binds->nelts; i++) {
        assert_true(
            worker_path_is_plain(APR_ARRAY_IDX(environment->binds, i, worker_bind_t).target));
    }
    for (i = 0; i < environment->links->nelts; i++) {
        const char *path = APR_ARRAY_IDX(environment->links, i, worker_link_t).path;

        if (!worker_path_is_plain(path)) {
            print_message("not plain: %s\n", path);
            fail();
        }
    }
}

/* --- Files --------------------------------------------------------------------------------- */

static void an_executable_appears_at_the_path_of_the_core(void **state)
{
    plan_t *plan = make_plan(state);

    (void)add_module(plan, "/opt/app/bin/app", "/cache/x", NULL);
    assert_string_equal(bind_of(finish(plan), "/sysroot/opt/app/bin/app"), "/cache/x");
}

static void debug_information_appears_by_build_id(void **state)
{
    plan_t *plan = make_plan(state);
    worker_resolved_t *resolved = add_module(plan, "/usr/lib/a.so", "/cache/a", NULL);
    const worker_environment_t *environment;

    resolved->debuginfo = make_found(plan, "/cache/a.debug", "abcdef0123456789", NULL);
    resolved->dwz = make_found(plan, "/cache/common", "0011223344556677", NULL);
    environment = finish(plan);
    assert_string_equal(
        bind_of(environment, "/sysroot/usr/lib/debug/.build-id/ab/cdef0123456789.debug"),
        "/cache/a.debug");
    assert_string_equal(
        bind_of(environment, "/sysroot/usr/lib/debug/.build-id/00/11223344556677.debug"),
        "/cache/common");
}

static void a_dwz_file_that_several_need_is_bound_once(void **state)
{
    plan_t *plan = make_plan(state);
    worker_found_t *dwz = make_found(plan, "/cache/common", "0011223344556677", NULL);

    add_module(plan, "/usr/lib/a.so", NULL, NULL)->dwz = dwz;
    add_module(plan, "/usr/lib/b.so", NULL, NULL)->dwz = dwz;
    assert_int_equal(finish(plan)->binds->nelts, 1);
}

static void what_was_not_found_is_not_bound(void **state)
{
    plan_t *plan = make_plan(state);

    (void)add_module(plan, "/usr/lib/a.so", NULL, NULL);
    assert_int_equal(finish(plan)->binds->nelts, 0);
}

static void two_modules_of_one_path_are_bound_once(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/usr/lib/a.so", "/cache/first", NULL);
    (void)add_module(plan, "/usr/lib/a.so", "/cache/second", NULL);
    environment = finish(plan);
    assert_int_equal(environment->binds->nelts, 1);
    assert_string_equal(bind_of(environment, "/sysroot/usr/lib/a.so"), "/cache/first");
}

static void paths_that_are_not_plain_are_left_out(void **state)
{
    static const char *const paths[] = {
        "/../etc/x", "/usr/../../x", "usr/lib/a.so", "", "/usr//a.so", "/a\nb", "/", "/usr/lib/",
    };
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;
    size_t i;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)add_module(plan, paths[i], "/cache/x", "libevil.so");
    }
    environment = finish(plan);
    assert_int_equal(environment->binds->nelts, 0);
    assert_null(environment->program);
    expect_all_plain(environment);
}

/* --- The program --------------------------------------------------------------------------- */

static void the_program_is_told_when_it_is_there(void **state)
{
    plan_t *plan = make_plan(state);

    (void)add_module(plan, "/usr/lib/a.so", "/cache/a", NULL);
    plan->core.program = add_module(plan, "/usr/bin/app", "/cache/app", NULL)->module;
    assert_string_equal(finish(plan)->program, "/usr/bin/app");
}

static void a_program_that_is_missing_is_not_told(void **state)
{
    plan_t *plan = make_plan(state);

    plan->core.program = add_module(plan, "/usr/bin/app", NULL, NULL)->module;
    assert_null(finish(plan)->program);
}

/* --- Links --------------------------------------------------------------------------------- */

static void a_soname_leads_to_its_file(void **state)
{
    plan_t *plan = make_plan(state);

    (void)add_module(plan, "/usr/lib/libwork.so.1.1.0", "/cache/x", "libwork.so.1");
    assert_string_equal(link_of(finish(plan), "/sysroot/usr/lib/libwork.so.1"), "libwork.so.1.1.0");
}

static void a_file_that_is_named_by_its_soname_needs_no_link(void **state)
{
    plan_t *plan = make_plan(state);

    (void)add_module(plan, "/usr/lib/libwork.so.1", "/cache/x", "libwork.so.1");
    assert_null(link_of(finish(plan), "/sysroot/usr/lib/libwork.so.1"));
}

static void a_soname_does_not_cover_a_file_of_that_name(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/usr/lib/libwork.so.1.1.0", "/cache/x", "libwork.so.1");
    (void)add_module(plan, "/usr/lib/libwork.so.1", "/cache/y", NULL);
    environment = finish(plan);
    assert_null(link_of(environment, "/sysroot/usr/lib/libwork.so.1"));
    assert_string_equal(bind_of(environment, "/sysroot/usr/lib/libwork.so.1"), "/cache/y");
}

static void two_files_of_one_soname_make_one_link(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;
    int before = finish(plan)->links->nelts;

    (void)add_module(plan, "/usr/lib/libwork.so.1.1", "/cache/x", "libwork.so.1");
    (void)add_module(plan, "/usr/lib/libwork.so.1.2", "/cache/y", "libwork.so.1");
    environment = finish(plan);
    assert_int_equal(environment->links->nelts, before + 1);
}

/* A library in the root directory, as in a container: "/sysroot//libwork.so.1" is no plain path,
 * for which the sandbox refused the whole run. */
static void the_soname_of_a_file_at_the_top_has_a_plain_path(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/libwork.so.1.1.0", "/cache/x", "libwork.so.1");
    environment = finish(plan);
    expect_all_plain(environment);
    assert_string_equal(link_of(environment, "/sysroot/libwork.so.1"), "libwork.so.1.1.0");
}

static void the_loader_is_found_in_both_directories_of_the_abi(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/cache/ld",
                     "ld-linux-x86-64.so.2");
    environment = finish(plan);
    assert_string_equal(link_of(environment, "/sysroot/usr/lib64/ld-linux-x86-64.so.2"),
                        "/sysroot/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    assert_string_equal(link_of(environment, "/sysroot/usr/lib/ld-linux-x86-64.so.2"),
                        "/sysroot/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
}

static void the_loader_is_not_linked_onto_itself(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/usr/lib64/ld-linux-x86-64.so.2", "/cache/ld", "ld-linux-x86-64.so.2");
    environment = finish(plan);
    assert_null(link_of(environment, "/sysroot/usr/lib64/ld-linux-x86-64.so.2"));
}

/* Of each architecture, at the place that Fedora and Debian have it in. */
static void every_loader_has_the_name_that_programs_know(void **state)
{
    static const struct {
        const char *file;
        const char *soname;
        const char *link;
    } rows[] = {
        { "/usr/lib/i386-linux-gnu/ld-linux.so.2", "ld-linux.so.2", "/usr/lib/ld-linux.so.2" },
        { "/usr/lib64/ld-linux-aarch64.so.1", "ld-linux-aarch64.so.1",
          "/usr/lib/ld-linux-aarch64.so.1" },
        { "/usr/lib/arm-linux-gnueabihf/ld-linux-armhf.so.3", "ld-linux-armhf.so.3",
          "/usr/lib/ld-linux-armhf.so.3" },
        { "/usr/lib/powerpc64le-linux-gnu/ld64.so.2", "ld64.so.2", "/usr/lib64/ld64.so.2" },
        { "/usr/lib64/ld64.so.1", "ld64.so.1", "/usr/lib/ld64.so.1" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        plan_t *plan = make_plan(state);
        const char *path = apr_pstrcat(plan->pool, "/sysroot", rows[i].link, NULL);

        (void)add_module(plan, rows[i].file, "/cache/ld", rows[i].soname);
        assert_string_equal(link_of(finish(plan), path),
                            apr_pstrcat(plan->pool, "/sysroot", rows[i].file, NULL));
    }
}

/* /lib is a directory there, and what is in /usr/lib is not in it. */
static void the_loader_of_a_system_without_merged_usr_is_in_its_lib(void **state)
{
    static const char loader[] = "/lib/aarch64-linux-gnu/ld-2.28.so";
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, loader, "/cache/ld", "ld-linux-aarch64.so.1");
    environment = finish(plan);
    assert_string_equal(link_of(environment, "/sysroot/lib/ld-linux-aarch64.so.1"),
                        "/sysroot/lib/aarch64-linux-gnu/ld-2.28.so");
    assert_string_equal(link_of(environment, "/sysroot/usr/lib64/ld-linux-aarch64.so.1"),
                        "/sysroot/lib/aarch64-linux-gnu/ld-2.28.so");
}

/* The loader's link where this program, which is there, wants its loader. */
static const char *link_of_interpreter(void **state, const char *interpreter, const char *path)
{
    plan_t *plan = make_plan(state);
    worker_resolved_t *program = add_module(plan, "/opt/app/app", "/cache/x", NULL);

    ((worker_elf_file_t *)(uintptr_t)program->executable->elf)->interpreter = interpreter;
    plan->core.program = program->module;
    (void)add_module(plan, "/opt/app/usr/lib/ld.so.1", "/cache/ld", "ld.so.1");
    expect_all_plain(finish(plan));
    return link_of(finish(plan), path);
}

static void the_loader_is_found_where_the_program_wants_it(void **state)
{
    assert_string_equal(
        link_of_interpreter(state, "/opt/app/lib/ld.so.1", "/sysroot/opt/app/lib/ld.so.1"),
        "/sysroot/opt/app/usr/lib/ld.so.1");
    assert_string_equal(
        link_of_interpreter(state, "/lib/abi/ld.so.1", "/sysroot/usr/lib/abi/ld.so.1"),
        "/sysroot/opt/app/usr/lib/ld.so.1");
}

static void an_interpreter_that_cannot_be_the_loader_is_ignored(void **state)
{
    assert_null(link_of_interpreter(state, "/opt/app/app/ld", "/sysroot/opt/app/app/ld"));
    assert_null(link_of_interpreter(state, "/opt/../ld.so.1", "/sysroot/opt/../ld.so.1"));
    assert_null(link_of_interpreter(state, "ld.so.1", "/sysrootld.so.1"));
    assert_null(link_of_interpreter(state, NULL, "/sysroot/opt/app/lib/ld.so.1"));
}

static void the_directories_of_merged_usr_are_links(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/usr/lib/a.so", "/cache/a", NULL);
    environment = finish(plan);
    assert_string_equal(link_of(environment, "/sysroot/lib"), "usr/lib");
    assert_string_equal(link_of(environment, "/sysroot/lib64"), "usr/lib64");
    assert_string_equal(link_of(environment, "/sysroot/bin"), "usr/bin");
}

static void a_directory_with_files_of_the_core_is_no_link(void **state)
{
    plan_t *plan = make_plan(state);
    const worker_environment_t *environment;

    (void)add_module(plan, "/lib/x86_64-linux-gnu/libc.so.6", NULL, NULL);
    environment = finish(plan);
    assert_null(link_of(environment, "/sysroot/lib"));
    assert_string_equal(link_of(environment, "/sysroot/lib64"), "usr/lib64");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_executable_appears_at_the_path_of_the_core),
        TEST(debug_information_appears_by_build_id),
        TEST(a_dwz_file_that_several_need_is_bound_once),
        TEST(what_was_not_found_is_not_bound),
        TEST(two_modules_of_one_path_are_bound_once),
        TEST(paths_that_are_not_plain_are_left_out),
        TEST(the_program_is_told_when_it_is_there),
        TEST(a_program_that_is_missing_is_not_told),
        TEST(a_soname_leads_to_its_file),
        TEST(a_file_that_is_named_by_its_soname_needs_no_link),
        TEST(a_soname_does_not_cover_a_file_of_that_name),
        TEST(two_files_of_one_soname_make_one_link),
        TEST(the_soname_of_a_file_at_the_top_has_a_plain_path),
        TEST(the_loader_is_found_in_both_directories_of_the_abi),
        TEST(the_loader_is_not_linked_onto_itself),
        TEST(every_loader_has_the_name_that_programs_know),
        TEST(the_loader_of_a_system_without_merged_usr_is_in_its_lib),
        TEST(the_loader_is_found_where_the_program_wants_it),
        TEST(an_interpreter_that_cannot_be_the_loader_is_ignored),
        TEST(the_directories_of_merged_usr_are_links),
        TEST(a_directory_with_files_of_the_core_is_no_link),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
