/* SPDX-License-Identifier: Apache-2.0 */
/* Limits per client and in all, over all children: uploads, requests that wait, wrong passwords.
 * Where the shared memory cannot be locked no slot is free, and no password is counted. */
#ifndef MR_GUARD_H
#define MR_GUARD_H

#include <httpd.h>

#include "mod_retrace/limiter.h"

/**
 * Take a slot for an upload.
 * @return its number, MR_ALL_TAKEN or MR_CLIENT_TAKEN
 */
int mr_guard_take_upload(request_rec *r);

/** Take a slot for a request that waits and holds a thread. @return as above */
int mr_guard_take_waiting(request_rec *r);

void mr_guard_give_back(server_rec *s, int slot);

/** A wrong password, or an id that is none. */
void mr_guard_note_failure(request_rec *r);

/** Is this client refused for its failures? @return seconds until it is not; 0: it is not */
int mr_guard_throttle_s(request_rec *r);

#endif
