/* SPDX-License-Identifier: Apache-2.0 */
/* See seccomp.h. The filter is in force from bwrap's execve of the program onwards, and for bwrap's
 * own process 1 in the sandbox, which only waits. System calls are given by name: those that this
 * architecture or libseccomp does not have are left out. */
#include "worker/seccomp.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID    \
     | CLONE_NEWNET | CLONE_NEWTIME)

/* Where clone(2) has its flags. */
#ifdef __s390__
#define CLONE_FLAGS_ARGUMENT 1
#else
#define CLONE_FLAGS_ARGUMENT 0
#endif

static const char *const allowed[] = {
    /* files */
    "access", "chdir", "close", "close_range", "dup", "dup2", "dup3", "faccessat", "faccessat2",
    "fadvise64", "fcntl", "fstat", "fstatfs", "ftruncate", "getcwd", "getdents", "getdents64",
    "lseek", "lstat", "newfstatat", "open", "openat", "pipe", "pipe2", "pread64", "preadv",
    "pwrite64", "read", "readlink", "readlinkat", "readv", "stat", "statfs", "statx", "umask",
    "unlink", "write", "writev",
    /* waiting */
    "poll", "ppoll", "pselect6", "select",
    /* memory */
    "brk", "madvise", "mmap", "mprotect", "mremap", "munmap",
    /* signals */
    "kill", "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    "tgkill",
    /* processes and threads; clone, ioctl and prctl have conditions, see below */
    "arch_prctl", "execve", "exit", "exit_group", "fork", "futex", "get_robust_list", "getcpu",
    "getegid", "geteuid", "getgid", "getpgrp", "getpid", "getppid", "getrlimit", "getrusage",
    "gettid", "getuid", "membarrier", "prlimit64", "rseq", "sched_getaffinity", "sched_yield",
    "set_robust_list", "set_tid_address", "setrlimit", "vfork", "wait4", "waitid",
    /* time and the machine */
    "clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep",
    "sysinfo", "time", "times", "uname"
};

/* Calls without which no attack on the kernel or on other processes begins: whoever makes one is
 * not the debugger any more. */
static const char *const deadly[] = {
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_open",
    "pidfd_getfd", "pidfd_send_signal",
    /* large parts of the kernel behind one call */
    "bpf", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd",
    "perf_event_open", "fanotify_init", "modify_ldt", "vmsplice", "keyctl", "add_key",
    "request_key",
    /* namespaces and mounts */
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at",
    "open_by_handle_at",
    /* the network */
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg",
    "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "socketcall",
    /* the machine */
    "acct", "adjtimex", "clock_adjtime", "clock_settime", "delete_module", "finit_module",
    "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "mknod", "mknodat",
    "quotactl", "reboot", "setdomainname", "sethostname", "settimeofday", "swapoff", "swapon",
    "syslog"
};

/* Never TIOCSTI and TIOCLINUX, which type into a terminal. */
static const unsigned int terminal_requests[] = {
    TCGETS, TCSETS, TCSETSW, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGWINSZ, TIOCGPGRP, TIOCGETD
};

static const int process_options[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE,
                                       PR_CAPBSET_READ };

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        int failed = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, call, 0);

        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

/* Allow a call for one value of the low half of one argument: the kernel ignores the other half. */
static int add_value(scmp_filter_ctx filter, int call, unsigned int argument, uint32_t value)
{
    struct scmp_arg_cmp condition = { argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value };

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

static int add_conditions(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp no_namespace = { CLONE_FLAGS_ARGUMENT, SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES,
                                         0 };
    int failed;
    size_t i;

    /* clone3 hides its flags in memory; libc goes on with clone when there is no such call. */
    failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (failed == 0) {
        failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &no_namespace);
    }
    for (i = 0; i < COUNT(terminal_requests) && failed == 0; i++) {
        failed = add_value(filter, SCMP_SYS(ioctl), 1, terminal_requests[i]);
    }
    for (i = 0; i < COUNT(process_options) && failed == 0; i++) {
        failed = add_value(filter, SCMP_SYS(prctl), 0, (uint32_t)process_options[i]);
    }
    return failed;
}

static int fill(scmp_filter_ctx filter)
{
    int failed;

    /* i386 and x32 calls have other numbers: no rule would fit them. */
    failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (failed == 0) {
        failed = add_names(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    }
    if (failed == 0) {
        failed = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
    }
    if (failed == 0) {
        failed = add_conditions(filter);
    }
    return failed;
}

/* A file that has no name and is rewound. */
static int export_to_file(int *pfd, scmp_filter_ctx filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    int failed;

    if (fd < 0) {
        return -errno;
    }
    failed = seccomp_export_bpf(filter, fd);
    if (failed == 0 && lseek(fd, 0, SEEK_SET) != 0) {
        failed = -errno;
    }
    if (failed != 0) {
        close(fd);
        return failed;
    }
    *pfd = fd;
    return 0;
}

apr_status_t worker_seccomp_export(int *pfd, retrace_error_t *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed;

    if (filter == NULL) {
        return retrace_fail(err, APR_ENOMEM, "make a system call filter");
    }
    failed = fill(filter);
    if (failed == 0) {
        failed = export_to_file(pfd, filter);
    }
    seccomp_release(filter);
    return failed == 0 ? APR_SUCCESS : retrace_fail(err, -failed, "make a system call filter");
}
