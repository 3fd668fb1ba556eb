/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter by itself: a child loads it and makes one call, with arguments that would
 * fail harmlessly without a filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/seccomp.h"

#define KILLED (-1)
#define X32    0x40000000L

typedef struct call_t {
    long number;
    long first;
    long second;
} call_t;

static struct sock_fprog load_program(void)
{
    struct sock_fprog program = { 0, NULL };
    struct stat info;
    int fd = -1;

    assert_int_equal(worker_seccomp_export(&fd, NULL), APR_SUCCESS);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size % sizeof(struct sock_filter), 0);
    program.len = (unsigned short)((size_t)info.st_size / sizeof(struct sock_filter));
    program.filter = malloc((size_t)info.st_size);
    assert_int_equal(read(fd, program.filter, (size_t)info.st_size), info.st_size);
    close(fd);
    return program;
}

/* The child's end: errno of the call (0: it worked), or KILLED. */
static int result_of(int (*act)(const void *), const void *argument)
{
    struct sock_fprog program = load_program();
    const struct rlimit no_core = { 0, 0 };
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
            syscall(SYS_exit_group, 255);
        }
        syscall(SYS_exit_group, act(argument));
    }
    free(program.filter);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGSYS);
        return KILLED;
    }
    assert_int_not_equal(WEXITSTATUS(status), 255);
    return WEXITSTATUS(status);
}

static int make_call(const void *argument)
{
    const call_t *call = argument;

    return syscall(call->number, call->first, call->second, 0L, 0L, 0L, 0L) < 0 ? errno : 0;
}

static int call_result(long number, long first, long second)
{
    const call_t call = { number, first, second };

    return result_of(make_call, &call);
}

static void test_descriptor_is_closed_on_exec(void **state)
{
    int fd = -1;

    (void)state;
    assert_int_equal(worker_seccomp_export(&fd, NULL), APR_SUCCESS);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
}

static void test_deadly_calls(void **state)
{
    static const long numbers[] = { SYS_ptrace,
                                    SYS_process_vm_readv,
                                    SYS_process_vm_writev,
                                    SYS_bpf,
                                    SYS_io_uring_setup,
                                    SYS_userfaultfd,
                                    SYS_perf_event_open,
                                    SYS_mount,
                                    SYS_umount2,
                                    SYS_pivot_root,
                                    SYS_chroot,
                                    SYS_unshare,
                                    SYS_setns,
                                    SYS_keyctl,
                                    SYS_add_key,
                                    SYS_request_key,
                                    SYS_socket,
                                    SYS_socketpair,
                                    SYS_connect,
                                    SYS_bind,
                                    SYS_sendto,
                                    SYS_recvmsg,
                                    SYS_open_by_handle_at,
                                    SYS_init_module,
                                    SYS_kexec_load,
                                    SYS_kcmp,
                                    SYS_reboot,
                                    SYS_mknodat };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(call_result(numbers[i], -1, -1), KILLED);
    }
}

/* Not needed, but no sign of an attack either. */
static void test_other_calls_are_refused(void **state)
{
    static const long numbers[] = { SYS_personality, SYS_memfd_create, SYS_symlinkat, SYS_fchmod,
                                    SYS_setuid,      SYS_capset,       SYS_seccomp,   SYS_mincore,
                                    SYS_linkat,      SYS_shmget,       SYS_setsid };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(call_result(numbers[i], -1, -1), EPERM);
    }
}

static void test_needed_calls_work(void **state)
{
    (void)state;
    assert_int_equal(call_result(SYS_getpid, 0, 0), 0);
    assert_int_equal(call_result(SYS_read, -1, 0), EBADF);
    assert_int_equal(call_result(SYS_execve, 0, 0), EFAULT);
}

static int fork_child(const void *unused)
{
    (void)unused;
    if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0) {
        return errno;
    }
    return 0;
}

static void test_clone(void **state)
{
    static const long namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
                                       CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
    size_t i;

    (void)state;
    assert_int_equal(result_of(fork_child, NULL), 0);
    assert_int_equal(call_result(SYS_clone3, 0, 0), ENOSYS);
    for (i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        assert_int_equal(call_result(SYS_clone, namespaces[i] | SIGCHLD, 0), EPERM);
    }
}

static void test_ioctl(void **state)
{
    (void)state;
    assert_int_equal(call_result(SYS_ioctl, -1, TCGETS), EBADF);
    assert_int_equal(call_result(SYS_ioctl, -1, TIOCSTI), EPERM);
    /* the kernel looks at the low half of the request only */
    assert_int_equal(call_result(SYS_ioctl, -1, TIOCSTI | (1L << 32)), EPERM);
    assert_int_equal(call_result(SYS_ioctl, -1, TIOCLINUX), EPERM);
}

static void test_prctl(void **state)
{
    (void)state;
    assert_int_equal(call_result(SYS_prctl, PR_SET_NAME, (long)(intptr_t) "name"), 0);
    assert_int_equal(call_result(SYS_prctl, PR_SET_DUMPABLE, 1), EPERM);
    assert_int_equal(call_result(SYS_prctl, PR_SET_SECCOMP, 2), EPERM);
}

#ifdef __x86_64__
static int call_as_i386(const void *unused)
{
    long result;

    (void)unused;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory"); /* getpid */
    return 0;
}

static void test_other_abis_are_killed(void **state)
{
    (void)state;
    assert_int_equal(result_of(call_as_i386, NULL), KILLED);
    assert_int_equal(call_result(SYS_getpid | X32, 0, 0), KILLED);
    assert_int_equal(call_result(SYS_ptrace | X32, 0, 0), KILLED);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor_is_closed_on_exec),
        cmocka_unit_test(test_deadly_calls),
        cmocka_unit_test(test_other_calls_are_refused),
        cmocka_unit_test(test_needed_calls_work),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_ioctl),
        cmocka_unit_test(test_prctl),
#ifdef __x86_64__
        cmocka_unit_test(test_other_abis_are_killed),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
