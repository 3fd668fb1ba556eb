/* SPDX-License-Identifier: Apache-2.0 */
/* See late.h. 403, and not 429: that one is fatal to old clients. */
#include "mod_retrace/late.h"

#include <apr_strings.h>

#include "lib/clock.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/wait.h"

#define PAUSE_MS 1000

static bool is_due(void *baton, int64_t now_ms, bool stopping)
{
    const int64_t *until_ms = baton;

    return stopping || now_ms >= *until_ms;
}

static bool refuse(void *baton, request_rec *r)
{
    (void)baton;
    (void)mr_reply_refusal(r, HTTP_FORBIDDEN,
                           "There were too many wrong passwords from this address; try again "
                           "later.");
    return true;
}

static const mr_wait_kind_t pause_kind = { is_due, refuse, true };

int mr_late_refusal(request_rec *r, int retry_s)
{
    int64_t *until_ms = apr_palloc(r->pool, sizeof(*until_ms));
    int result;

    *until_ms = retrace_clock_ms() + PAUSE_MS;
    apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, retry_s));
    result = mr_wait(r, &pause_kind, until_ms);
    if (result == DECLINED) {
        (void)refuse(until_ms, r);
        result = OK;
    }
    return result;
}
