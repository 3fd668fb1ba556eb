/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do how much: slots for what takes long, and failures per address. Works on memory that it
 * is given (all of httpd's children share it, shared.h), on the caller's clock, and has no pointers,
 * so that it can be tested alone. The caller holds a lock. */
#ifndef MR_LIMITER_H
#define MR_LIMITER_H

#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MR_SLOTS          2048 /* uploads and waiting requests at the same time */
#define MR_FAILURES       1024 /* addresses whose failures are remembered */
#define MR_FAILURE_WINDOW apr_time_from_sec(60)

/** An IPv4 address, or as much of an IPv6 address as is a customer's. */
typedef uint64_t mr_address_t;

#define MR_HOST_BITS_4    32 /* one IPv4 address */
#define MR_HOST_BITS_6    64 /* one IPv6 network, which is one customer's link */
#define MR_NETWORK_BITS_4 24
#define MR_NETWORK_BITS_6 56

typedef enum mr_slot_kind_t {
    MR_SLOT_FREE,
    MR_SLOT_UPLOAD,
    MR_SLOT_WAITING /* holds a thread, and waits */
} mr_slot_kind_t;

typedef struct mr_slot_t {
    pid_t pid; /* the child that holds it: when it has died, the slot is free */
    mr_slot_kind_t kind;
    mr_address_t network;
} mr_slot_t;

typedef struct mr_failure_t {
    mr_address_t address;
    apr_time_t since; /* when the window began; 0: unused */
    unsigned int count;
} mr_failure_t;

/** Begins as zeros. */
typedef struct mr_limiter_t {
    mr_slot_t slots[MR_SLOTS];
    mr_failure_t failures[MR_FAILURES];
} mr_limiter_t;

/* What mr_limiter_take says instead of a slot. */
#define MR_ALL_TAKEN    (-1) /* the limit for all, or the table is full */
#define MR_CLIENT_TAKEN (-2) /* the limit for this network */

/**
 * The first bits of an address.
 * @param bytes   in network order
 * @param length  4 or 16 bytes; an IPv4 address that is written as IPv6 (::ffff:0:0/96) counts as IPv4
 */
mr_address_t mr_address_make(const unsigned char *bytes, size_t length, int bits4, int bits6);

/**
 * Take a slot.
 * @param max_all      0: no limit but the table's
 * @param max_network  likewise
 * @param is_alive     asked about the holders when a limit is reached
 * @return its number, or one of the above
 */
int mr_limiter_take(mr_limiter_t *limiter, mr_slot_kind_t kind, mr_address_t network, pid_t pid,
                    int64_t max_all, int64_t max_network, bool (*is_alive)(pid_t pid));

/** Give a slot back. @param slot  what mr_limiter_take said; negative: nothing happens */
void mr_limiter_give_back(mr_limiter_t *limiter, int slot);

/** How many slots of this kind are taken? */
int mr_limiter_count(const mr_limiter_t *limiter, mr_slot_kind_t kind);

/** Count a failure. When the table is full the address that began first is forgotten. */
void mr_limiter_note_failure(mr_limiter_t *limiter, mr_address_t address, apr_time_t now);

/**
 * For how long is this address refused?
 * @param max  failures per window that are still answered; 0: no limit
 * @return seconds, rounded up; 0: not at all
 */
int mr_limiter_refused_s(const mr_limiter_t *limiter, mr_address_t address, int64_t max,
                         apr_time_t now);

#endif
