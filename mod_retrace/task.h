/* SPDX-License-Identifier: Apache-2.0 */
/* One task of a request: found, and opened to whoever has its password. httpd reads the spool
 * through its group, and writes nothing there. */
#ifndef MR_TASK_H
#define MR_TASK_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/error.h"
#include "lib/task.h"

typedef struct mr_task_t {
    uint32_t id;
    const char *key; /* of one of its results; NULL where none is asked for */
    int root;        /* descriptor of the spool */
    int directory;   /* descriptor of the task's directory */
} mr_task_t;

/**
 * Find the task, check the password, and call the endpoint.
 * @param task      id and key; the descriptors are closed when the endpoint returns
 * @return what the handler must return; 404 and 403 are answered here. Safe from any thread.
 */
int mr_task_serve(request_rec *r, mr_task_t *task,
                  int (*endpoint)(request_rec *r, const mr_task_t *task));

/** Open spool and task without asking for a password. */
apr_status_t mr_task_open(mr_task_t *task, const retrace_config_t *config, retrace_error_t *err);
void mr_task_close(mr_task_t *task);

/** Its state now. */
retrace_task_state_t mr_task_state(const mr_task_t *task);

/** Has it been removed since it was opened? */
bool mr_task_is_gone(const mr_task_t *task);

/** If no dispatcher is at work although this task waits for one, start one; at most once in a few
 * seconds and child, however many ask. */
void mr_task_wake_dispatcher(request_rec *r, const mr_task_t *task);

#endif
