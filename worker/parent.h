/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that must not outlive the one that started them. */
#ifndef RETRACE_WORKER_PARENT_H
#define RETRACE_WORKER_PARENT_H

#include <stdbool.h>

/**
 * Die with the process that started this one.
 * @param parent  its process id; 0: nobody asks for it
 * @return false when it has died already
 */
bool worker_parent_bind(long parent);

#endif
