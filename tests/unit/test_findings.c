/* SPDX-License-Identifier: Apache-2.0 */
/* From upload and core to facts: who is asked first for what, and what stays unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/findings.h"

typedef struct scene_t {
    worker_module_t program;
    worker_core_t core;
    worker_claims_t claims;
    retrace_facts_t *facts;
    apr_pool_t *pool;
} scene_t;

/* A core with a program that has a package note, an upload that says nothing. */
static scene_t *make_scene(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    scene_t *scene = apr_pcalloc(p, sizeof(*scene));

    scene->pool = p;
    scene->facts = retrace_facts_make(p);
    scene->program.path = "/usr/bin/app";
    scene->program.package_name = "noted";
    scene->program.package_version = "4.5-6.fc41";
    scene->program.package_os_cpe = "cpe:/o:fedoraproject:fedora:40";
    scene->core.arch = "x86_64";
    scene->core.program = &scene->program;
    return scene;
}

static void expect_package(scene_t *scene, const char *package, const char *version)
{
    scene->facts = retrace_facts_make(scene->pool);
    worker_findings_name(scene->facts, &scene->claims, &scene->core, scene->pool);
    assert_string_equal(scene->facts->package, package);
    assert_string_equal(scene->facts->version, version);
}

static void expect_release(scene_t *scene, const char *release)
{
    scene->facts = retrace_facts_make(scene->pool);
    worker_findings_name(scene->facts, &scene->claims, &scene->core, scene->pool);
    assert_string_equal(scene->facts->release, release);
}

static void the_package_is_the_uploads(void **state)
{
    scene_t *scene = make_scene(state);

    scene->claims.package = "gedit-2:3.2-1.fc36";
    expect_package(scene, "gedit", "2:3.2-1.fc36");
    scene->claims.package = "bash-completion-5.1-2.fc36";
    expect_package(scene, "bash-completion", "5.1-2.fc36");
}

static void else_it_is_the_package_notes(void **state)
{
    scene_t *scene = make_scene(state);

    expect_package(scene, "noted", "4.5-6.fc41");
    scene->claims.package = "not a package";
    expect_package(scene, "noted", "4.5-6.fc41");
    scene->program.package_version = NULL;
    expect_package(scene, "noted", "-");
}

static void else_it_is_the_programs_name(void **state)
{
    scene_t *scene = make_scene(state);

    scene->program.package_name = NULL;
    expect_package(scene, "app", "-");
    scene->program.path = "a\npp";
    expect_package(scene, "a\\npp", "-");
    scene->program.path = "/usr/bin/";
    expect_package(scene, "-", "-");
    scene->core.program = NULL;
    expect_package(scene, "-", "-");
    scene->claims.executable = "/opt/claimed";
    expect_package(scene, "claimed", "-");
}

static void the_release_is_the_uploads(void **state)
{
    scene_t *scene = make_scene(state);

    scene->claims.os_release = "Fedora release 36 (Thirty Six)";
    expect_release(scene, "fedora-36");
}

static void else_it_is_the_package_notes_system(void **state)
{
    scene_t *scene = make_scene(state);

    expect_release(scene, "fedora-40");
    scene->claims.os_release = "an operating system";
    expect_release(scene, "fedora-40");
    scene->program.package_os_cpe = "cpe:/o:redhat:enterprise_linux:9";
    expect_release(scene, "rhel-9");
}

static void else_it_is_the_packages_tag(void **state)
{
    static const char *const bad[] = { NULL,
                                       "",
                                       "cpe:/o:",
                                       "cpe:/o:x",
                                       "cpe:/o:x:fedora",
                                       "cpe:/a:fedoraproject:fedora:40",
                                       "cpe:/o:x:fedora:new" };
    scene_t *scene = make_scene(state);
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        scene->program.package_os_cpe = bad[i];
        expect_release(scene, "fedora-41");
    }
    scene->program.package_version = "4.5-6";
    expect_release(scene, "-");
}

static void without_a_core_the_upload_is_asked(void **state)
{
    scene_t *scene = make_scene(state);

    scene->claims.package = "app-1-2.el8";
    scene->claims.executable = "/usr/bin/app";
    worker_findings_name(scene->facts, &scene->claims, NULL, scene->pool);
    assert_string_equal(scene->facts->package, "app");
    assert_string_equal(scene->facts->release, "rhel-8");
    assert_string_equal(scene->facts->arch, "-");
}

static void files_are_hits_or_misses(void **state)
{
    scene_t *scene = make_scene(state);
    const worker_found_t cached = { .source = worker_source_cache.name };
    const worker_found_t other = { .source = worker_source_host.name };
    apr_array_header_t *resolved = apr_array_make(scene->pool, 2, sizeof(worker_resolved_t));

    APR_ARRAY_PUSH(resolved, worker_resolved_t) =
        (worker_resolved_t){ .executable = &cached, .debuginfo = &cached, .dwz = &other };
    APR_ARRAY_PUSH(resolved, worker_resolved_t) = (worker_resolved_t){ .executable = &other };
    worker_findings_count(scene->facts, resolved);
    assert_int_equal(scene->facts->cache_hits, 2);
    assert_int_equal(scene->facts->cache_misses, 2);
}

static void missing_files_are_misses_and_listed_up_to_a_limit(void **state)
{
    scene_t *scene = make_scene(state);
    const retrace_missing_t *first;
    int i;

    scene->program.path = "/usr/lib/\xff.so";
    for (i = 0; i < RETRACE_FACTS_MAX_MISSING + 1; i++) {
        worker_findings_add_missing(scene->facts, &scene->program, WORKER_FILE_DEBUGINFO, "abcd",
                                    scene->pool);
    }
    assert_int_equal(scene->facts->cache_misses, RETRACE_FACTS_MAX_MISSING + 1);
    assert_int_equal(scene->facts->missing->nelts, RETRACE_FACTS_MAX_MISSING);
    first = &APR_ARRAY_IDX(scene->facts->missing, 0, retrace_missing_t);
    assert_string_equal(first->kind, "debuginfo");
    assert_string_equal(first->build_id, "abcd");
    assert_string_equal(first->path, "/usr/lib/\\xff.so");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_package_is_the_uploads),
        TEST(else_it_is_the_package_notes),
        TEST(else_it_is_the_programs_name),
        TEST(the_release_is_the_uploads),
        TEST(else_it_is_the_package_notes_system),
        TEST(else_it_is_the_packages_tag),
        TEST(without_a_core_the_upload_is_asked),
        TEST(files_are_hits_or_misses),
        TEST(missing_files_are_misses_and_listed_up_to_a_limit),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
