/* SPDX-License-Identifier: Apache-2.0 */
/* See task.h. */
#include "lib/task.h"

#include <stddef.h>
#include <string.h>

retrace_task_type_t retrace_task_type_parse(const char *text)
{
    if (text == NULL || text[0] < '0' || text[0] > '4' || (text[1] != '\0' && text[1] != '\n')) {
        return RETRACE_TASK_RETRACE;
    }
    return (retrace_task_type_t)(text[0] - '0');
}

bool retrace_task_type_is_kernel(retrace_task_type_t type)
{
    return type == RETRACE_TASK_VMCORE || type == RETRACE_TASK_VMCORE_INTERACTIVE;
}

bool retrace_task_type_is_interactive(retrace_task_type_t type)
{
    return type == RETRACE_TASK_RETRACE_INTERACTIVE || type == RETRACE_TASK_VMCORE_INTERACTIVE;
}

#define TO(state) (1U << (state))

bool retrace_task_may(retrace_task_state_t from, retrace_task_state_t to)
{
    static const unsigned int allowed[] = {
        [RETRACE_TASK_RECEIVING] =
            TO(RETRACE_TASK_WAITING) | TO(RETRACE_TASK_QUEUED) | TO(RETRACE_TASK_FAILED),
        [RETRACE_TASK_WAITING] = TO(RETRACE_TASK_QUEUED) | TO(RETRACE_TASK_FAILED),
        [RETRACE_TASK_QUEUED] = TO(RETRACE_TASK_RUNNING) | TO(RETRACE_TASK_FAILED),
        /* back to the queue: its dispatcher died, the crash is not to blame */
        [RETRACE_TASK_RUNNING] =
            TO(RETRACE_TASK_QUEUED) | TO(RETRACE_TASK_SUCCEEDED) | TO(RETRACE_TASK_FAILED),
        [RETRACE_TASK_SUCCEEDED] = 0,
        [RETRACE_TASK_FAILED] = 0,
    };

    return (allowed[from] & TO(to)) != 0;
}

bool retrace_task_is_final(retrace_task_state_t state)
{
    return state == RETRACE_TASK_SUCCEEDED || state == RETRACE_TASK_FAILED;
}

const char *retrace_task_status_word(retrace_task_state_t state)
{
    switch (state) {
    case RETRACE_TASK_SUCCEEDED:
        return "FINISHED_SUCCESS";
    case RETRACE_TASK_FAILED:
        return "FINISHED_FAILURE";
    default:
        return "PENDING";
    }
}

const char *retrace_task_stage_text(int stage)
{
    static const char *const texts[RETRACE_STAGES] = {
        [RETRACE_STAGE_ANALYZE] = "Analyzing crash data",
        [RETRACE_STAGE_ENVIRONMENT] = "Preparing environment for backtrace generation",
        [RETRACE_STAGE_BACKTRACE] = "Generating backtrace",
        [RETRACE_STAGE_CLEAN] = "Cleaning environment after backtrace generation",
        [RETRACE_STAGE_STATISTICS] = "Saving crash statistics",
        [RETRACE_STAGE_FINISHING] = "Finishing task",
        [RETRACE_STAGE_SUCCESS] = "Retrace job finished successfully",
        [RETRACE_STAGE_FAIL] = "Retrace job failed",
        [RETRACE_STAGE_DOWNLOADING] = "Downloading remote resources",
        [RETRACE_STAGE_POSTPROCESSING] = "Post-processing downloaded file",
        [RETRACE_STAGE_MD5SUM] = "Calculating md5sum",
    };

    return stage >= 0 && stage < RETRACE_STAGES ? texts[stage] : NULL;
}

int retrace_task_stage_percent(int stage)
{
    /* in the order of a task: what vmcores are downloaded for comes first */
    static const int percents[RETRACE_STAGES] = {
        [RETRACE_STAGE_DOWNLOADING] = 0,  [RETRACE_STAGE_POSTPROCESSING] = 3,
        [RETRACE_STAGE_MD5SUM] = 4,       [RETRACE_STAGE_ANALYZE] = 5,
        [RETRACE_STAGE_ENVIRONMENT] = 10, [RETRACE_STAGE_BACKTRACE] = 30,
        [RETRACE_STAGE_CLEAN] = 90,       [RETRACE_STAGE_STATISTICS] = 95,
        [RETRACE_STAGE_FINISHING] = 98,   [RETRACE_STAGE_SUCCESS] = 100,
        [RETRACE_STAGE_FAIL] = 100,
    };

    return stage >= 0 && stage < RETRACE_STAGES ? percents[stage] : -1;
}
