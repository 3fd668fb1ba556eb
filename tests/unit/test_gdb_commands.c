/* SPDX-License-Identifier: Apache-2.0 */
/* What gdb is told, how its files are found in a list of libraries, and how what it says is sorted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "worker/gdb_private.h"

#define NONCE "0123456789abcdef"

/* --- what it is told ---------------------------------------------------------------------------
 */

static int find_word(const char *const *argv, const char *word)
{
    int i;

    for (i = 0; argv[i] != NULL; i++) {
        if (strcmp(argv[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *const *plain_argv(const char *program, const char *printers, bool simple,
                                     apr_pool_t *p)
{
    const worker_gdb_plan_t plan = { .program = program, .printers = printers };

    return worker_gdb_argv(&worker_gdb_place_sandbox, &plan, NONCE, simple, p);
}

static void test_gdb_starts_with_its_own_loader(void **state)
{
    const char *const *argv = plain_argv(NULL, NULL, false, *state);

    assert_string_equal(argv[0], "/debugger/ld.so");
    assert_string_equal(argv[1], "--library-path");
    assert_string_equal(argv[2], "/debugger/lib");
    assert_string_equal(argv[3], "/debugger/bin/gdb");
    assert_true(find_word(argv, "-nx") > 0);
    assert_true(find_word(argv, "-nh") > 0);
    assert_true(find_word(argv, "-batch") > 0);
}

/* A setting behind the files would come too late: their scripts would have run. */
static void test_settings_come_before_files(void **state)
{
    static const char *const settings[] = { "set auto-load off",
                                            "set auto-load safe-path /nonexistent",
                                            "set debuginfod enabled off",
                                            "set index-cache enabled off",
                                            "set history save off",
                                            "set confirm off",
                                            "set pagination off",
                                            "set width 0",
                                            "set height 0",
                                            "set may-call-functions off",
                                            "set libthread-db-search-path",
                                            "set startup-with-shell off",
                                            "set max-value-size 65536",
                                            "set print elements 200",
                                            "set backtrace limit 2048",
                                            "set source open off",
                                            "set style enabled off",
                                            "set sysroot /sysroot",
                                            "set debug-file-directory /sysroot/usr/lib/debug" };
    const char *const *argv = plain_argv("/usr/bin/app", NULL, false, *state);
    int program = find_word(argv, "--se=/sysroot/usr/bin/app");
    int core = find_word(argv, "--core=/box/core");
    size_t i;

    assert_true(program > 0);
    assert_int_equal(core, program + 1);
    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int at = find_word(argv, settings[i]);

        assert_in_range(at, 1, program - 1);
        assert_string_equal(argv[at - 1], "-iex");
    }
    for (i = 0; i < (size_t)core; i++) {
        assert_string_not_equal(argv[i], "-ex");
    }
}

static void test_program_may_be_unknown(void **state)
{
    const char *const *argv = plain_argv(NULL, NULL, false, *state);
    int i;

    for (i = 0; argv[i] != NULL; i++) {
        assert_int_not_equal(strncmp(argv[i], "--se=", 5), 0);
    }
}

/* Its libraries have names, lines and frames all the same. */
static void test_symbols_of_libraries_are_read_without_a_program(void **state)
{
    const char *const *argv = plain_argv(NULL, NULL, false, *state);
    int symbols = find_word(argv, "sharedlibrary");

    assert_int_equal(symbols, find_word(argv, "--core=/box/core") + 2);
    assert_string_equal(argv[symbols - 1], "-ex");
    assert_int_equal(find_word(plain_argv("/usr/bin/app", NULL, false, *state), "sharedlibrary"),
                     -1);
}

static int count_python(const char *const *argv)
{
    int count = 0;

    for (; *argv != NULL; argv++) {
        count += strncmp(*argv, "python ", 7) == 0;
    }
    return count;
}

static void test_printers_are_optional(void **state)
{
    assert_int_equal(count_python(plain_argv(NULL, NULL, false, *state)), 1);
    assert_int_equal(count_python(plain_argv(NULL, "/usr/share/gcc/python", false, *state)), 2);
}

static void test_each_step_is_announced(void **state)
{
    const char *const *argv = plain_argv(NULL, NULL, false, *state);
    const char *const *old = plain_argv(NULL, NULL, true, *state);
    int at = find_word(argv, "thread apply all -ascending -c backtrace full");

    assert_true(at > 0);
    assert_string_equal(argv[at - 2], "echo \\n" NONCE ":5\\n");
    assert_string_equal(old[at], "thread apply all -ascending backtrace full");
}

/* Whatever Python does, all text is there by then. */
static void test_parts_are_the_last_step(void **state)
{
    const char *const *argv = plain_argv("/usr/bin/app", "/printers", true, *state);
    int last = 0;

    while (argv[last + 1] != NULL) {
        last++;
    }
    assert_string_equal(argv[last - 2], "echo \\n" NONCE ":8\\n");
    assert_string_equal(argv[last - 1], "-ex");
    assert_int_equal(strncmp(argv[last], "python MAX_THREADS, ", 20), 0);
    assert_string_equal(argv[last - 4], "disassemble");
}

/* Its step is there with a helper only, and before the parts, which set the limit of time. */
static void test_python_frames_are_optional(void **state)
{
    const worker_gdb_plan_t plan = { .python_helper = "/usr/share/python3.11-gdb.py" };
    const char *const *argv =
        worker_gdb_argv(&worker_gdb_place_sandbox, &plan, NONCE, false, *state);
    int at = find_word(argv, "echo \\n" NONCE ":7\\n");

    assert_int_equal(find_word(plain_argv(NULL, NULL, false, *state), "echo \\n" NONCE ":7\\n"),
                     -1);
    assert_true(at > 0);
    assert_int_equal(strncmp(argv[at + 2], "python HELPER = '/debugger/python-gdb.py'; MAX_", 47),
                     0);
    assert_string_equal(argv[at + 4], "echo \\n" NONCE ":8\\n");
}

static const char *decode_hex(const char *digits, apr_pool_t *p)
{
    size_t length = strspn(digits, "0123456789abcdef") / 2;
    char *text = apr_pcalloc(p, length + 1);
    size_t i;

    for (i = 0; i < length; i++) {
        const char pair[] = { digits[2 * i], digits[2 * i + 1], '\0' };

        text[i] = (char)strtol(pair, NULL, 16);
    }
    return text;
}

/* The whole script in one word, with a value for each of its limits. */
static void test_parts_need_no_file(void **state)
{
    const char *const *argv = plain_argv(NULL, NULL, false, *state);
    const char *const *step = argv;
    const char *script;
    const char *digits;

    while (strncmp(*step, "python MAX_", 11) != 0) {
        step++;
    }
    assert_non_null(strstr(*step,
                           "MAX_THREADS, MAX_FRAMES, MAX_VARIABLES, MAX_TEXT, MAX_BYTES, "
                           "MAX_SECONDS = 1024, 1024, 256, 4096, 2000000, 10; exec("));
    digits = strchr(*step, '\'') + 1;
    assert_string_equal(digits + strspn(digits, "0123456789abcdef"), "').decode())");
    script = decode_hex(digits, *state);
    assert_int_equal(strncmp(script, "# SPDX-License-Identifier:", 26), 0);
    assert_string_equal(script + strlen(script) - 3, "\")\n");
    assert_true(strlen(*step) < 128 * 1024); /* of one argument: execve(2) */
}

/* --- its files ---------------------------------------------------------------------------------
 */

static void test_library_list(void **state)
{
    static const char list[] = "\tlinux-vdso.so.1 (0x00007ffd6b5f2000)\n"
                               "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f3c)\n"
                               "\tlibgone.so.1 => not found\n"
                               "\t/lib64/ld-linux-x86-64.so.2 (0x00007f3cc4a5c000)\n"
                               "\tlibc.so.6 => /lib/libc.so.6 (0x1)";
    apr_array_header_t *binds = apr_array_make(*state, 4, sizeof(worker_bind_t));

    worker_gdb_libraries(binds, list, *state);
    assert_int_equal(binds->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(binds, 0, worker_bind_t).source,
                        "/lib/x86_64-linux-gnu/libz.so.1");
    assert_string_equal(APR_ARRAY_IDX(binds, 0, worker_bind_t).target, "/debugger/lib/libz.so.1");
    assert_string_equal(APR_ARRAY_IDX(binds, 1, worker_bind_t).target, "/debugger/lib/libc.so.6");
}

static void test_python_version(void **state)
{
    const char *directory = NULL;

    assert_string_equal(
        worker_gdb_python_version(
            "\tlibpython3.11.so.1.0 => /lib/x86_64-linux-gnu/libpython3.11.so.1.0 (0x7f)\n",
            &directory, *state),
        "3.11");
    assert_string_equal(directory, "/lib/x86_64-linux-gnu");
    assert_string_equal(
        worker_gdb_python_version("\tlibm.so.6 => /lib64/libm.so.6 (0x7f)\n"
                                  "\tlibpython3.6m.so.1.0 => /lib64/libpython3.6m.so.1.0 (0x7f)\n",
                                  &directory, *state),
        "3.6");
    assert_string_equal(directory, "/lib64");
    assert_null(
        worker_gdb_python_version("\tlibm.so.6 => /lib64/libm.so.6 (0x7f)\n", &directory, *state));
}

/* What is found on this machine is below /debugger, whatever it is. */
static void test_files_of_this_machine(void **state)
{
    apr_array_header_t *binds = apr_array_make(*state, 4, sizeof(worker_bind_t));
    retrace_error_t err = { 0, "" };
    int i;

    assert_int_equal(worker_gdb_files(binds, "/usr/bin/gdb", &err, *state), APR_SUCCESS);
    assert_true(binds->nelts > 4);
    for (i = 0; i < binds->nelts; i++) {
        assert_int_equal(strncmp(APR_ARRAY_IDX(binds, i, worker_bind_t).target, "/debugger/", 10),
                         0);
    }
    assert_int_equal(worker_gdb_files(binds, "/nonexistent/gdb", &err, *state), APR_ENOENT);
    assert_int_equal(worker_gdb_files(binds, "gdb", &err, *state), APR_ENOENT);
}

/* --- what it says ------------------------------------------------------------------------------
 */

static worker_gdb_step_t split(const char **sections, const char *output, apr_pool_t *p)
{
    return worker_gdb_split(sections, output, strlen(output), NONCE, p);
}

static void test_split(void **state)
{
    const char *sections[WORKER_GDB_SECTIONS];

    split(sections,
          "Core was generated\n\n" NONCE ":1\n* 1 thread\n\n" NONCE ":2\nlibraries\n\n" NONCE
          ":3\n\n" NONCE ":4\n=> 0x0:\tret\n\n" NONCE ":5\n#0 main\n#1 start\n\n" NONCE
          ":6\n\n" NONCE ":7\nPython\n\n" NONCE ":8\n{}\n",
          *state);
    assert_string_equal(sections[WORKER_GDB_HEAD], "Core was generated\n");
    assert_string_equal(sections[WORKER_GDB_THREADS], "* 1 thread\n");
    assert_string_equal(sections[WORKER_GDB_LIBRARIES], "libraries\n");
    assert_string_equal(sections[WORKER_GDB_REGISTERS], "");
    assert_string_equal(sections[WORKER_GDB_DISASSEMBLY], "=> 0x0:\tret\n");
    assert_string_equal(sections[WORKER_GDB_BACKTRACE], "#0 main\n#1 start\n");
    assert_string_equal(sections[WORKER_GDB_PYTHON], "Python\n");
    assert_string_equal(sections[WORKER_GDB_FRAMES], "{}\n");
}

static void test_the_last_step_is_told(void **state)
{
    const char *sections[WORKER_GDB_SECTIONS];

    assert_int_equal(split(sections, "", *state), WORKER_GDB_STEP_HEAD);
    assert_int_equal(split(sections, NONCE ":5\n#0 main\n", *state), WORKER_GDB_STEP_BACKTRACE);
    assert_int_equal(split(sections, NONCE ":5\n" NONCE ":6\n", *state), WORKER_GDB_STEP_FUNCTION);
    assert_int_equal(split(sections, NONCE ":5\n" NONCE ":9\n", *state), WORKER_GDB_STEP_BACKTRACE);
}

/* Killed in the middle, or with announcements that only look like ours. */
static void test_split_of_broken_output(void **state)
{
    const char *sections[WORKER_GDB_SECTIONS];

    split(sections, "", *state);
    assert_string_equal(sections[WORKER_GDB_HEAD], "");
    split(sections, "head\n" NONCE ":1\nthre", *state);
    assert_string_equal(sections[WORKER_GDB_HEAD], "head\n");
    assert_string_equal(sections[WORKER_GDB_THREADS], "thre\n");
    assert_string_equal(sections[WORKER_GDB_BACKTRACE], "");
    split(sections, NONCE, *state);
    assert_string_equal(sections[WORKER_GDB_HEAD], NONCE "\n");
    split(sections, NONCE ":9\n" NONCE ":1x" NONCE ":", *state);
    assert_string_equal(sections[WORKER_GDB_HEAD], NONCE ":9\n" NONCE ":1x" NONCE ":\n");
    split(sections, "fedcba9876543210:5\n#0 forged\n", *state);
    assert_string_equal(sections[WORKER_GDB_BACKTRACE], "");
}

static void test_messages(void **state)
{
    static const char text[] =
        "\nwarning: Section `.reg-xstate/4931' in core file too small.\n"
        "warning: Unexpected size of section `.reg-xstate/12' in core file.\n"
        "\nwarning: core file may not match specified executable file.\n"
        "7\tcrash.cpp: No such file or directory.\n"
        "/sysroot/usr/bin/app: No such file or directory.\n"
        "No symbol \"debuginfod\" in current context.\n"
        "Cannot access memory at address 0x0";

    assert_string_equal(worker_gdb_messages(text, strlen(text), *state),
                        "warning: core file may not match specified executable file.\n"
                        "/sysroot/usr/bin/app: No such file or directory.\n"
                        "Cannot access memory at address 0x0\n");
    assert_string_equal(worker_gdb_messages("x", 1, *state), "x\n");
    assert_string_equal(worker_gdb_messages("", 0, *state), "");
}

/* `count` lines, the marked one being number `marked`. */
static const char *make_function(int count, int marked, apr_pool_t *p)
{
    const char *text = "Dump of assembler code for function f:\n";
    int i;

    for (i = 0; i < count; i++) {
        text = apr_psprintf(p, "%s%s0x%04d <+%d>:\tnop\n", text, i == marked ? "=> " : "   ", i, i);
    }
    return apr_pstrcat(p, text, "End of assembler dump.\n", NULL);
}

static int count_lines(const char *text)
{
    int count = 0;

    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

static void test_disassembly_of_a_function(void **state)
{
    const char *text = worker_gdb_disassembly(make_function(100, 50, *state), "", *state);

    assert_int_equal(count_lines(text), 1 + 17);
    assert_non_null(strstr(text, "function f:\n   0x0042 <+42>"));
    assert_non_null(strstr(text, "   0x0058 <+58>:\tnop\n"));
    assert_null(strstr(text, "0x0059"));
    assert_null(strstr(text, "End of"));
    assert_int_equal(count_lines(worker_gdb_disassembly(make_function(9, 0, *state), "", *state)),
                     1 + 9);
    assert_int_equal(count_lines(worker_gdb_disassembly(make_function(9, 8, *state), "", *state)),
                     1 + 9);
}

static void test_disassembly_without_a_function(void **state)
{
    static const char instructions[] = "=> 0x401000:\tnop\n   0x401001:\tret\n";

    assert_string_equal(worker_gdb_disassembly("", instructions, *state), instructions);
    assert_string_equal(worker_gdb_disassembly("", "=> 0x0:\t\n", *state),
                        "=> 0x0: this memory cannot be read\n");
    assert_string_equal(worker_gdb_disassembly("", "=> 0x0:\t", *state),
                        "=> 0x0: this memory cannot be read\n");
    assert_string_equal(worker_gdb_disassembly("", "", *state), "");
}

static int set_up(void **state)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gdb_starts_with_its_own_loader),
        cmocka_unit_test(test_settings_come_before_files),
        cmocka_unit_test(test_program_may_be_unknown),
        cmocka_unit_test(test_symbols_of_libraries_are_read_without_a_program),
        cmocka_unit_test(test_printers_are_optional),
        cmocka_unit_test(test_each_step_is_announced),
        cmocka_unit_test(test_parts_are_the_last_step),
        cmocka_unit_test(test_python_frames_are_optional),
        cmocka_unit_test(test_parts_need_no_file),
        cmocka_unit_test(test_library_list),
        cmocka_unit_test(test_python_version),
        cmocka_unit_test(test_files_of_this_machine),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_the_last_step_is_told),
        cmocka_unit_test(test_split_of_broken_output),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_disassembly_of_a_function),
        cmocka_unit_test(test_disassembly_without_a_function),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
