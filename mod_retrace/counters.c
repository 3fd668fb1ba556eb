/* SPDX-License-Identifier: Apache-2.0 */
/* See counters.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/counters.h"

#include <apr_strings.h>
#include <http_log.h>
#include <string.h>

#include "mod_retrace/helper.h"

APLOG_USE_MODULE(retrace);

#define DELIVERY_PAUSE apr_time_from_sec(60)

const mr_refusal_t mr_refusals[] = {
    { 400, "malformed" },    { 403, "content" },   { 404, "not_found" }, { 405, "method" },
    { 408, "slow" },         { 409, "type" },      { 411, "length" },    { 413, "size" },
    { 415, "content_type" }, { 501, "directory" }, { 503, "busy" },      { 507, "storage" },
    { 500, "failure" },
};

#define REFUSALS ((int)(sizeof(mr_refusals) / sizeof(mr_refusals[0])))
_Static_assert(sizeof(mr_refusals) / sizeof(mr_refusals[0]) <= MR_STATUSES,
               "a counter for each row");

const int mr_refusal_count = REFUSALS;

static int find_refusal(int status)
{
    int i = 0;

    while (i < REFUSALS - 1 && mr_refusals[i].status != status) {
        i++;
    }
    return i;
}

void mr_counters_refused(server_rec *s, int status)
{
    mr_shared_t *shared = mr_server_of(s)->shared;
    mr_shared_data_t *data = mr_shared_lock(shared);

    if (data != NULL) {
        data->total.refused[find_refusal(status)]++;
        mr_shared_set_news(data, true);
        mr_shared_unlock(shared);
    }
}

void mr_counters_uploaded(server_rec *s)
{
    mr_shared_t *shared = mr_server_of(s)->shared;
    mr_shared_data_t *data = mr_shared_lock(shared);

    if (data != NULL) {
        data->total.counts[MR_COUNT_UPLOADS]++;
        mr_shared_set_news(data, true);
        mr_shared_unlock(shared);
    }
}

bool mr_counters_read(mr_counters_t *total, int *puploads, int *pwaiting, server_rec *s)
{
    mr_shared_t *shared = mr_server_of(s)->shared;
    mr_shared_data_t *data = mr_shared_lock(shared);

    if (data == NULL) {
        return false;
    }
    *total = data->total;
    *puploads = mr_limiter_count(&data->limiter, MR_SLOT_UPLOAD);
    *pwaiting = mr_limiter_count(&data->limiter, MR_SLOT_WAITING);
    mr_shared_unlock(shared);
    return true;
}

/* --- Delivery -------------------------------------------------------------------------------- */

static bool is_time(apr_time_t last, apr_time_t now)
{
    return now - last >= DELIVERY_PAUSE || now < last;
}

static void subtract(mr_counters_t *from, const mr_counters_t *what)
{
    int i;

    for (i = 0; i < MR_STATUSES; i++) {
        from->refused[i] -= what->refused[i];
    }
    for (i = 0; i < MR_COUNTS; i++) {
        from->counts[i] -= what->counts[i];
    }
}

/* Takes what was counted since the last delivery, if it is time for one. */
static bool take_due(mr_counters_t *due, mr_shared_t *shared, apr_time_t now)
{
    apr_time_t last = mr_shared_peek_delivery(shared);
    mr_shared_data_t *data;
    bool is_due;

    if (last < 0 || !is_time(last, now) || (data = mr_shared_lock(shared)) == NULL) {
        return false;
    }
    is_due = is_time(data->delivery_time, now);
    if (is_due) {
        *due = data->total;
        subtract(due, &data->delivered);
        data->delivered = data->total;
        mr_shared_set_news(data, false);
        __atomic_store_n(&data->delivery_time, now, __ATOMIC_RELAXED);
    }
    mr_shared_unlock(shared);
    return is_due;
}

/* As the statistics call them; NULL: they do not take it. */
static const char *const delivered_names[MR_COUNTS] = {
    [MR_COUNT_UPLOADS] = "uploads",
    [MR_COUNT_THROTTLED] = "throttled",
};

/* retrace-task-edit(8): a line for each count that is not 0. */
static const char *format(const mr_counters_t *due, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < MR_COUNTS; i++) {
        if (delivered_names[i] != NULL && due->counts[i] > 0) {
            text = apr_psprintf(p, "%s%s %" APR_UINT64_T_FMT "\n", text, delivered_names[i],
                                (apr_uint64_t)due->counts[i]);
        }
    }
    for (i = 0; i < REFUSALS; i++) {
        if (due->refused[i] > 0) {
            text = apr_psprintf(p, "%srefused %d %s %" APR_UINT64_T_FMT "\n", text,
                                mr_refusals[i].status, mr_refusals[i].reason,
                                (apr_uint64_t)due->refused[i]);
        }
    }
    return text;
}

/* What could not be delivered is tried again a minute later. */
static void take_back(const mr_counters_t *due, mr_shared_t *shared)
{
    mr_shared_data_t *data = mr_shared_lock(shared);

    if (data != NULL) {
        subtract(&data->delivered, due);
        mr_shared_set_news(data, true);
        mr_shared_unlock(shared);
    }
}

/* One that takes long, or was killed, may have delivered: twice would be worse than not at all. */
static bool deliver(request_rec *r, const char *text)
{
    mr_helper_t *helper = NULL;

    if (mr_helper_start(&helper, mr_server_of(r->server), "count", 0, true, NULL, r->pool)
        != APR_SUCCESS) {
        return false;
    }
    (void)mr_helper_write(helper, text, strlen(text));
    mr_helper_close_input(helper);
    return mr_helper_wait(helper, MR_HELPER_REAP_MS) <= 0;
}

int mr_counters_deliver(request_rec *r)
{
    mr_server_t *server = mr_server_of(r->server);
    mr_counters_t due;

    if (mr_location_of(r)->prefix == NULL || r->main != NULL || server->shared == NULL
        || !take_due(&due, server->shared, apr_time_now())) {
        return DECLINED;
    }
    if (!deliver(r, format(&due, r->pool))) {
        take_back(&due, server->shared);
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      RETRACE_LOGNO(0013) "the statistics were not delivered");
    }
    return DECLINED;
}
