/* SPDX-License-Identifier: Apache-2.0 */
/* See plan.h. */
#include "helpers/task/plan.h"

#include <string.h>

#include "helpers/task/exit.h"
#include "lib/config.h"

static const char *const core_names[TASK_PACKINGS] = {
    [TASK_PACKING_NONE] = "coredump",    [TASK_PACKING_GZIP] = "coredump.gz",
    [TASK_PACKING_XZ] = "coredump.xz",   [TASK_PACKING_ZSTD] = "coredump.zst",
    [TASK_PACKING_LZ4] = "coredump.lz4",
};

static int64_t bytes_of(int64_t megabytes)
{
    return megabytes < 0 ? -1 : megabytes * RETRACE_MIB;
}

/* From a bare core the server finds out what it needs; an archive it refuses when program or
 * package is missing. What the user says is not dropped for that. */
static bool goes_bare(const task_settings_t *settings, const task_source_t *source)
{
    return TASK_HAS(settings->formats, TASK_FORMAT_CORE) && !source->is_told
        && (source->members[TASK_MEMBER_EXECUTABLE] == NULL
            || source->members[TASK_MEMBER_PACKAGE] == NULL);
}

/* TASK_FORMATS when there is none. */
static task_format_t choose_format(const task_settings_t *settings, const task_source_t *source)
{
    bool bare = goes_bare(settings, source);
    int format;

    if (bare && source->packing != TASK_PACKING_NONE) {
        return TASK_FORMAT_CORE;
    }
    for (format = 0; format < TASK_FORMATS; format++) {
        if (TASK_HAS(settings->formats, format) && (bare || format != TASK_FORMAT_CORE)) {
            break;
        }
    }
    return (task_format_t)format;
}

apr_status_t task_plan_check_sizes(const task_plan_t *plan, const task_source_t *source,
                                   retrace_error_t *err)
{
    int64_t bytes = source->core_bytes;
    int i;

    for (i = 0; i < TASK_MEMBERS; i++) {
        bytes += source->members[i] != NULL ? (int64_t)strlen(source->members[i]) : 0;
    }
    if (plan->max_unpacked >= 0 && bytes > plan->max_unpacked) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE),
                            "the crash is of %" APR_INT64_T_FMT
                            " bytes, the server takes at most %" APR_INT64_T_FMT " MB",
                            bytes, plan->max_unpacked / RETRACE_MIB);
    }
    return APR_SUCCESS;
}

apr_status_t task_plan_check_free(const task_settings_t *settings, retrace_error_t *err)
{
    if (settings->is_full) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_UNAVAILABLE),
                            "the server is fully occupied: %" APR_INT64_T_FMT
                            " tasks run, try again later",
                            settings->running_tasks);
    }
    return APR_SUCCESS;
}

apr_status_t task_plan_make(task_plan_t *plan, const task_settings_t *settings,
                            const task_source_t *source, retrace_error_t *err)
{
    task_plan_t made = { .format = choose_format(settings, source),
                         .bare = goes_bare(settings, source),
                         .max_packed = bytes_of(settings->max_packed_mb),
                         .max_unpacked = bytes_of(settings->max_unpacked_mb) };
    apr_status_t rv;

    if (made.format == TASK_FORMATS) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_UNAVAILABLE),
                            "the server takes none of the formats that this program can send");
    }
    rv = task_plan_check_sizes(&made, source, err);
    if (rv == APR_SUCCESS) {
        /* Who takes zstd is new enough to take packed cores as well. */
        made.unpack = source->packing != TASK_PACKING_NONE && !made.bare
            && !TASK_HAS(settings->formats, TASK_FORMAT_ZSTD);
        made.name = core_names[made.unpack ? TASK_PACKING_NONE : source->packing];
        made.type = task_format_type(made.bare ? TASK_FORMAT_CORE : made.format);
        *plan = made;
    }
    return rv;
}
