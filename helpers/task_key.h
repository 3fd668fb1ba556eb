/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a task that a user may set, by name. libc only: the setuid helper links it. */
#ifndef RETRACE_TASK_KEY_H
#define RETRACE_TASK_KEY_H

/**
 * @return the name itself, from the table, or NULL when it is not one of them: caseno, bugzillano,
 *         notify, notes
 */
const char *task_key_find(const char *name);

#endif
