/* SPDX-License-Identifier: Apache-2.0 */
/* What a task is: its type, its state, the state's allowed changes, and the texts that clients
 * compare literally. Pure: nothing here touches a file. */
#ifndef RETRACE_TASK_H
#define RETRACE_TASK_H

#include <stdbool.h>

/** X-Task-Type, and the content of the file `type`. */
typedef enum retrace_task_type_t {
    RETRACE_TASK_RETRACE = 0,
    RETRACE_TASK_DEBUG = 1,
    RETRACE_TASK_VMCORE = 2,
    RETRACE_TASK_RETRACE_INTERACTIVE = 3,
    RETRACE_TASK_VMCORE_INTERACTIVE = 4
} retrace_task_type_t;

/** Read an X-Task-Type header or a `type` file; what is not 0 to 4 counts as 0 (protocol). */
retrace_task_type_t retrace_task_type_parse(const char *text);

bool retrace_task_type_is_kernel(retrace_task_type_t type);
bool retrace_task_type_is_interactive(retrace_task_type_t type);

/** Where a task is between upload and result. */
typedef enum retrace_task_state_t {
    RETRACE_TASK_RECEIVING, /* below .incoming/ */
    RETRACE_TASK_WAITING,   /* managed: nobody has started it */
    RETRACE_TASK_QUEUED,    /* in queue/ */
    RETRACE_TASK_RUNNING,   /* in running/ */
    RETRACE_TASK_SUCCEEDED,
    RETRACE_TASK_FAILED
} retrace_task_state_t;

/** Is this change of state one of the allowed ones? */
bool retrace_task_may(retrace_task_state_t from, retrace_task_state_t to);

/** Has it ended, one way or the other? */
bool retrace_task_is_final(retrace_task_state_t state);

/** The word of X-Task-Status: PENDING, FINISHED_SUCCESS or FINISHED_FAILURE. */
const char *retrace_task_status_word(retrace_task_state_t state);

/** The content of the file `status`; the order is the wire contract. */
typedef enum retrace_task_stage_t {
    RETRACE_STAGE_ANALYZE = 0,
    RETRACE_STAGE_ENVIRONMENT = 1,
    RETRACE_STAGE_BACKTRACE = 2,
    RETRACE_STAGE_CLEAN = 3,
    RETRACE_STAGE_STATISTICS = 4,
    RETRACE_STAGE_FINISHING = 5,
    RETRACE_STAGE_SUCCESS = 6,
    RETRACE_STAGE_FAIL = 7,
    RETRACE_STAGE_DOWNLOADING = 8,
    RETRACE_STAGE_POSTPROCESSING = 9,
    RETRACE_STAGE_MD5SUM = 10
} retrace_task_stage_t;

#define RETRACE_STAGES 11

/**
 * The sentence that clients know for a stage.
 * @param stage  any number; NULL is returned for one that is no stage
 */
const char *retrace_task_stage_text(int stage);

/**
 * How far a task is that has reached a stage, by what the stages usually take: a share of them, not
 * a measurement. It does not go back while a task runs.
 * @return 0 to 100; -1 for a number that is no stage
 */
int retrace_task_stage_percent(int stage);

#endif
