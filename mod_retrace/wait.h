/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for something: the end of a task, a change of its state, a pause. Where the MPM
 * can let go of a request (event, HTTP/1) none of them holds a thread, and RetraceMaxSuspended bounds
 * them in each child; elsewhere each one does, and RetraceMaxWaiting bounds them. A request that
 * waited ends its connection. */
#ifndef MR_WAIT_H
#define MR_WAIT_H

#include <apr_pools.h>
#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/** What is waited for. The baton must live as long as the request. */
typedef struct mr_wait_kind_t {
    /**
     * Is there something to do? Asked some twenty times a second, for all requests by one thread: must
     * not block, nor touch the request.
     * @param now_ms    retrace_clock_ms
     * @param stopping  httpd wants to end: be due soon
     */
    bool (*is_due)(void *baton, int64_t now_ms, bool stopping);

    /**
     * Do it: write to r what can be written without blocking (mr_wait_can_write).
     * @return true: the answer is complete
     */
    bool (*act)(void *baton, request_rec *r);

    bool ends_with_client; /* a client that has closed its side is gone: not so for one that reads a
                              long body */
} mr_wait_kind_t;

/**
 * Wait, after which nothing of the request may be touched.
 * @return SUSPENDED or OK, to be returned by the handler; or DECLINED: too many wait already, and
 *         nothing was done
 */
int mr_wait(request_rec *r, const mr_wait_kind_t *kind, void *baton);

/** May some kilobytes be written to the client now, without waiting for it to read? */
bool mr_wait_can_write(request_rec *r);

/**
 * The thread that looks after suspended requests.
 * @param max  of them; -1: as many as the child has threads
 * @return NULL when it cannot be had here
 */
struct mr_pacer_t *mr_pacer_start(int max, apr_pool_t *pchild);

#endif
