/* SPDX-License-Identifier: Apache-2.0 */
/* The synchronous body of /create: the task's log as it grows, a line of its state every few seconds,
 * and the backtrace at the end. */
#ifndef MR_FOLLOW_H
#define MR_FOLLOW_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/** Does this client want it, or get it because SynchronousDefault says so? */
bool mr_follow_is_wanted(request_rec *r);

/**
 * Answer with 201 and the body. The headers of the task are set already.
 * @return what the handler must return
 */
int mr_follow(request_rec *r, uint32_t id);

#endif
