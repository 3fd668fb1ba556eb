/* SPDX-License-Identifier: Apache-2.0 */
/* See late.h. 403, and not 429: that one is fatal to old clients. */
#include "mod_retrace/late.h"

#include <apr_strings.h>

#include "mod_retrace/reply.h"
#include "mod_retrace/wait.h"

#define PAUSE apr_time_from_sec(1)

static bool is_due(void *baton, apr_time_t now, bool stopping)
{
    const apr_time_t *until = baton;

    return stopping || now >= *until;
}

static bool refuse(void *baton, request_rec *r)
{
    (void)baton;
    (void)mr_reply_refusal(r, HTTP_FORBIDDEN,
                           "There were too many wrong passwords from this address; try again "
                           "later.");
    return true;
}

static const mr_wait_kind_t pause_kind = { is_due, refuse };

int mr_late_refusal(request_rec *r, int retry_s)
{
    apr_time_t *until = apr_palloc(r->pool, sizeof(*until));
    int result;

    *until = apr_time_now() + PAUSE;
    apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, retry_s));
    result = mr_wait(r, &pause_kind, until);
    if (result == DECLINED) {
        (void)refuse(until, r);
        result = OK;
    }
    return result;
}
