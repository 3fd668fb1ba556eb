/* SPDX-License-Identifier: Apache-2.0 */
/* See parent.h. */
#include "worker/parent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

bool worker_parent_bind(long parent)
{
    return parent == 0 || (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == (pid_t)parent);
}
