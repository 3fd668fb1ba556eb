/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoints that route.c chooses from; API.md has their contract. */
#ifndef MR_ROUTE_H
#define MR_ROUTE_H

#include <httpd.h>

#include "mod_retrace/task.h"

int mr_create(request_rec *r);       /* create.c */
int mr_settings(request_rec *r);     /* settings.c */
int mr_checkpackage(request_rec *r); /* checkpackage.c */
int mr_index(request_rec *r);        /* pages.c */
int mr_style(request_rec *r);        /* pages.c */
int mr_stats(request_rec *r);        /* stats.c */
int mr_metrics(request_rec *r);      /* metrics.c */

/* Endpoints of a task: id and password are already checked. */
int mr_task_status(request_rec *r, const mr_task_t *task);    /* status.c */
int mr_task_backtrace(request_rec *r, const mr_task_t *task); /* results.c, as the next three */
int mr_task_log(request_rec *r, const mr_task_t *task);
int mr_task_exploitable(request_rec *r, const mr_task_t *task);
int mr_task_result(request_rec *r, const mr_task_t *task);
int mr_task_delete(request_rec *r, const mr_task_t *task); /* change.c */
int mr_task_cancel(request_rec *r, const mr_task_t *task); /* change.c */

#endif
