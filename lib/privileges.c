/* SPDX-License-Identifier: Apache-2.0 */
/* See privileges.h. The order of the drop is groups, gid, uid, capabilities: each step needs what
 * the next one takes away (setresuid(2), capabilities(7)). */
#include "lib/privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 65536 /* closed one by one where the kernel has no close_range(2) */

static bool open_standard_descriptors(void)
{
    int fd;

    /* A closed descriptor 1 would be reused by the first file that is opened, and written to. */
    do {
        fd = open("/dev/null", O_RDWR);
    }
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd > STDERR_FILENO;
}

static void close_other_descriptors(void)
{
    int fd;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0) {
        return;
    }
#endif
    for (fd = STDERR_FILENO + 1; fd < MAX_DESCRIPTORS; fd++) {
        (void)close(fd);
    }
}

/* By the system call: libc hides the two signals that it uses itself, and its own posix_spawn(3)
 * hands them down ignored. All zeros are the default action on every architecture. */
static bool reset_signals(void)
{
    static const unsigned long standard[8];
    sigset_t none;
    int number;

    for (number = 1; number < NSIG; number++) {
        (void)syscall(SYS_rt_sigaction, number, standard, NULL, (size_t)(_NSIG / 8));
    }
    return sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

static bool reset_limits(void)
{
    static const int resources[] = { RLIMIT_AS,     RLIMIT_CPU,   RLIMIT_DATA, RLIMIT_FSIZE,
                                     RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK };
    struct rlimit limit;
    size_t i;

    for (i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (getrlimit(resources[i], &limit) != 0) {
            return false;
        }
        limit.rlim_cur = limit.rlim_max;
        if (resources[i] == RLIMIT_STACK && limit.rlim_cur > 8 * 1024 * 1024) {
            limit.rlim_cur = 8 * 1024 * 1024; /* unlimited would change the memory layout */
        }
        if (setrlimit(resources[i], &limit) != 0) {
            return false;
        }
    }
    limit.rlim_cur = 0;
    limit.rlim_max = 0;
    return setrlimit(RLIMIT_CORE, &limit) == 0;
}

/* A timer of the caller's survives exec, and its signal would kill us. */
static void reset_timers(void)
{
    static const int timers[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
    struct itimerval none;
    size_t i;

    memset(&none, 0, sizeof(none));
    for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        (void)setitimer((__itimer_which_t)timers[i], &none, NULL);
    }
}

bool retrace_privileges_reset_process(void)
{
    if (!open_standard_descriptors()) {
        return false;
    }
    close_other_descriptors();
    reset_timers();
    (void)umask(027);
    return chdir("/") == 0 && reset_signals() && reset_limits();
}

bool retrace_privileges_reset_environment(void)
{
    return clearenv() == 0 && setenv("PATH", "/usr/bin:/bin", 1) == 0
        && setenv("LANG", "C.UTF-8", 1) == 0 && setenv("TZ", "UTC", 1) == 0;
}

static bool set_capabilities_to_none(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2];

    memset(none, 0, sizeof(none));
    return syscall(SYS_capset, &header, none) == 0;
}

static bool has_no_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    int i;

    if (syscall(SYS_capget, &header, data) != 0) {
        return false;
    }
    for (i = 0; i < 2; i++) {
        if (data[i].effective != 0 || data[i].permitted != 0 || data[i].inheritable != 0) {
            return false;
        }
    }
    return true;
}

bool retrace_privileges_are_dropped(uid_t uid, gid_t gid)
{
    uid_t r;
    uid_t e;
    uid_t s;
    gid_t rg;
    gid_t eg;
    gid_t sg;

    return uid != 0 && gid != 0 && getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid
        && getresgid(&rg, &eg, &sg) == 0 && rg == gid && eg == gid && sg == gid
        && getgroups(0, NULL) == 0 && has_no_capabilities() && setgid(0) != 0 && setuid(0) != 0;
}

bool retrace_privileges_drop(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return false;
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return set_capabilities_to_none() && retrace_privileges_are_dropped(uid, gid);
}
