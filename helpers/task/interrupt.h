/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C and its kin, as something to look at: the program ends in an orderly way, and can still
 * say which task goes on without it. */
#ifndef RETRACE_TASK_INTERRUPT_H
#define RETRACE_TASK_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/**
 * From now on SIGINT, SIGTERM and SIGHUP end nothing by themselves.
 * @param pfd  a descriptor for the other two functions, for as long as the process lives
 */
apr_status_t task_interrupt_open(int *pfd, retrace_error_t *err);

/** Has one of them come? It stays so. */
bool task_interrupt_came(int fd);

/** Wait so long, or until one of them comes. @return whether one came */
bool task_interrupt_wait(int fd, int64_t wait_ms);

#endif
