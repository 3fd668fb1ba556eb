/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a task as ingest makes it: below `.incoming/` until it is admitted. */
#ifndef RETRACE_INGEST_TASK_DIR_H
#define RETRACE_INGEST_TASK_DIR_H

#include <apr_pools.h>

#include "lib/config.h"
#include "lib/secret.h"
#include "worker/ingest/member.h"
#include "worker/ingest/request.h"

typedef struct ingest_task_t {
    int directory;             /* the reservation's */
    int crash;                 /* its directory `crash/` */
    int files[INGEST_MEMBERS]; /* in there, empty, open for writing */
    char password[RETRACE_PASSWORD_MAX + 1];
} ingest_task_t;

/**
 * Make everything that a task has beside its crash data, with a new password, and the empty files
 * for that data.
 * @param directory  of the task, open; stays the caller's
 * @return other than APR_SUCCESS  the directory is to be removed; descriptors end with the process
 */
apr_status_t ingest_task_make(ingest_task_t *task, int directory, const ingest_request_t *request,
                              const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p);

/** Remove the files of members that the upload did not hold. */
apr_status_t ingest_task_remove_unused(const ingest_task_t *task, ingest_member_set_t used,
                                       retrace_error_t *err);

/** Wait until the crash data is on the disk. */
apr_status_t ingest_task_sync(const ingest_task_t *task, ingest_member_set_t used,
                              retrace_error_t *err);

#endif
