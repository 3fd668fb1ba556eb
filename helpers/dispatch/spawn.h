/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a child of the dispatcher. */
#ifndef RETRACE_SPAWN_H
#define RETRACE_SPAWN_H

#include <sys/types.h>

/** Start argv[0], a path, with our environment and no signal blocked. @return 0 or errno */
int spawn_program(pid_t *ppid, char *const argv[]);

#endif
