/* SPDX-License-Identifier: Apache-2.0 */
/* See spawn.h. */
#include "helpers/dispatch/spawn.h"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

int spawn_program(pid_t *ppid, char *const argv[])
{
    posix_spawnattr_t attributes;
    sigset_t none;
    int rc;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    rc = posix_spawn(ppid, argv[0], NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    return rc;
}
