/* SPDX-License-Identifier: Apache-2.0 */
/* How retrace-server-task ends: one code per kind of end, each with its line in
 * retrace-server-task(1). Within the program a code travels as an APR status, with its sentence. */
#ifndef RETRACE_TASK_EXIT_H
#define RETRACE_TASK_EXIT_H

#include "lib/error.h"

typedef enum task_exit_t {
    TASK_EXIT_OK = 0,           /* done; of a task: it ended with a backtrace */
    TASK_EXIT_FAILED = 1,       /* the task failed */
    TASK_EXIT_PENDING = 2,      /* the task has not ended */
    TASK_EXIT_USAGE = 64,       /* wrong command line */
    TASK_EXIT_SOURCE = 65,      /* the crash cannot be read, or not be sent */
    TASK_EXIT_NO_TASK = 66,     /* there is no such task */
    TASK_EXIT_UNAVAILABLE = 69, /* the server is not reachable, fully occupied, or cannot do that */
    TASK_EXIT_IO = 74,          /* a file or a system call failed */
    TASK_EXIT_PROTOCOL = 76,    /* what the server answers is not the protocol */
    TASK_EXIT_REFUSED = 77,     /* wrong password, or the server refuses */
    TASK_EXIT_INTERRUPTED = 130 /* ended by a signal; the task goes on */
} task_exit_t;

/** The status that means this code; never one of the system. */
#define TASK_STATUS(code) (APR_OS_START_USERERR + (apr_status_t)(code))

/**
 * Give a failure of the system or of the library the code that it means here; its sentence stays.
 * @param rv  what was returned together with err
 * @return APR_SUCCESS for APR_SUCCESS, else TASK_STATUS(code)
 */
apr_status_t task_exit_as(task_exit_t code, apr_status_t rv, retrace_error_t *err);

/** The code of a status; TASK_EXIT_IO for a failure that was given none. */
task_exit_t task_exit_of(apr_status_t rv);

#endif
