/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are neither in the cache nor on this machine are looked for by a program of its own,
 * retrace-resolve: it alone reads packages and talks to servers, and links what that needs. A task
 * that finds all its files in the cache does not start it.
 *
 * It is asked in lines over a pipe, and answers in lines; fields are separated by tabs. It puts what
 * it finds into the cache, where the worker looks for itself.
 *
 *   worker                                  retrace-resolve
 *   release  ID | -
 *   arch     NAME
 *   module   BUILD-ID                       (one for each of the core)
 *   package  NAME                           (one for each that the upload names)
 *   find     KIND BUILD-ID [DWZ-NAME]   →   tell     LEVEL TEXT        (any number)
 *                                           kept     SOURCE PATH       (any number)
 *                                           found    SOURCE ORIGIN     or
 *                                           missing  ASKED TEXT
 *   choose                              →   tell     LEVEL TEXT        (any number)
 *                                           repository NAME KEYS
 *                                           package  NEVRA             (any number)
 *                                           file     KIND BUILD-ID PATH (any number)
 *                                           end                        or
 *                                           missing  ASKED TEXT
 */
#ifndef RETRACE_WORKER_ELSEWHERE_H
#define RETRACE_WORKER_ELSEWHERE_H

#include <apr_pools.h>
#include <apr_thread_proc.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/source.h"

#define WORKER_ELSEWHERE_PROGRAM "retrace-resolve"
#define WORKER_ELSEWHERE_LINE    8192 /* bytes with the newline; a longer one ends the conversation */
#define WORKER_ELSEWHERE_FIELDS  4

#define WORKER_ELSEWHERE_RELEASE "release"
#define WORKER_ELSEWHERE_ARCH    "arch"
#define WORKER_ELSEWHERE_MODULE  "module"
#define WORKER_ELSEWHERE_PACKAGE "package"
#define WORKER_ELSEWHERE_FIND    "find"
#define WORKER_ELSEWHERE_TELL    "tell"
#define WORKER_ELSEWHERE_KEPT    "kept"
#define WORKER_ELSEWHERE_FOUND   "found"
#define WORKER_ELSEWHERE_MISSING "missing"

#define WORKER_ELSEWHERE_CHOOSE     "choose"
#define WORKER_ELSEWHERE_REPOSITORY "repository"
#define WORKER_ELSEWHERE_FILE       "file"
#define WORKER_ELSEWHERE_END        "end"

#define WORKER_ELSEWHERE_TIME_SHARE 2 /* of MaxTaskRuntime, for all answers: one half is for gdb */

/**
 * Split a line at its tabs, in place; its newline goes.
 * @param fields  as many as there are; "" for the rest
 * @return how many, 0 when there are too many
 */
int worker_elsewhere_split(const char *fields[WORKER_ELSEWHERE_FIELDS], char *line);

/**
 * Start the program; it ends with p.
 * @param process  must live as long as p
 * @return other than APR_SUCCESS: it cannot be run
 */
apr_status_t worker_elsewhere_start(apr_proc_t *process, const retrace_config_t *config,
                                    apr_pool_t *p);

/** Tell it about the core. @return whether it has taken all of it */
bool worker_elsewhere_introduce(const apr_proc_t *process, const worker_core_t *core,
                                const worker_errand_t *errand, apr_pool_t *scratch);

/**
 * Answer questions until there are no more.
 * @return APR_EINVAL  a line that is no question
 *         other       an answer cannot be written
 */
apr_status_t worker_elsewhere_serve(FILE *questions, FILE *answers, const retrace_config_t *config,
                                    retrace_error_t *err, apr_pool_t *p);

#endif
