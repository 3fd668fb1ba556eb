/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoints that route.c chooses from; API.md has their contract. */
#ifndef MR_ROUTE_H
#define MR_ROUTE_H

#include <httpd.h>
#include <stdint.h>

/** POST /create (create.c). */
int mr_create(request_rec *r);

/* Endpoints of a task (task.c): id and password are already checked. */
int mr_task_status(request_rec *r, uint32_t id, int root, int task);
int mr_task_backtrace(request_rec *r, uint32_t id, int root, int task);
int mr_task_log(request_rec *r, uint32_t id, int root, int task);

/**
 * Find the task, check the password, and call the endpoint (task.c).
 * @param endpoint  gets descriptors of the spool and of the task, which are closed when it returns
 * @return what the handler must return; 404 and 403 are answered here. Safe from any thread.
 */
int mr_task_serve(request_rec *r, uint32_t id,
                  int (*endpoint)(request_rec *r, uint32_t id, int root, int task));

#endif
