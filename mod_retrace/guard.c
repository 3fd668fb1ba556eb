/* SPDX-License-Identifier: Apache-2.0 */
/* See guard.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/guard.h"

#include <signal.h>
#include <unistd.h>

#include "mod_retrace/shared.h"

static mr_address_t address_of(request_rec *r, int bits4, int bits6)
{
    return mr_address_make(r->useragent_addr->ipaddr_ptr, (size_t)r->useragent_addr->ipaddr_len,
                           bits4, bits6);
}

/* Our children have one user: EPERM means that the number is somebody else's now. */
static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static int take(request_rec *r, mr_slot_kind_t kind, int64_t max_all, int64_t max_network)
{
    mr_shared_t *shared = mr_server_of(r->server)->shared;
    mr_shared_data_t *data = mr_shared_lock(shared);
    mr_address_t network = address_of(r, MR_NETWORK_BITS_4, MR_NETWORK_BITS_6);
    int slot;

    if (data == NULL) {
        return MR_ALL_TAKEN;
    }
    slot = mr_limiter_take(&data->limiter, kind, network, getpid(), max_all, max_network, is_alive);
    mr_shared_unlock(shared);
    return slot;
}

int mr_guard_take_upload(request_rec *r)
{
    const retrace_config_t *config = mr_server_of(r->server)->config;

    return take(r, MR_SLOT_UPLOAD, config->max_parallel_uploads, config->max_client_uploads);
}

int mr_guard_take_waiting(request_rec *r)
{
    int max = mr_server_of(r->server)->max_waiting;

    return max > 0 ? take(r, MR_SLOT_WAITING, max, 0) : MR_ALL_TAKEN;
}

void mr_guard_give_back(server_rec *s, int slot)
{
    mr_shared_t *shared = mr_server_of(s)->shared;
    mr_shared_data_t *data = slot >= 0 ? mr_shared_lock(shared) : NULL;

    if (data != NULL) {
        mr_limiter_give_back(&data->limiter, slot);
        mr_shared_unlock(shared);
    }
}

void mr_guard_note_failure(request_rec *r)
{
    mr_shared_t *shared = mr_server_of(r->server)->shared;
    mr_shared_data_t *data = mr_shared_lock(shared);
    apr_time_t now = apr_time_now();

    if (data != NULL) {
        data->total.counts[MR_COUNT_FAILURES]++;
        __atomic_store_n(&data->failure_time, now, __ATOMIC_RELAXED);
        mr_limiter_note_failure(&data->limiter, address_of(r, MR_HOST_BITS_4, MR_HOST_BITS_6), now);
        mr_shared_unlock(shared);
    }
}

int mr_guard_throttle_s(request_rec *r)
{
    int64_t max = mr_server_of(r->server)->config->max_password_failures;
    mr_shared_t *shared = mr_server_of(r->server)->shared;
    mr_shared_data_t *data;
    apr_time_t now = apr_time_now();
    int wait_s = 0;

    /* Mostly nobody has failed lately. */
    if (max == 0 || now - mr_shared_peek_failure(shared) > MR_FAILURE_WINDOW) {
        return 0;
    }
    data = mr_shared_lock(shared);
    if (data != NULL) {
        wait_s = mr_limiter_refused_s(&data->limiter, address_of(r, MR_HOST_BITS_4, MR_HOST_BITS_6),
                                      max, now);
        if (wait_s > 0) {
            data->total.counts[MR_COUNT_THROTTLED]++;
            mr_shared_set_news(data, true);
        }
        mr_shared_unlock(shared);
    }
    return wait_s;
}
