/* SPDX-License-Identifier: Apache-2.0 */
/* This machine's files as a source: found where gdb would look, taken only for their build-id, and
 * never from outside HostDirs, wherever a path of the core or a link leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/source.h"

/* HostDirs is host/, HostDebugDir is debug/. */
static const retrace_config_t *make_config(workspace_t *ws)
{
    retrace_config_t *config = apr_pcalloc(ws->pool, sizeof(*config));

    workspace_make_dir(ws, "host");
    workspace_make_dir(ws, "debug");
    config->host_dirs = workspace_path(ws, "host");
    config->host_debug_dir = workspace_path(ws, "debug");
    return config;
}

static int setup(void **state)
{
    int rc = workspace_setup(state);

    if (rc == 0) {
        workspace_build_samples(*state);
    }
    return rc;
}

static void copy(workspace_t *ws, const char *from, const char *to)
{
    workspace_shell(
        ws, apr_psprintf(ws->pool, "mkdir -p $(dirname %s) && cp built/%s %s", to, from, to));
}

static void expect_found(workspace_t *ws, const retrace_config_t *config, const worker_want_t *want,
                         const char *name)
{
    worker_found_t *found = NULL;

    if (worker_source_host.find(&found, config, want, &ws->err, ws->pool) != APR_SUCCESS) {
        print_message("%s\n", ws->err.text);
        fail();
    }
    assert_string_equal(found->path, workspace_path(ws, name));
    assert_string_equal(found->elf->build_id, want->build_id);
    assert_string_equal(found->source, "host");
}

static void expect_not_found(workspace_t *ws, const retrace_config_t *config,
                             const worker_want_t *want, const char *words)
{
    worker_found_t *found = NULL;

    assert_int_equal(worker_source_host.find(&found, config, want, &ws->err, ws->pool),
                     APR_NOTFOUND);
    assert_null(found);
    if (strstr(ws->err.text, words) == NULL) {
        print_message("'%s' is not in: %s\n", words, ws->err.text);
        fail();
    }
}

static worker_want_t want_executable(const char *path)
{
    worker_want_t want = { .kind = WORKER_FILE_EXECUTABLE, .build_id = SAMPLE_ID, .path = path };

    return want;
}

/* --- Executables --------------------------------------------------------------------------- */

static void a_library_is_found_at_the_path_of_the_core(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host/lib/lib.so"));

    copy(ws, "lib.so", "host/lib/lib.so");
    expect_found(ws, config, &want, "host/lib/lib.so");
}

static void a_library_of_another_build_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host/lib.so"));

    copy(ws, "other.so", "host/lib.so");
    expect_not_found(ws, config, &want, "has build-id " OTHER_ID);
}

static void a_path_outside_host_dirs_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host2/lib.so"));

    copy(ws, "lib.so", "host2/lib.so");
    expect_not_found(ws, config, &want, "is not below HostDirs");
}

static void a_link_out_of_host_dirs_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t file = want_executable(workspace_path(ws, "host/link.so"));
    worker_want_t directory = want_executable(workspace_path(ws, "host/dir/lib.so"));

    copy(ws, "lib.so", "secret/lib.so");
    workspace_link(ws, "../secret/lib.so", "host/link.so");
    workspace_link(ws, workspace_path(ws, "secret"), "host/dir");
    expect_not_found(ws, config, &file, "is not below HostDirs");
    expect_not_found(ws, config, &directory, "is not below HostDirs");
}

static void a_link_within_host_dirs_is_followed_to_the_real_file(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host/lib.so.1"));

    copy(ws, "lib.so", "host/lib.so.1.0");
    workspace_link(ws, "lib.so.1.0", "host/lib.so.1");
    expect_found(ws, config, &want, "host/lib.so.1.0");
}

static void each_of_several_host_dirs_counts(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = *make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "opt/lib.so"));

    copy(ws, "lib.so", "opt/lib.so");
    config.host_dirs = apr_pstrcat(ws->pool, "/nonexistent:relative::", workspace_path(ws, "opt"),
                                   ":/other", NULL);
    expect_found(ws, &config, &want, "opt/lib.so");
}

static void without_host_dirs_nothing_is_taken(void **state)
{
    workspace_t *ws = *state;
    retrace_config_t config = *make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host/lib.so"));

    copy(ws, "lib.so", "host/lib.so");
    config.host_dirs = "";
    expect_not_found(ws, &config, &want, "is not below HostDirs");
}

static void a_path_that_is_not_plain_is_not_looked_at(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    const char *const paths[] = {
        "lib.so",
        "",
        workspace_path(ws, "host/../host/lib.so"),
        workspace_path(ws, "host/./lib.so"),
        workspace_path(ws, "host//lib.so"),
        workspace_path(ws, "host/lib.so (deleted)"),
        NULL,
    };
    size_t i;

    copy(ws, "lib.so", "host/lib.so");
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        worker_want_t want = want_executable(paths[i]);

        expect_not_found(ws, config, &want, "this machine has no file of that name");
    }
}

static void what_is_no_regular_elf_file_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t text = want_executable(workspace_path(ws, "host/text"));
    worker_want_t directory = want_executable(workspace_path(ws, "host/directory"));
    worker_want_t fifo = want_executable(workspace_path(ws, "host/fifo"));

    workspace_write(ws, "host/text", "#!/bin/sh\n");
    workspace_make_dir(ws, "host/directory");
    workspace_fifo(ws, "host/fifo");
    (void)alarm(20);
    expect_not_found(ws, config, &text, "is not a sound ELF file");
    expect_not_found(ws, config, &directory, "is not a regular file");
    expect_not_found(ws, config, &fifo, "is not a regular file");
    (void)alarm(0);
}

static void debug_information_is_no_executable(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_executable(workspace_path(ws, "host/lib.so"));

    copy(ws, "lib.debug", "host/lib.so");
    expect_not_found(ws, config, &want, "holds no executable");
}

/* --- Debug information --------------------------------------------------------------------- */

static worker_want_t want_debuginfo(workspace_t *ws, const char *debuglink)
{
    worker_want_t want = { .kind = WORKER_FILE_DEBUGINFO,
                           .build_id = SAMPLE_ID,
                           .debuglink = debuglink,
                           .beside = workspace_path(ws, "host/lib/lib.so") };

    return want;
}

static void debug_information_is_found_in_each_place_that_gdb_knows(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_debuginfo(ws, "lib.debug");
    const char *const places[] = {
        apr_pstrcat(ws->pool, "debug", workspace_path(ws, "host/lib/lib.debug"), NULL),
        "host/lib/.debug/lib.debug",
        "host/lib/lib.debug",
        "debug/.build-id/11/11111111111111111111111111111111111111.debug",
    };
    size_t i;

    /* From the last place to the first: the one before has to win each time. */
    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        copy(ws, "lib.debug", places[i]);
        expect_found(ws, config, &want, places[i]);
    }
}

static void a_place_with_another_build_does_not_end_the_search(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_debuginfo(ws, "lib.debug");

    copy(ws, "other.debug", "host/lib/lib.debug");
    copy(ws, "lib.debug", "host/lib/.debug/lib.debug");
    expect_found(ws, config, &want, "host/lib/.debug/lib.debug");
}

static void without_a_debuglink_only_the_build_id_leads_to_it(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_debuginfo(ws, NULL);

    copy(ws, "lib.debug", "host/lib/lib.debug");
    expect_not_found(ws, config, &want, "");
    copy(ws, "lib.debug", "debug/.build-id/11/11111111111111111111111111111111111111.debug");
    expect_found(ws, config, &want,
                 "debug/.build-id/11/11111111111111111111111111111111111111.debug");
}

/* It would only hide that the debug information is missing. */
static void a_stripped_library_is_no_debug_information(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_debuginfo(ws, "lib.debug");

    copy(ws, "lib.so", "host/lib/lib.debug");
    expect_not_found(ws, config, &want, "holds no debuginfo");
}

static void a_build_id_link_out_of_the_allowed_directories_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = want_debuginfo(ws, NULL);

    copy(ws, "lib.debug", "secret/lib.debug");
    workspace_link(ws, workspace_path(ws, "secret/lib.debug"),
                   "debug/.build-id/11/11111111111111111111111111111111111111.debug");
    expect_not_found(ws, config, &want, "is not below HostDirs");
}

/* --- dwz ----------------------------------------------------------------------------------- */

static const worker_elf_file_t *read_elf(workspace_t *ws, const char *name)
{
    worker_elf_file_t *elf = NULL;
    int fd = open(workspace_path(ws, name), O_RDONLY | O_CLOEXEC);

    assert_int_equal(worker_elf_file_read(&elf, fd, &ws->err, ws->pool), APR_SUCCESS);
    (void)close(fd);
    return elf;
}

/* lib/a.debug and lib/b.debug share .dwz/common. */
static worker_want_t make_dwz(workspace_t *ws, const char *top, const char *link)
{
    worker_want_t want = { .kind = WORKER_FILE_DWZ };
    const worker_elf_file_t *elf;

    if (system("dwz --version >/dev/null 2>&1") != 0) {
        print_message("skipped: dwz is not installed\n");
        skip();
    }
    workspace_shell(ws,
                    apr_psprintf(ws->pool,
                                 "mkdir -p %s/lib %s/.dwz && cp built/lib.debug %s/lib/a.debug "
                                 "&& cp built/other.debug %s/lib/b.debug && cd %s "
                                 "&& dwz %s .dwz/common lib/a.debug lib/b.debug",
                                 top, top, top, top, top, link));
    elf = read_elf(ws, apr_pstrcat(ws->pool, top, "/lib/a.debug", NULL));
    assert_non_null(elf->altlink);
    want.build_id = elf->altlink_build_id;
    want.altlink = elf->altlink;
    want.beside = workspace_path(ws, apr_pstrcat(ws->pool, top, "/lib/a.debug", NULL));
    return want;
}

static void a_dwz_file_is_found_by_a_relative_path(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = make_dwz(ws, "debug", "-r -m");

    assert_string_equal(want.altlink, "../.dwz/common");
    expect_found(ws, config, &want, "debug/.dwz/common");
}

static void a_dwz_file_is_found_by_an_absolute_path(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = make_dwz(
        ws, "debug",
        apr_pstrcat(ws->pool, "-M ", workspace_path(ws, "debug/.dwz/common"), " -m", NULL));

    assert_int_equal(want.altlink[0], '/');
    want.beside = NULL;
    expect_found(ws, config, &want, "debug/.dwz/common");
}

static void a_dwz_file_outside_the_allowed_directories_is_refused(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = make_dwz(ws, "secret", "-r -m");

    expect_not_found(ws, config, &want, "is not below HostDirs");
}

static void a_relative_path_that_climbs_above_the_root_leads_nowhere(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = make_dwz(ws, "debug", "-r -m");

    want.altlink = "../../../../../../../../../.dwz/other";
    expect_not_found(ws, config, &want, "this machine has no file of that name");
    want.altlink = "../.dwz/other";
    want.beside = NULL;
    expect_not_found(ws, config, &want, "this machine has no file of that name");
}

/* Debug information out of the cache cannot tell what its relative path starts from. */
static void a_dwz_file_is_found_by_its_name_when_its_path_starts_nowhere(void **state)
{
    workspace_t *ws = *state;
    const retrace_config_t *config = make_config(ws);
    worker_want_t want = make_dwz(ws, "debug", "-r -m");
    worker_found_t *found = NULL;

    want.altlink = "../.dwz/common";
    want.beside = NULL;
    assert_int_equal(worker_source_host.find(&found, config, &want, NULL, ws->pool), APR_SUCCESS);
    assert_string_equal(found->elf->build_id, want.build_id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_library_is_found_at_the_path_of_the_core),
        TEST(a_library_of_another_build_is_refused),
        TEST(a_path_outside_host_dirs_is_refused),
        TEST(a_link_out_of_host_dirs_is_refused),
        TEST(a_link_within_host_dirs_is_followed_to_the_real_file),
        TEST(each_of_several_host_dirs_counts),
        TEST(without_host_dirs_nothing_is_taken),
        TEST(a_path_that_is_not_plain_is_not_looked_at),
        TEST(what_is_no_regular_elf_file_is_refused),
        TEST(debug_information_is_no_executable),
        TEST(debug_information_is_found_in_each_place_that_gdb_knows),
        TEST(a_place_with_another_build_does_not_end_the_search),
        TEST(without_a_debuglink_only_the_build_id_leads_to_it),
        TEST(a_stripped_library_is_no_debug_information),
        TEST(a_build_id_link_out_of_the_allowed_directories_is_refused),
        TEST(a_dwz_file_is_found_by_a_relative_path),
        TEST(a_dwz_file_is_found_by_an_absolute_path),
        TEST(a_dwz_file_outside_the_allowed_directories_is_refused),
        TEST(a_relative_path_that_climbs_above_the_root_leads_nowhere),
        TEST(a_dwz_file_is_found_by_its_name_when_its_path_starts_nowhere),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
