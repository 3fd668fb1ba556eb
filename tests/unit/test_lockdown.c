/* SPDX-License-Identifier: Apache-2.0 */
/* Under the filters: what is forbidden kills the process with SIGSYS, what the work needs does not.
 * Every case runs in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/locked_child.h"
#include "worker/ingest/lockdown.h"

/* --- the cases -------------------------------------------------------------------------------- */

static void call_open(void *baton)
{
    (void)baton;
    (void)!open("/dev/null", O_RDONLY);
}

static void call_stat(void *baton)
{
    (void)baton;
    (void)!access("/etc/passwd", R_OK);
}

static void call_unlink(void *baton)
{
    (void)baton;
    (void)!unlink("/nonexistent/file");
}

static void call_execve(void *baton)
{
    char *const arguments[] = { NULL };

    (void)baton;
    (void)!execve("/bin/true", arguments, arguments);
}

static void call_execveat(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0);
}

static void call_socket(void *baton)
{
    (void)baton;
    (void)!socket(AF_UNIX, SOCK_STREAM, 0);
}

static void call_kill_parent(void *baton)
{
    (void)baton;
    (void)!kill(getppid(), 0);
}

static void call_kill(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_kill, 1, 0);
}

static void call_fork(void *baton)
{
    (void)baton;
    if (fork() == 0) {
        _exit(0);
    }
}

static void call_clone3(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_clone3, NULL, 0);
}

static void call_ptrace(void *baton)
{
    (void)baton;
    (void)!ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void call_unshare(void *baton)
{
    (void)baton;
    (void)!unshare(CLONE_NEWUSER);
}

static void call_clone_new_user(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void call_mount(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_mount, "none", "/tmp", "tmpfs", 0UL, NULL);
}

static void call_keyctl(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static void call_bpf(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_bpf, 0, NULL, 0);
}

static void call_io_uring(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_io_uring_setup, 1, NULL);
}

static void call_prctl(void *baton)
{
    (void)baton;
    (void)!syscall(SYS_prctl, 0, 0, 0, 0, 0);
}

static void call_mmap_executable(void *baton)
{
    (void)baton;
    (void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_mprotect_executable(void *baton)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)baton;
    (void)!mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void call_setrlimit(void *baton)
{
    struct rlimit none = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

    (void)baton;
    (void)!setrlimit(RLIMIT_CPU, &none);
}

#if defined(__x86_64__)
/* getpid by the 32-bit entry: another processor's table of calls. */
static void call_32_bit(void *baton)
{
    long number = 20;

    (void)baton;
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory");
}

static void the_reader_dies_on_a_32_bit_call(void **state)
{
    (void)state;
    locked_expect_killed(true, call_32_bit);
}

static void the_keeper_dies_on_a_32_bit_call(void **state)
{
    (void)state;
    locked_expect_killed(false, call_32_bit);
}
#endif

#define DIES(who, reader, what)                                                                    \
    static void the_##who##_dies_on_##what(void **state)                                           \
    {                                                                                              \
        (void)state;                                                                               \
        locked_expect_killed(reader, call_##what);                                                 \
    }

DIES(reader, true, open)
DIES(reader, true, stat)
DIES(reader, true, unlink)
DIES(reader, true, execve)
DIES(reader, true, execveat)
DIES(reader, true, socket)
DIES(reader, true, kill)
DIES(reader, true, kill_parent)
DIES(reader, true, fork)
DIES(reader, true, clone3)
DIES(reader, true, ptrace)
DIES(reader, true, unshare)
DIES(reader, true, prctl)
DIES(reader, true, mmap_executable)
DIES(reader, true, mprotect_executable)
DIES(reader, true, setrlimit)
DIES(keeper, false, execve)
DIES(keeper, false, execveat)
DIES(keeper, false, ptrace)
DIES(keeper, false, unshare)
DIES(keeper, false, clone_new_user)
DIES(keeper, false, mount)
DIES(keeper, false, keyctl)
DIES(keeper, false, bpf)
DIES(keeper, false, io_uring)

/* --- what must work --------------------------------------------------------------------------- */

static void use_cpu(void *baton)
{
    volatile unsigned long i = 0;

    (void)baton;
    for (;;) {
        i++;
    }
}

static void lock_with_one_second(void *baton)
{
    (void)ingest_lockdown_reader(1, 0);
    use_cpu(baton);
}

static void the_cpu_limit_ends_an_endless_reader(void **state)
{
    int status = 0;
    pid_t child;

    (void)state;
    locked_skip_sanitized();
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        lock_with_one_second(NULL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU);
}

static void allocate_too_much(void *baton)
{
    (void)baton;
    _exit(mmap(NULL, LOCKED_MEMORY_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      == MAP_FAILED
                  && errno == ENOMEM
              ? 0
              : 1);
}

static void the_memory_limit_holds(void **state)
{
    (void)state;
    locked_expect_done(true, allocate_too_much, NULL);
}

/* The keeper makes files and a child, sends it a signal and waits for it. */
static void keep_files(void *baton)
{
    char path[] = "/tmp/retrace-lockdown-XXXXXX";
    int fd = mkstemp(path);
    pid_t child;

    (void)baton;
    if (fd < 0 || unlink(path) != 0 || fsync(fd) != 0) {
        _exit(1);
    }
    child = fork();
    if (child == 0) {
        pause();
    }
    if (child < 0 || kill(child, SIGKILL) != 0 || waitpid(child, NULL, 0) != child) {
        _exit(2);
    }
}

static void the_keeper_may_keep_files_and_a_child(void **state)
{
    (void)state;
    locked_expect_done(false, keep_files, NULL);
}

static void refused_socket(void *baton)
{
    (void)baton;
    if (socket(AF_UNIX, SOCK_DGRAM, 0) >= 0 || errno != EPERM) {
        _exit(1);
    }
}

/* syslog(3) opens its socket anew where the daemon was restarted. */
static void the_keeper_is_refused_a_socket_and_lives(void **state)
{
    (void)state;
    locked_expect_done(false, refused_socket, NULL);
}

static void lock_again(void *baton)
{
    (void)baton;
    if (!ingest_lockdown_reader(LOCKED_CPU_S, LOCKED_MEMORY_BYTES)) {
        _exit(1);
    }
    call_open(NULL);
}

static void the_child_of_a_keeper_can_become_a_reader(void **state)
{
    (void)state;
    locked_expect_killed(false, lock_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_dies_on_open),
        cmocka_unit_test(the_reader_dies_on_stat),
        cmocka_unit_test(the_reader_dies_on_unlink),
        cmocka_unit_test(the_reader_dies_on_execve),
        cmocka_unit_test(the_reader_dies_on_execveat),
        cmocka_unit_test(the_reader_dies_on_socket),
        cmocka_unit_test(the_reader_dies_on_kill),
        cmocka_unit_test(the_reader_dies_on_kill_parent),
        cmocka_unit_test(the_reader_dies_on_fork),
        cmocka_unit_test(the_reader_dies_on_clone3),
        cmocka_unit_test(the_reader_dies_on_ptrace),
        cmocka_unit_test(the_reader_dies_on_unshare),
        cmocka_unit_test(the_reader_dies_on_prctl),
        cmocka_unit_test(the_reader_dies_on_mmap_executable),
        cmocka_unit_test(the_reader_dies_on_mprotect_executable),
        cmocka_unit_test(the_reader_dies_on_setrlimit),
        cmocka_unit_test(the_keeper_dies_on_execve),
        cmocka_unit_test(the_keeper_dies_on_execveat),
        cmocka_unit_test(the_keeper_dies_on_ptrace),
        cmocka_unit_test(the_keeper_dies_on_unshare),
        cmocka_unit_test(the_keeper_dies_on_clone_new_user),
        cmocka_unit_test(the_keeper_dies_on_mount),
        cmocka_unit_test(the_keeper_dies_on_keyctl),
        cmocka_unit_test(the_keeper_dies_on_bpf),
        cmocka_unit_test(the_keeper_dies_on_io_uring),
#if defined(__x86_64__)
        cmocka_unit_test(the_reader_dies_on_a_32_bit_call),
        cmocka_unit_test(the_keeper_dies_on_a_32_bit_call),
#endif
        cmocka_unit_test(the_cpu_limit_ends_an_endless_reader),
        cmocka_unit_test(the_memory_limit_holds),
        cmocka_unit_test(the_keeper_may_keep_files_and_a_child),
        cmocka_unit_test(the_keeper_is_refused_a_socket_and_lives),
        cmocka_unit_test(the_child_of_a_keeper_can_become_a_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
