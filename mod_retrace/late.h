/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals that come late on purpose, to whoever has guessed too often. */
#ifndef MR_LATE_H
#define MR_LATE_H

#include <httpd.h>

/**
 * Refuse with 403 after a pause, or at once when too many wait already.
 * @param retry_s  seconds, for the header Retry-After
 * @return what the handler must return
 */
int mr_late_refusal(request_rec *r, int retry_s);

#endif
