/* SPDX-License-Identifier: Apache-2.0 */
/* Two filters: a short list of what the reader may do, and a list of what the keeper may not.
 * Calls are named by text, so that a name that this libseccomp or this processor does not have is
 * left out of the list: the reader cannot use it then, and the keeper is killed by none. */
#include "worker/ingest/lockdown.h"

#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* Besides the obvious: fstatfs is the look at the free space, getrandom and madvise are malloc's,
 * futex is what pthread_once calls when something is prepared at its first use, restart_syscall is
 * a poll that was stopped and continued, and the clock is a call where the vDSO cannot tell it. */
static const char *const reader_calls[] = {
    "read",
    "write",
    "pwrite64",
    "ftruncate",
    "ftruncate64",
    "fstatfs",
    "fstatfs64",
    "close",
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "futex",
    "getrandom",
    "poll",
    "ppoll",
    "ppoll_time64",
    "clock_gettime",
    "clock_gettime64",
    "gettimeofday",
    "time",
    "restart_syscall",
    "rt_sigreturn",
    "exit",
    "exit_group",
};

/* Refused, not deadly: syslog(3) tries them where its daemon was restarted. */
static const char *const keeper_refused[] = { "socket", "socketpair", "connect" };

static const char *const keeper_forbidden[] = {
    /* other programs and other processes */
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    "personality",
    /* the network: the source is open already */
    "socketcall",
    "bind",
    "listen",
    "accept",
    "accept4",
    /* another view of the system */
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "mount_setattr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "acct",
    "open_by_handle_at",
    "name_to_handle_at",
    /* wide or hardly needed entries to the kernel */
    "add_key",
    "request_key",
    "keyctl",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "io_setup",
    "io_submit",
    "memfd_secret",
    "modify_ldt",
    "vm86",
    "vm86old",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "fanotify_init",
    "lookup_dcookie",
    /* the machine */
    "reboot",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "syslog",
    "vhangup",
    "nfsservctl",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool add_rules(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int rc;
        if (number == __NR_SCMP_ERROR) {
            continue;
        }
        rc = seccomp_rule_add(filter, action, number, 0);
        if (rc != 0 && rc != -EDOM) { /* EDOM: another processor's call */
            return false;
        }
    }
    return true;
}

static bool load(scmp_filter_ctx filter, bool complete)
{
    /* 32-bit calls on a 64-bit kernel have other numbers: kill them as well, and not only the
     * thread. */
    bool loaded = complete
        && seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0
        && seccomp_load(filter) == 0;

    seccomp_release(filter);
    return loaded;
}

static bool limit(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit value = { .rlim_cur = soft, .rlim_max = hard };

    return setrlimit(resource, &value) == 0;
}

/* libarchive converts the names in pax headers with iconv, whose tables the C library maps at the
 * first use. Without a UTF-8 locale only ASCII ones are accepted, which is a smaller evil. */
static void load_locale(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    /* What could not be opened is refused with EBADF. */
    (void)iconv_close(iconv_open(nl_langinfo(CODESET), "UTF-8"));
}

/* Memory may be had, but none that runs. */
static bool allow_memory(scmp_filter_ctx filter)
{
    static const char *const names[] = { "mmap", "mmap2", "mprotect" };
    size_t i;

    for (i = 0; i < COUNT(names); i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (rc != 0 && rc != -EDOM) {
            return false;
        }
    }
    return true;
}

bool ingest_lockdown_reader(unsigned int max_cpu_s, unsigned long max_memory_bytes)
{
    scmp_filter_ctx filter;

    load_locale();
    /* At the limit comes SIGXCPU, which says why; SIGKILL comes from others, too. */
    if (!limit(RLIMIT_CORE, 0, 0) || !limit(RLIMIT_CPU, max_cpu_s, max_cpu_s + 1UL)) {
        return false;
    }
    if (max_memory_bytes != 0 && !limit(RLIMIT_AS, max_memory_bytes, max_memory_bytes)) {
        return false;
    }
    filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL) {
        return false;
    }
    return load(filter,
                allow_memory(filter)
                    && add_rules(filter, SCMP_ACT_ALLOW, reader_calls, COUNT(reader_calls)));
}

/* fork is fine, new namespaces are not; the flags of clone3 are out of a filter's sight. */
static bool forbid_namespaces(scmp_filter_ctx filter)
{
    static const unsigned int flags[] = { CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                          CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP };
    size_t i;

    for (i = 0; i < COUNT(flags); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]))
            != 0) {
            return false;
        }
    }
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

bool ingest_lockdown_keeper(void)
{
    scmp_filter_ctx filter;

    if (!limit(RLIMIT_CORE, 0, 0)) {
        return false;
    }
    filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return false;
    }
    return load(
        filter,
        forbid_namespaces(filter)
            && add_rules(filter, SCMP_ACT_ERRNO(EPERM), keeper_refused, COUNT(keeper_refused))
            && add_rules(filter, SCMP_ACT_KILL_PROCESS, keeper_forbidden, COUNT(keeper_forbidden)));
}
