/* SPDX-License-Identifier: Apache-2.0 */
/* The report: every fact in its place, what is missing named, and nothing that the core or the
 * upload says can forge a heading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tests/unit/workspace.h"
#include "worker/report.h"
#include "worker/resolve/resolve.h"

#define BUILD_ID "0123456789abcdef0123456789abcdef01234567"

typedef struct scene_t {
    worker_core_t core;
    worker_claims_t claims;
    worker_gdb_output_t gdb;
    worker_elf_file_t elf;
    worker_found_t found;
    apr_array_header_t *resolved;
    apr_pool_t *pool;
} scene_t;

static worker_module_t *add_module(scene_t *scene, const char *path, uint64_t start,
                                   const char *build_id)
{
    worker_module_t *module = apr_array_push(scene->core.modules);

    memset(module, 0, sizeof(*module));
    module->path = path;
    module->start = start;
    module->end = start + 0x1000;
    module->build_id = build_id;
    module->is_elf = true;
    return module;
}

static worker_resolved_t *add_resolved(scene_t *scene, int index)
{
    worker_resolved_t *resolved = apr_array_push(scene->resolved);

    memset(resolved, 0, sizeof(*resolved));
    resolved->module = &APR_ARRAY_IDX(scene->core.modules, index, worker_module_t);
    return resolved;
}

/* A program and a library, nothing found, gdb with one line for each section. */
static scene_t *make_scene(void **state)
{
    static const char *const lines[WORKER_GDB_SECTIONS] = {
        "head\n", "threads\n", "\nThread 1:\n#0  crash () at x.c:3\n", "libraries\n", "registers\n",
        "code\n", "python\n",
    };
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    scene_t *scene = apr_pcalloc(p, sizeof(*scene));

    scene->pool = p;
    scene->core.arch = "x86_64";
    scene->core.command = "crasher";
    scene->core.arguments = "crasher --now";
    scene->core.signal = 11;
    scene->core.thread_count = 2;
    scene->core.pid = 4711;
    scene->core.modules = apr_array_make(p, 4, sizeof(worker_module_t));
    scene->resolved = apr_array_make(p, 4, sizeof(worker_resolved_t));
    scene->found.path = "/cache/x";
    scene->found.elf = &scene->elf;
    memcpy(scene->gdb.sections, lines, sizeof(lines));
    scene->gdb.messages = "";
    scene->core.program = add_module(scene, "/usr/bin/crasher", 0x400000, BUILD_ID);
    (void)add_module(scene, "/usr/lib/libwork.so.1", 0x7f0000000000, BUILD_ID);
    return scene;
}

static const char *report_of(const scene_t *scene)
{
    const char *text =
        worker_report(&scene->core, &scene->claims, scene->resolved, &scene->gdb, scene->pool);

    assert_int_equal(text[strlen(text) - 1], '\n');
    return text;
}

static void expect_text(const scene_t *scene, const char *words)
{
    if (strstr(report_of(scene), words) == NULL) {
        print_message("'%s' is not in:\n%s\n", words, report_of(scene));
        fail();
    }
}

static void expect_no_text(const scene_t *scene, const char *words)
{
    if (strstr(report_of(scene), words) != NULL) {
        print_message("'%s' is in:\n%s\n", words, report_of(scene));
        fail();
    }
}

/* --- The crash ----------------------------------------------------------------------------- */

static void the_sections_come_in_their_order(void **state)
{
    static const char *const headings[] = {
        "== Crash\n",
        "\n== Threads\n",
        "\n== Backtraces of all threads\n",
        "\n== Python backtrace\n",
        "\n== Files of the process\n",
        "\n== Shared libraries\n",
        "\n== Registers\n",
        "\n== Code around the crash\n",
        "\n== What gdb said\n",
    };
    scene_t *scene = make_scene(state);
    const char *at;
    size_t i;

    scene->gdb.messages = "warning: something";
    at = report_of(scene);
    for (i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
        at = strstr(at, headings[i]);
        assert_non_null(at);
    }
}

static void a_section_that_gdb_did_not_reach_has_no_heading(void **state)
{
    scene_t *scene = make_scene(state);

    scene->gdb.sections[WORKER_GDB_REGISTERS] = "";
    expect_no_text(scene, "== Registers");
    expect_no_text(scene, "== What gdb said");
}

static void facts_of_the_core_are_told(void **state)
{
    scene_t *scene = make_scene(state);

    expect_text(scene, "Program      /usr/bin/crasher\n");
    expect_text(scene, "Build-id     " BUILD_ID "\n");
    expect_text(scene, "Command      crasher --now\n");
    expect_text(scene, "Architecture x86_64\n");
    expect_text(scene, "Process      4711\n");
    expect_text(scene, "Threads      2\n");
    expect_no_text(scene, "Package ");
    expect_no_text(scene, "truncated");
}

static void claims_of_the_upload_are_told(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.program = NULL;
    scene->claims.executable = "/usr/bin/claimed";
    scene->claims.package = "crasher-1-1";
    scene->claims.os_release = "Fedora 40";
    expect_text(scene, "Program      /usr/bin/claimed\n");
    expect_text(scene, "Package      crasher-1-1\n");
    expect_text(scene, "System       Fedora 40\n");
}

static void the_core_is_believed_before_the_upload(void **state)
{
    scene_t *scene = make_scene(state);

    scene->claims.executable = "/usr/bin/claimed";
    expect_no_text(scene, "claimed");
}

static void nothing_is_told_of_what_is_unknown(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.program = NULL;
    scene->core.pid = 0;
    scene->core.arguments = "";
    expect_no_text(scene, "Program ");
    expect_no_text(scene, "Process ");
    expect_no_text(scene, "Command ");
    expect_no_text(scene, "(null)");
}

static void a_truncated_core_is_told(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.is_truncated = true;
    expect_text(scene, "The core is truncated");
}

static void the_package_note_is_told_as_a_claim(void **state)
{
    scene_t *scene = make_scene(state);
    worker_module_t *program = &APR_ARRAY_IDX(scene->core.modules, 0, worker_module_t);

    program->package_name = "crasher";
    expect_text(scene, "Package note crasher   (says its package note)\n");
    program->package_version = "1-1";
    program->package_arch = "x86_64";
    expect_text(scene, "Package note crasher 1-1 x86_64 (says its package note)\n");
}

/* A bare core: there is nobody else to ask. */
static void the_system_is_the_uploads_or_that_of_the_package_note(void **state)
{
    scene_t *scene = make_scene(state);

    expect_no_text(scene, "System ");
    APR_ARRAY_IDX(scene->core.modules, 0, worker_module_t).package_os_cpe =
        "cpe:/o:fedoraproject:fedora:40";
    expect_text(scene, "System       cpe:/o:fedoraproject:fedora:40 (says its package note)\n");
    scene->claims.os_release = "Fedora 36";
    expect_text(scene, "System       Fedora 36\n");
    expect_no_text(scene, "cpe:");
}

/* --- The signal ---------------------------------------------------------------------------- */

static void a_signal_has_number_and_name(void **state)
{
    expect_text(make_scene(state), "Signal       11 (SIGSEGV)\n");
}

static void a_signal_without_a_name_is_told(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.signal = 42;
    expect_text(scene, "Signal       42 (no common signal)\n");
}

static void a_core_of_a_live_process_has_none(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.signal = 0;
    expect_text(scene, "Signal       none: the core was taken from a live process\n");
}

static void a_fault_has_cause_and_address(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.has_siginfo = true;
    scene->core.signal_code = 1;
    scene->core.fault_address = 0xdeadbeef;
    expect_text(scene, "11 (SIGSEGV): address not mapped to object, address 0xdeadbeef\n");
}

static void a_signal_that_was_sent_has_its_sender(void **state)
{
    scene_t *scene = make_scene(state);

    scene->core.signal = 6;
    scene->core.has_siginfo = true;
    scene->core.signal_code = -6;
    scene->core.sender_pid = 99;
    expect_text(scene, "6 (SIGABRT): sent by tgkill (raise or abort), by process 99\n");
}

/* --- Files --------------------------------------------------------------------------------- */

static void what_was_found_for_a_file_is_told(void **state)
{
    scene_t *scene = make_scene(state);
    worker_resolved_t *resolved = add_resolved(scene, 0);

    resolved->executable = &scene->found;
    expect_text(scene,
                "0x0000000000400000 /usr/bin/crasher\n    " BUILD_ID
                ": executable, debug info MISSING\n");
    resolved->debuginfo = &scene->found;
    expect_text(scene, ": executable, debug info\n");
    resolved->debuginfo = NULL;
    scene->elf.has_debug_info = true;
    expect_text(scene, ": executable, debug info\n");
    expect_no_text(scene, "MISSING");
}

static void a_missing_dwz_file_is_told_by_its_build_id(void **state)
{
    scene_t *scene = make_scene(state);
    worker_resolved_t *resolved = add_resolved(scene, 0);

    resolved->executable = &scene->found;
    resolved->missing_dwz = "feedfacefeedface";
    expect_text(scene, "debug info unusable, its dwz file feedfacefeedface is MISSING\n");
}

static void who_was_asked_for_what_is_missing_is_told(void **state)
{
    scene_t *scene = make_scene(state);
    worker_resolved_t *resolved = add_resolved(scene, 0);

    resolved->executable = &scene->found;
    resolved->asked = "cache, host, https://a.example";
    expect_text(scene, ": executable, debug info MISSING; asked: cache, host, https://a.example\n");
}

static void a_file_without_build_id_was_not_looked_for(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_module(scene, "/usr/lib/old.so", 0x500000, NULL);
    expect_text(scene, "/usr/lib/old.so\n    -: no build-id in the core: not looked for\n");
}

static void what_is_no_elf_file_is_not_listed(void **state)
{
    scene_t *scene = make_scene(state);

    add_module(scene, "/usr/share/data.bin", 0x500000, NULL)->is_elf = false;
    expect_no_text(scene, "data.bin");
}

/* The path comes from the core: whoever made it chose it. */
static void a_path_of_the_core_cannot_forge_a_line(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_module(scene, "/x\n== Crash\n\xff\x1b[2J", 0x500000, BUILD_ID);
    (void)add_resolved(scene, 2);
    APR_ARRAY_IDX(scene->core.modules, 0, worker_module_t).path = "/p\n== Crash";
    expect_no_text(scene, "\n== Crash");
    expect_no_text(scene, "\xff");
    expect_no_text(scene, "\x1b");
}

/* --- Frames in files that are missing ------------------------------------------------------ */

#define THREAD_1_SOURCE                                                                            \
    "\nThread 1 (LWP 1):\n#0  crash () at x.c:3\n#1  0x00000000004000aa in main ()\n"
#define THREAD_1_ADDRESS "\nThread 1 (LWP 1):\n#0  0x00007f0000000010 in ?? ()\n"
#define THREAD_2_LIBRARY "\nThread 2 (LWP 2):\n#0  0x00007f0000000020 in ?? ()\n"

static void guessed_frames_are_announced(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    expect_text(scene,
                "MISSING: /usr/lib/libwork.so.1: frames in it, and those below them, are "
                "guesses.\n");
}

static void guesses_begin_below_the_first_frame_of_a_missing_file(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    scene->gdb.sections[WORKER_GDB_BACKTRACE] =
        "\nThread 1 (LWP 1):\n#0  crash () at x.c:3\n#1  0x00007f0000001000 in ?? ()\nNo locals.\n"
        "#2  0x00007f0000000000 in ?? ()\n#3  0x0000000000000001 in main ()\n"
        "\nThread 2 (LWP 2):\n#0  0x00007f0000000010 in ?? ()\n#1  0x1 in ?? ()\n";
    expect_text(scene,
                "#1  0x00007f0000001000 in ?? ()\nNo locals.\n"
                "MISSING: /usr/lib/libwork.so.1: the frames below are guesses.\n"
                "#2  0x00007f0000000000 in ?? ()\n#3  0x0000000000000001 in main ()\n"
                "\nThread 2 (LWP 2):\n#0  0x00007f0000000010 in ?? ()\n"
                "MISSING: /usr/lib/libwork.so.1: the frames below are guesses.\n"
                "#1  0x1 in ?? ()\n");
}

static void frames_of_other_files_are_no_guesses(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    scene->gdb.sections[WORKER_GDB_BACKTRACE] =
        "\nThread 1 (LWP 1):\n#0  0x00007f0000001000 in a ()\n#1  0x00007f0000001001 in b ()\n"
        "#2  c () at x.c:3\n#3  0x00000000004000aa in main ()\n#4  0x00007f0000000010 in ?? ()\n"
        "\nThread 2 (LWP 2):\n#0  0x00000000004000aa in main ()\n#1  0x1 in d ()\n";
    expect_text(scene, scene->gdb.sections[WORKER_GDB_BACKTRACE]);
    expect_no_text(scene, "the frames below are guesses");
}

static void code_of_a_missing_file_is_not_shown(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    scene->gdb.sections[WORKER_GDB_BACKTRACE] = THREAD_1_ADDRESS;
    expect_text(scene, "The code is in /usr/lib/libwork.so.1, which is missing.\n");
    expect_no_text(scene, "\ncode\n");
}

static void code_of_a_file_that_was_found_is_shown(void **state)
{
    scene_t *scene = make_scene(state);

    add_resolved(scene, 1)->executable = &scene->found;
    scene->gdb.sections[WORKER_GDB_BACKTRACE] = THREAD_1_ADDRESS;
    expect_text(scene, "\ncode\n");
}

static void an_address_at_the_end_of_a_file_is_not_in_it(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    scene->gdb.sections[WORKER_GDB_BACKTRACE] = "\n#0  0x00007f0000001000 in ?? ()\n";
    expect_text(scene, "\ncode\n");
    scene->gdb.sections[WORKER_GDB_BACKTRACE] = "\n#0  0x00007f0000000fff in ?? ()\n";
    expect_no_text(scene, "\ncode\n");
}

/* At the beginning of a line of source gdb prints no address for frame 0 of the crashed thread;
 * that of another thread, which waits in a library that is missing, was taken for it. */
static void another_threads_place_is_not_that_of_the_crash(void **state)
{
    scene_t *scene = make_scene(state);

    (void)add_resolved(scene, 1);
    scene->gdb.sections[WORKER_GDB_BACKTRACE] = THREAD_1_SOURCE THREAD_2_LIBRARY;
    expect_text(scene, "\ncode\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sections_come_in_their_order),
        TEST(a_section_that_gdb_did_not_reach_has_no_heading),
        TEST(facts_of_the_core_are_told),
        TEST(claims_of_the_upload_are_told),
        TEST(the_core_is_believed_before_the_upload),
        TEST(nothing_is_told_of_what_is_unknown),
        TEST(a_truncated_core_is_told),
        TEST(the_package_note_is_told_as_a_claim),
        TEST(the_system_is_the_uploads_or_that_of_the_package_note),
        TEST(a_signal_has_number_and_name),
        TEST(a_signal_without_a_name_is_told),
        TEST(a_core_of_a_live_process_has_none),
        TEST(a_fault_has_cause_and_address),
        TEST(a_signal_that_was_sent_has_its_sender),
        TEST(what_was_found_for_a_file_is_told),
        TEST(a_missing_dwz_file_is_told_by_its_build_id),
        TEST(who_was_asked_for_what_is_missing_is_told),
        TEST(a_file_without_build_id_was_not_looked_for),
        TEST(what_is_no_elf_file_is_not_listed),
        TEST(a_path_of_the_core_cannot_forge_a_line),
        TEST(guessed_frames_are_announced),
        TEST(guesses_begin_below_the_first_frame_of_a_missing_file),
        TEST(frames_of_other_files_are_no_guesses),
        TEST(code_of_a_missing_file_is_not_shown),
        TEST(code_of_a_file_that_was_found_is_shown),
        TEST(an_address_at_the_end_of_a_file_is_not_in_it),
        TEST(another_threads_place_is_not_that_of_the_crash),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
