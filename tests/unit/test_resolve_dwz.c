/* SPDX-License-Identifier: Apache-2.0 */
/* Debug information whose dwz file is named by a relative path, as Fedora's is: that path counts
 * from where the debug information was on this machine, not from its copy in the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/resolve.h"

static void ignore_missing(void *baton, const worker_module_t *module, worker_file_kind_t kind,
                           const char *build_id, const char *reason)
{
    (void)baton;
    (void)module;
    (void)kind;
    (void)build_id;
    (void)reason;
}

/* host/lib.so, debug/.build-id/11/1….debug -> debug/lib/lib.debug, which needs debug/.dwz/common.
 * */
static void make_host(workspace_t *ws)
{
    workspace_build_samples(ws);
    workspace_shell(ws,
                    "mkdir -p cache host debug/lib debug/.dwz debug/.build-id/11"
                    " && cp built/lib.so host && cp built/lib.debug built/other.debug debug/lib"
                    " && cd debug && dwz -r -m .dwz/common lib/lib.debug lib/other.debug"
                    " && ln -s ../../lib/lib.debug"
                    " .build-id/11/11111111111111111111111111111111111111.debug");
}

static const worker_resolved_t *resolve_lib(workspace_t *ws, bool fills_cache)
{
    static const worker_source_t *const sources[] = { &worker_source_cache, &worker_source_host,
                                                      NULL };
    worker_chain_t chain = { sources, fills_cache };
    retrace_config_t config = { .cache_dir = workspace_path(ws, "cache"),
                                .host_dirs = workspace_path(ws, "host"),
                                .host_debug_dir = workspace_path(ws, "debug") };
    worker_core_t core = { .modules = apr_array_make(ws->pool, 1, sizeof(worker_module_t)) };
    const worker_errand_t errand = { .missing = ignore_missing };
    worker_module_t *module = apr_array_push(core.modules);

    memset(module, 0, sizeof(*module));
    module->path = workspace_path(ws, "host/lib.so");
    module->build_id = SAMPLE_ID;
    module->is_elf = true;
    return &APR_ARRAY_IDX(worker_resolve(&core, &config, &chain, &errand, ws->pool), 0,
                          worker_resolved_t);
}

static void require_dwz(void)
{
    if (system("dwz --version >/dev/null 2>&1") != 0) {
        print_message("skipped: dwz is not installed\n");
        skip();
    }
}

static void a_relative_dwz_file_is_found_without_the_cache(void **state)
{
    require_dwz();
    make_host(*state);
    assert_non_null(resolve_lib(*state, false)->dwz);
}

static void a_relative_dwz_file_is_found_although_its_asker_went_into_the_cache(void **state)
{
    const worker_resolved_t *resolved;

    require_dwz();
    make_host(*state);
    resolved = resolve_lib(*state, true);
    assert_null(resolved->missing_dwz);
    assert_non_null(resolved->debuginfo);
    assert_non_null(resolved->dwz);
}

static void the_second_time_all_comes_from_the_cache(void **state)
{
    const worker_resolved_t *resolved;

    require_dwz();
    make_host(*state);
    (void)resolve_lib(*state, true);
    workspace_shell(*state, "rm -r host debug");
    resolved = resolve_lib(*state, true);
    assert_non_null(resolved->executable);
    assert_non_null(resolved->debuginfo);
    assert_non_null(resolved->dwz);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_relative_dwz_file_is_found_without_the_cache),
        TEST(a_relative_dwz_file_is_found_although_its_asker_went_into_the_cache),
        TEST(the_second_time_all_comes_from_the_cache),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
