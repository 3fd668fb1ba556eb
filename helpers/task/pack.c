/* SPDX-License-Identifier: Apache-2.0 */
/* See pack.h. */
#include "helpers/task/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/temporary.h"
#include "lib/config.h"

#define MODE     0640 /* what ABRT gives them */
#define XZ_LEVEL "2"  /* the same: more costs much time and saves little */

typedef struct encoding_t {
    int (*add_filter)(struct archive *out);
    const char *filter;
    const char *level; /* NULL: the usual one */
} encoding_t;

static const encoding_t encodings[TASK_FORMATS] = {
    [TASK_FORMAT_ZSTD] = { archive_write_add_filter_zstd, "zstd", NULL },
    [TASK_FORMAT_XZ] = { archive_write_add_filter_xz, "xz", XZ_LEVEL },
    [TASK_FORMAT_GZIP] = { archive_write_add_filter_gzip, "gzip", NULL },
};

typedef struct packing_job_t {
    struct archive *out;
    const task_source_t *source;
    const task_plan_t *plan;
    task_progress_t *progress;
} packing_job_t;

static apr_status_t refuse(const packing_job_t *job, retrace_error_t *err)
{
    const char *reason = archive_error_string(job->out);

    return retrace_fail(err, TASK_STATUS(TASK_EXIT_IO), "pack the crash: %s",
                        reason != NULL ? reason : "no memory");
}

static apr_status_t check_packed(const task_plan_t *plan, int64_t bytes, retrace_error_t *err)
{
    if (plan->max_packed >= 0 && bytes > plan->max_packed) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE),
                            "the packed crash is larger than the %" APR_INT64_T_FMT
                            " MB that the server takes",
                            plan->max_packed / RETRACE_MIB);
    }
    return APR_SUCCESS;
}

static apr_status_t begin_entry(const packing_job_t *job, const char *name, int64_t bytes,
                                retrace_error_t *err)
{
    struct archive_entry *entry = archive_entry_new();
    int rc;

    if (entry == NULL) {
        return retrace_fail(err, APR_ENOMEM, "pack the crash");
    }
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, MODE);
    archive_entry_set_mtime(entry, time(NULL), 0);
    archive_entry_set_size(entry, bytes);
    rc = archive_write_header(job->out, entry);
    archive_entry_free(entry);
    return rc == ARCHIVE_OK ? APR_SUCCESS : refuse(job, err);
}

static apr_status_t write_core(const packing_job_t *job, retrace_error_t *err)
{
    char block[TASK_BLOCK];
    const task_source_t *source = job->source;
    int64_t done = 0;
    apr_status_t rv = begin_entry(job, job->plan->name, source->core_bytes, err);

    while (rv == APR_SUCCESS && done < source->core_bytes) {
        int64_t left = source->core_bytes - done;
        ssize_t got = pread(source->core, block,
                            left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block), done);

        if (got <= 0) {
            rv = retrace_fail(err, got < 0 ? errno : APR_EINVAL,
                              got < 0 ? "read the core" : "the core became shorter meanwhile");
            return task_exit_as(TASK_EXIT_SOURCE, rv, err);
        }
        if (archive_write_data(job->out, block, (size_t)got) != got) {
            return refuse(job, err);
        }
        done += got;
        task_progress_show(job->progress, "Packing",
                           task_progress_percent(done, source->core_bytes));
        rv = check_packed(job->plan, archive_filter_bytes(job->out, -1), err);
    }
    return rv;
}

static apr_status_t write_members(const packing_job_t *job, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < TASK_MEMBERS; i++) {
        const char *text = job->source->members[i];
        size_t length;

        if (text == NULL) {
            continue;
        }
        length = strlen(text);
        rv = begin_entry(job, task_member_name((task_member_t)i), (int64_t)length, err);
        if (rv == APR_SUCCESS && archive_write_data(job->out, text, length) != (la_ssize_t)length) {
            rv = refuse(job, err);
        }
    }
    return rv;
}

static apr_status_t open_archive(const packing_job_t *job, int fd, retrace_error_t *err)
{
    const encoding_t *encoding = &encodings[job->plan->format];

    int rc = job->plan->bare ? archive_write_set_format_raw(job->out)
                             : archive_write_set_format_gnutar(job->out);

    if (rc != ARCHIVE_OK || encoding->add_filter(job->out) < ARCHIVE_WARN
        || (encoding->level != NULL
            && archive_write_set_filter_option(job->out, encoding->filter, "compression-level",
                                               encoding->level)
                != ARCHIVE_OK)
        || archive_write_open_fd(job->out, fd) != ARCHIVE_OK) {
        return refuse(job, err);
    }
    return APR_SUCCESS;
}

static apr_status_t write_archive(int fd, packing_job_t *job, retrace_error_t *err)
{
    apr_status_t rv;

    job->out = archive_write_new();
    if (job->out == NULL) {
        return retrace_fail(err, APR_ENOMEM, "pack the crash");
    }
    rv = open_archive(job, fd, err);
    if (rv == APR_SUCCESS) {
        rv = write_core(job, err);
    }
    if (rv == APR_SUCCESS && !job->plan->bare) {
        rv = write_members(job, err);
    }
    if (rv == APR_SUCCESS && archive_write_close(job->out) != ARCHIVE_OK) {
        rv = refuse(job, err);
    }
    if (rv != APR_SUCCESS) {
        (void)archive_write_fail(job->out); /* nothing more is written */
    }
    archive_write_free(job->out);
    task_progress_clear(job->progress);
    return rv;
}

static apr_status_t unpack_core(task_source_t *source, const task_plan_t *plan,
                                retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv =
        task_core_unpack(&source->core, &source->core_bytes, source->core, plan->max_unpacked, err);

    if (rv == APR_SUCCESS) {
        task_source_own(source->core, p);
        source->packing = TASK_PACKING_NONE;
        rv = task_plan_check_sizes(plan, source, err);
    }
    return rv;
}

apr_status_t task_pack(task_upload_t *upload, task_source_t *source, const task_plan_t *plan,
                       task_progress_t *progress, retrace_error_t *err, apr_pool_t *p)
{
    packing_job_t job = { .source = source, .plan = plan, .progress = progress };
    int fd = -1;
    apr_status_t rv;

    if (plan->format == TASK_FORMAT_CORE) {
        *upload = (task_upload_t){ source->core, source->core_bytes };
        return check_packed(plan, source->core_bytes, err);
    }
    rv = plan->unpack ? unpack_core(source, plan, err, p) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = task_temporary_open(&fd, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    task_source_own(fd, p);
    rv = write_archive(fd, &job, err);
    if (rv == APR_SUCCESS) {
        int64_t bytes = lseek(fd, 0, SEEK_END);

        rv = check_packed(plan, bytes, err);
        if (rv == APR_SUCCESS) {
            *upload = (task_upload_t){ fd, bytes };
        }
    }
    return rv;
}
