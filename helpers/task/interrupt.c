/* SPDX-License-Identifier: Apache-2.0 */
/* See interrupt.h. The signal is never read off its descriptor, so that it stays. */
#include "helpers/task/interrupt.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

apr_status_t task_interrupt_open(int *pfd, retrace_error_t *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return retrace_fail(err, errno, "watch for signals");
    }
    *pfd = fd;
    return APR_SUCCESS;
}

bool task_interrupt_wait(int fd, int64_t wait_ms)
{
    struct pollfd source = { .fd = fd, .events = POLLIN };

    return poll(&source, 1, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms) > 0;
}

bool task_interrupt_came(int fd)
{
    return task_interrupt_wait(fd, 0);
}
