/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox: what bwrap is told, and what a hostile program can and cannot do in it. The program
 * is sandboxed.c, compiled here; the tests are run from the top of the checkout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/bwrap_help.h"
#include "worker/capture.h"
#include "worker/elf_file.h"
#include "worker/gdb_private.h"
#include "worker/sandbox.h"

#define BWRAP  "/usr/bin/bwrap"
#define SOURCE "tests/data/sandboxed.c"
#define TAG    "sandboxedtest"

typedef struct fixture_t {
    apr_pool_t *pool;
    char directory[64];
    const char *program;
    const char *bubblewrap;
    apr_array_header_t *binds;
} fixture_t;

static fixture_t *fixture_of(void **state)
{
    return *state;
}

/* --- what a program can do ---------------------------------------------------------------------
 */

static worker_sandbox_limits_t usual_limits(void)
{
    return (worker_sandbox_limits_t){ .memory_bytes = INT64_C(256) << 20,
                                      .file_bytes = 1 << 20,
                                      .output_bytes = 1 << 20,
                                      .message_bytes = 1 << 16,
                                      .cpu_s = 10,
                                      .wall_s = 10 };
}

/* Is there any process that calls itself by our tag? */
static bool something_lives(void)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    assert_non_null(processes);
    while ((entry = readdir(processes)) != NULL) {
        char path[300];
        char name[32] = "";
        int fd;

        snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        fd = open(path, O_RDONLY);
        if (fd >= 0) {
            found = found
                || (read(fd, name, sizeof(name) - 1) > 0 && strncmp(name, TAG, strlen(TAG)) == 0);
            close(fd);
        }
    }
    closedir(processes);
    return found;
}

static worker_sandbox_result_t *act_within(const fixture_t *fixture,
                                           const worker_sandbox_limits_t *limits, const char *act,
                                           const char *argument)
{
    const char *const argv[] = { WORKER_GDB_AT_LOADER,
                                 "--library-path",
                                 WORKER_GDB_AT_LIBRARIES,
                                 "/box/program",
                                 TAG,
                                 act,
                                 argument,
                                 NULL };
    static const char *const environment[] = { "ONLY=this", NULL };
    worker_sandbox_t sandbox = { fixture->bubblewrap, fixture->binds, NULL, argv,
                                 environment,         *limits,        NULL };
    worker_sandbox_result_t *result = NULL;
    retrace_error_t err = { 0, "" };

    if (worker_sandbox_run(&result, &sandbox, &err, fixture->pool) != APR_SUCCESS) {
        fail_msg("%s", err.text);
    }
    assert_false(something_lives());
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return result;
}

static worker_sandbox_result_t *act(void **state, const char *name, const char *argument)
{
    const worker_sandbox_limits_t limits = usual_limits();

    return act_within(fixture_of(state), &limits, name, argument);
}

static void expect_output(void **state, const char *name, const char *argument, const char *output)
{
    worker_sandbox_result_t *result = act(state, name, argument);

    assert_int_equal(result->end, WORKER_SANDBOX_EXITED);
    assert_int_equal(result->exit_code, 0);
    assert_string_equal(result->output, output);
}

static void test_exit_code(void **state)
{
    worker_sandbox_result_t *result = act(state, "exit", "7");

    assert_int_equal(result->end, WORKER_SANDBOX_EXITED);
    assert_int_equal(result->exit_code, 7);
    result = act(state, "crash", NULL);
    assert_int_equal(result->end, WORKER_SANDBOX_SIGNALLED);
    assert_int_equal(result->signal, SIGABRT);
}

static void test_host_files_are_not_there(void **state)
{
    expect_output(state, "read", "/etc/shadow", "read: ENOENT\n");
    expect_output(state, "read", "/etc/passwd", "read: ENOENT\n");
    expect_output(state, "read", "/proc/self/maps", "read: ENOENT\n");
    expect_output(state, "read", "/bin/sh", "read: ENOENT\n");
    expect_output(state, "read", "/lib64/ld-linux-x86-64.so.2", "read: ENOENT\n");
    expect_output(
        state, "read",
        apr_pstrcat(fixture_of(state)->pool, "/oldroot", fixture_of(state)->program, NULL),
        "read: ENOENT\n");
    expect_output(state, "read", "/box/program", "read: done\n");
}

static void test_root_directory(void **state)
{
    static const char *const expected[] = { ".", "..", "box", "debugger", "dev", "tmp" };
    worker_sandbox_result_t *result = act(state, "list", "/");
    char *name;
    char *rest = NULL;
    size_t found = 0;
    size_t i;

    for (name = apr_strtok(apr_pstrdup(fixture_of(state)->pool, result->output), " ", &rest);
         name != NULL; name = apr_strtok(NULL, " ", &rest)) {
        for (i = 0; i < 6 && strcmp(name, expected[i]) != 0; i++) {
        }
        assert_true(i < 6);
        found++;
    }
    assert_int_equal(found, 6);
}

static void test_only_tmp_is_writable(void **state)
{
    expect_output(state, "write", "/file", "write: EROFS\n");
    expect_output(state, "write", "/box/file", "write: EROFS\n");
    expect_output(state, "write", "/dev/shm/file", "write: EROFS\n");
    expect_output(state, "write", "/dev/file", "write: EROFS\n");
    expect_output(state, "write", "/tmp/file", "write: done\n");
}

/* By the process's limit; /tmp has the same size where bwrap can set it. */
static void test_files_do_not_grow(void **state)
{
    expect_output(state, "grow", "65536", "grow: done\n");
    expect_output(state, "grow", "2000000", "grow: EFBIG\n");
}

static void test_environment_is_ours(void **state)
{
    worker_sandbox_result_t *result;

    setenv("SECRET_OF_THE_WORKER", "1", 1);
    result = act(state, "env", NULL);
    /* bwrap adds PWD when it changes the directory. */
    assert_string_equal(result->output, "ONLY=this PWD=/tmp ");
}

static void test_no_descriptor_leaks(void **state)
{
    int leak = open("/etc/passwd", O_RDONLY);
    int high = fcntl(leak, F_DUPFD, 200);

    expect_output(state, "descriptors", NULL, "0 1 2 ");
    close(leak);
    close(high);
}

static void test_forbidden_calls_kill(void **state)
{
    static const char *const names[] = { "socket", "unshare", "ptrace", "mount" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        worker_sandbox_result_t *result = act(state, names[i], NULL);

        assert_int_equal(result->end, WORKER_SANDBOX_FORBIDDEN);
        assert_string_equal(result->output, "");
    }
}

static void test_flood_is_ended(void **state)
{
    worker_sandbox_result_t *result = act(state, "flood", NULL);

    assert_int_equal(result->end, WORKER_SANDBOX_OUTPUT);
    assert_int_equal(result->output_length, 1 << 20);
    assert_int_equal(result->output[1 << 20], '\0');
}

static void test_complaints_are_dropped(void **state)
{
    worker_sandbox_result_t *result = act(state, "mutter", NULL);

    assert_int_equal(result->end, WORKER_SANDBOX_EXITED);
    assert_string_equal(result->output, "done\n");
    assert_int_equal(result->messages_length, 1 << 16);
}

static void test_stubborn_program_is_killed(void **state)
{
    worker_sandbox_limits_t limits = usual_limits();
    apr_time_t begun = apr_time_now();
    worker_sandbox_result_t *result;

    limits.wall_s = 1;
    result = act_within(fixture_of(state), &limits, "stubborn", NULL);
    assert_int_equal(result->end, WORKER_SANDBOX_TIME);
    assert_string_equal(result->output, "partial\n");
    assert_true(apr_time_now() - begun < apr_time_from_msec(1500));
}

static void test_cpu_time_is_limited(void **state)
{
    worker_sandbox_limits_t limits = usual_limits();

    limits.cpu_s = 1;
    assert_int_equal(act_within(fixture_of(state), &limits, "spin", NULL)->end,
                     WORKER_SANDBOX_TIME);
}

static void test_address_space_is_limited(void **state)
{
    expect_output(state, "eat", "33554432", "eat: done\n");
    expect_output(state, "eat", "536870912", "eat: ENOMEM\n");
}

static bool wait_until_lives(bool lives)
{
    int i;

    for (i = 0; i < 300 && something_lives() != lives; i++) {
        usleep(10000);
    }
    return something_lives() == lives;
}

static void test_nothing_survives_the_worker(void **state)
{
    pid_t worker = fork();

    if (worker == 0) {
        act(state, "stubborn", NULL);
        _exit(0);
    }
    assert_true(wait_until_lives(true));
    kill(worker, SIGKILL);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
    assert_true(wait_until_lives(false));
}

static void test_nothing_is_left(void **state)
{
    expect_output(state, "orphan", NULL, "left\n");
}

/* RLIMIT_NPROC means nothing to root. */
static void test_fork_bomb(void **state)
{
    worker_sandbox_limits_t limits = usual_limits();
    worker_sandbox_result_t *result;

    if (getuid() == 0) {
        print_message("run as an ordinary user to test RLIMIT_NPROC (test_cgroup has the other)\n");
        skip();
    }
    limits.processes = 20;
    result = act_within(fixture_of(state), &limits, "forks", NULL);
    assert_int_equal(result->end, WORKER_SANDBOX_EXITED);
    assert_in_range(atoi(result->output), 1, 20);
}

static void test_check(void **state)
{
    retrace_error_t err = { 0, "" };

    assert_int_equal(worker_sandbox_check(BWRAP, &err, fixture_of(state)->pool), APR_SUCCESS);
    assert_int_equal(worker_sandbox_check("/bin/cat", &err, fixture_of(state)->pool), APR_ENOTIMPL);
    assert_int_not_equal(worker_sandbox_check("/nonexistent", &err, fixture_of(state)->pool),
                         APR_SUCCESS);
}

/* A bwrap that knows no more than 0.4.0 did. */
static const char *make_old_bwrap(const fixture_t *fixture)
{
    const char *path = apr_pstrcat(fixture->pool, fixture->directory, "/bwrap", NULL);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\n"
            "if [ \"$1\" = --help ]; then\n/bin/cat <<'END'\n%sEND\nexit 0\nfi\n"
            "for word; do\n case $word in\n --) break;;\n"
            " --disable-userns|--clearenv|--size|--perms|--chmod|--add-seccomp-fd)\n"
            "  echo \"bwrap: Unknown option $word\" >&2; exit 1;;\n esac\ndone\n"
            "exec " BWRAP " \"$@\"\n",
            BWRAP_HELP_0_4_0);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void test_old_bwrap_confines_as_well(void **state)
{
    fixture_t *fixture = fixture_of(state);

    fixture->bubblewrap = make_old_bwrap(fixture);
    expect_output(state, "read", "/etc/shadow", "read: ENOENT\n");
    expect_output(state, "write", "/box/file", "write: EROFS\n");
    expect_output(state, "grow", "2000000", "grow: EFBIG\n");
    expect_output(state, "descriptors", NULL, "0 1 2 ");
    expect_output(state, "orphan", NULL, "left\n");
    assert_int_equal(act(state, "unshare", NULL)->end, WORKER_SANDBOX_FORBIDDEN);
    assert_int_equal(act(state, "exit", "7")->exit_code, 7);
    unlink(fixture->bubblewrap);
    fixture->bubblewrap = BWRAP;
}

/* A program that is not there is no failure of the program. */
static void test_program_must_exist(void **state)
{
    static const char *const argv[] = { "/box/missing", NULL };
    static const char *const environment[] = { NULL };
    const fixture_t *fixture = fixture_of(state);
    worker_sandbox_t sandbox = { BWRAP,       fixture->binds, NULL, argv,
                                 environment, usual_limits(), NULL };
    worker_sandbox_result_t *result = NULL;
    retrace_error_t err = { 0, "" };

    assert_int_equal(worker_sandbox_run(&result, &sandbox, &err, fixture->pool), APR_ENOTIMPL);
    assert_non_null(strstr(err.text, "/box/missing"));
    assert_null(result);
}

static void test_own_descriptors_are_closed(void **state)
{
    int before = dup(0);
    int after;

    close(before);
    act(state, "exit", "0");
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

static int compile(fixture_t *fixture)
{
    const char *compiler = getenv("CC") != NULL ? getenv("CC") : "cc";
    const char *command = apr_psprintf(fixture->pool, "%s -D_GNU_SOURCE -O1 -o %s " SOURCE,
                                       compiler, fixture->program);

    return system(command);
}

/* The program, the loader that its ELF header names, and the libraries that the loader names. */
static apr_status_t bind_program(fixture_t *fixture, retrace_error_t *err)
{
    worker_elf_file_t *file = NULL;
    const char *ask[] = { NULL, "--list", fixture->program, NULL };
    const char *list = NULL;
    int fd = open(fixture->program, O_RDONLY | O_CLOEXEC);
    apr_status_t rv;

    rv = worker_elf_file_read(&file, fd, err, fixture->pool);
    close(fd);
    if (rv == APR_SUCCESS) {
        ask[0] = file->interpreter;
        rv = worker_capture(&list, ask, err, fixture->pool);
    }
    if (rv == APR_SUCCESS) {
        fixture->binds = apr_array_make(fixture->pool, 8, sizeof(worker_bind_t));
        APR_ARRAY_PUSH(fixture->binds, worker_bind_t) =
            (worker_bind_t){ fixture->program, "/box/program" };
        APR_ARRAY_PUSH(fixture->binds, worker_bind_t) =
            (worker_bind_t){ file->interpreter, WORKER_GDB_AT_LOADER };
        worker_gdb_libraries(fixture->binds, list, fixture->pool);
    }
    return rv;
}

static int set_up(void **state)
{
    fixture_t *fixture;
    apr_pool_t *p;
    retrace_error_t err = { 0, "" };

    apr_pool_create(&p, NULL);
    fixture = apr_pcalloc(p, sizeof(*fixture));
    fixture->pool = p;
    fixture->bubblewrap = BWRAP;
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/test_sandbox.XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        return -1;
    }
    fixture->program = apr_pstrcat(p, fixture->directory, "/program", NULL);
    if (compile(fixture) != 0) {
        print_message("cannot compile " SOURCE "\n");
        return -1;
    }
    if (bind_program(fixture, &err) != APR_SUCCESS) {
        print_message("%s\n", err.text);
        return -1;
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_t *fixture = *state;

    unlink(fixture->program);
    rmdir(fixture->directory);
    apr_pool_destroy(fixture->pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code),
        cmocka_unit_test(test_host_files_are_not_there),
        cmocka_unit_test(test_root_directory),
        cmocka_unit_test(test_only_tmp_is_writable),
        cmocka_unit_test(test_files_do_not_grow),
        cmocka_unit_test(test_environment_is_ours),
        cmocka_unit_test(test_no_descriptor_leaks),
        cmocka_unit_test(test_forbidden_calls_kill),
        cmocka_unit_test(test_flood_is_ended),
        cmocka_unit_test(test_complaints_are_dropped),
        cmocka_unit_test(test_stubborn_program_is_killed),
        cmocka_unit_test(test_cpu_time_is_limited),
        cmocka_unit_test(test_address_space_is_limited),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_nothing_survives_the_worker),
        cmocka_unit_test(test_fork_bomb),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_old_bwrap_confines_as_well),
        cmocka_unit_test(test_program_must_exist),
        cmocka_unit_test(test_own_descriptors_are_closed),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
