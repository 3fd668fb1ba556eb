/* SPDX-License-Identifier: Apache-2.0 */
/* See limiter.h. */
#include "mod_retrace/limiter.h"

#include <string.h>

#define IS_IPV4 (UINT64_C(1) << 32) /* in ::/8, which no client has */

static mr_address_t make_ipv4(const unsigned char *bytes, int bits)
{
    uint32_t address =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];

    return IS_IPV4 | (address & ~(uint32_t)((UINT64_C(1) << (32 - bits)) - 1));
}

mr_address_t mr_address_make(const unsigned char *bytes, size_t length, int bits4, int bits6)
{
    static const unsigned char mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    uint64_t address = 0;
    int i;

    if (length == 4) {
        return make_ipv4(bytes, bits4);
    }
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        return make_ipv4(bytes + sizeof(mapped), bits4);
    }
    for (i = 0; i < 8; i++) {
        address = address << 8 | bytes[i];
    }
    return bits6 < 64 ? address & ~((UINT64_C(1) << (64 - bits6)) - 1) : address;
}

/* --- Slots ----------------------------------------------------------------------------------- */

/* What one look at the table tells about a kind of slot. */
typedef struct census_t {
    int all;
    int of_network;
    int free_slot; /* -1: none */
} census_t;

static census_t look(const mr_limiter_t *limiter, mr_slot_kind_t kind, mr_address_t network)
{
    census_t census = { 0, 0, -1 };
    int i;

    for (i = MR_SLOTS - 1; i >= 0; i--) {
        const mr_slot_t *slot = &limiter->slots[i];

        if (slot->kind == MR_SLOT_FREE) {
            census.free_slot = i;
        }
        else if (slot->kind == kind) {
            census.all++;
            census.of_network += slot->network == network;
        }
    }
    return census;
}

static int judge(const census_t *census, int64_t max_all, int64_t max_network)
{
    if (census->free_slot < 0 || (max_all > 0 && census->all >= max_all)) {
        return MR_ALL_TAKEN;
    }
    if (max_network > 0 && census->of_network >= max_network) {
        return MR_CLIENT_TAKEN;
    }
    return census->free_slot;
}

static void free_dead(mr_limiter_t *limiter, bool (*is_alive)(pid_t pid))
{
    int i;

    for (i = 0; i < MR_SLOTS; i++) {
        if (limiter->slots[i].kind != MR_SLOT_FREE && !is_alive(limiter->slots[i].pid)) {
            limiter->slots[i].kind = MR_SLOT_FREE;
        }
    }
}

int mr_limiter_take(mr_limiter_t *limiter, mr_slot_kind_t kind, mr_address_t network, pid_t pid,
                    int64_t max_all, int64_t max_network, bool (*is_alive)(pid_t pid))
{
    census_t census = look(limiter, kind, network);
    int slot = judge(&census, max_all, max_network);

    if (slot < 0) {
        free_dead(limiter, is_alive);
        census = look(limiter, kind, network);
        slot = judge(&census, max_all, max_network);
    }
    if (slot >= 0) {
        limiter->slots[slot] = (mr_slot_t){ pid, kind, network };
    }
    return slot;
}

void mr_limiter_give_back(mr_limiter_t *limiter, int slot)
{
    if (slot >= 0) {
        limiter->slots[slot].kind = MR_SLOT_FREE;
    }
}

int mr_limiter_count(const mr_limiter_t *limiter, mr_slot_kind_t kind)
{
    return look(limiter, kind, 0).all;
}

/* --- Failures -------------------------------------------------------------------------------- */

/* A clock that was set back ends a window, too. */
static bool is_current(const mr_failure_t *failure, apr_time_t now)
{
    return failure->since != 0 && now >= failure->since && now - failure->since < MR_FAILURE_WINDOW;
}

static int find_failure(const mr_limiter_t *limiter, mr_address_t address)
{
    int i;

    for (i = 0; i < MR_FAILURES; i++) {
        if (limiter->failures[i].since != 0 && limiter->failures[i].address == address) {
            return i;
        }
    }
    return -1;
}

static int find_oldest(const mr_limiter_t *limiter)
{
    int oldest = 0;
    int i;

    for (i = 1; i < MR_FAILURES; i++) {
        if (limiter->failures[i].since < limiter->failures[oldest].since) {
            oldest = i;
        }
    }
    return oldest;
}

void mr_limiter_note_failure(mr_limiter_t *limiter, mr_address_t address, apr_time_t now)
{
    int at = find_failure(limiter, address);
    mr_failure_t *failure;

    failure = &limiter->failures[at >= 0 ? at : find_oldest(limiter)];
    if (at < 0 || !is_current(failure, now)) {
        *failure = (mr_failure_t){ address, now, 0 };
    }
    failure->count++;
}

int mr_limiter_refused_s(const mr_limiter_t *limiter, mr_address_t address, int64_t max,
                         apr_time_t now)
{
    int at = find_failure(limiter, address);
    const mr_failure_t *failure = &limiter->failures[at >= 0 ? at : 0];

    if (max <= 0 || at < 0 || !is_current(failure, now) || failure->count < max) {
        return 0;
    }
    return (int)((failure->since + MR_FAILURE_WINDOW - now + APR_USEC_PER_SEC - 1)
                 / APR_USEC_PER_SEC);
}
