/* SPDX-License-Identifier: Apache-2.0 */
/* See task_dir.h. */
#include "worker/ingest/task_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/spool.h"

static apr_status_t write_state(const ingest_task_t *task, const char *digest,
                                const ingest_request_t *request, retrace_error_t *err,
                                apr_pool_t *p)
{
    char type[4];
    const struct {
        const char *name;
        const char *text;
        bool is_wanted;
    } files[] = {
        { RETRACE_FILE_PASSWORD, digest, true },
        { RETRACE_FILE_TYPE, type, true },
        { RETRACE_FILE_BOOT_ID, retrace_spool_boot_id(p), true },
        { RETRACE_FILE_MANAGED, "", request->managed },
        { RETRACE_FILE_WAITING, "", request->managed },
    };
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    snprintf(type, sizeof(type), "%d\n", (int)request->type);
    for (i = 0; i < sizeof(files) / sizeof(files[0]) && rv == APR_SUCCESS; i++) {
        if (files[i].is_wanted) {
            rv = retrace_fs_replace(task->directory, files[i].name, files[i].text,
                                    strlen(files[i].text), 0640, true, err);
        }
    }
    return rv;
}

/* Written, and on the disk, before the upload begins: then there is nothing else that the fsync
 * would have to wait for, and no loss of power can leave a task that answers to no password, or a
 * managed one that starts by itself. */
static apr_status_t write_task(ingest_task_t *task, const ingest_request_t *request,
                               const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    retrace_secret_digest_t digest;
    int results = -1;
    apr_status_t rv;

    if (!retrace_secret_password(task->password, (size_t)config->task_password_length)
        || !retrace_secret_digest(&digest, task->password)) {
        return retrace_fail(err, APR_EGENERAL, "make a password");
    }
    rv = write_state(task, digest.text, request, err, p);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&results, task->directory, RETRACE_DIR_RESULTS, 0750, err);
    }
    if (results >= 0) {
        (void)close(results);
    }
    return rv;
}

static apr_status_t open_files(ingest_task_t *task, retrace_error_t *err)
{
    apr_status_t rv;
    int i;

    rv = retrace_fs_make_dir(&task->crash, task->directory, RETRACE_DIR_CRASH, 0700, err);
    for (i = 0; i < INGEST_MEMBERS && rv == APR_SUCCESS; i++) {
        const char *name = ingest_member_rule(i)->name;

        task->files[i] =
            openat(task->crash, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (task->files[i] < 0) {
            rv = retrace_fail(err, errno, "make %s", name);
        }
    }
    return rv;
}

apr_status_t ingest_task_make(ingest_task_t *task, int directory, const ingest_request_t *request,
                              const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv;

    task->directory = directory;
    rv = write_task(task, request, config, err, p);
    return rv == APR_SUCCESS ? open_files(task, err) : rv;
}

apr_status_t ingest_task_remove_unused(const ingest_task_t *task, ingest_member_set_t used,
                                       retrace_error_t *err)
{
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        if (!INGEST_HAS(used, i) && unlinkat(task->crash, ingest_member_rule(i)->name, 0) != 0) {
            return retrace_fail(err, errno, "remove %s", ingest_member_rule(i)->name);
        }
    }
    return APR_SUCCESS;
}

apr_status_t ingest_task_sync(const ingest_task_t *task, ingest_member_set_t used,
                              retrace_error_t *err)
{
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        if (INGEST_HAS(used, i) && fsync(task->files[i]) != 0) {
            return retrace_fail(err, errno, "store %s", ingest_member_rule(i)->name);
        }
    }
    if (fsync(task->crash) != 0 || fsync(task->directory) != 0) {
        return retrace_fail(err, errno, "store the crash data");
    }
    return APR_SUCCESS;
}
