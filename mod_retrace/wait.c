/* SPDX-License-Identifier: Apache-2.0 */
/* See wait.h. httpd 2.4 has no call to resume a request. What it has is a timer whose callback runs
 * in a worker thread; on an idle server it only fires at once when its delay is 0. So one thread a
 * child, the pacer, looks at all waiting requests and registers such a callback for each that has
 * something to do. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/wait.h"

#include <ap_mpm.h>
#include <apr_portable.h>
#include <apr_ring.h>
#include <apr_thread_cond.h>
#include <apr_thread_proc.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "mod_retrace/guard.h"

#define TICK_MS         50
#define SEND_BUFFER     (256 * 1024) /* bytes: "writable" then means that a piece of ours fits in */
#define LINGER_MS       2000
#define LINGER_LEAST_MS 1000
#define LINGER_READS    16 /* of LINGER_PIECE bytes, at one look */
#define LINGER_PIECE    4096

typedef enum phase_t {
    PHASE_LEAVING,   /* the request's own thread has not let go of it yet */
    PHASE_WAITING,   /* the pacer asks whether there is something to do */
    PHASE_ACTING,    /* a callback is on its way, or at work */
    PHASE_LINGERING, /* answered; the client's last bytes are awaited */
    PHASE_ENDING     /* a callback is on its way that frees it all */
} phase_t;

/* In the pool of its connection: the request's own dies with the answer. */
typedef struct waiter_t {
    APR_RING_ENTRY(waiter_t) link;
    struct mr_pacer_t *pacer;
    request_rec *r; /* NULL once it is answered */
    conn_rec *c;
    const mr_wait_kind_t *kind;
    void *baton;
    phase_t phase;
    int socket;
    int64_t since_ms;    /* when it began to linger */
    int64_t blocked_ms;  /* since when the client has not read; 0: it reads */
    int64_t patience_ms; /* how long that may go on */
} waiter_t;

APR_RING_HEAD(waiters_t, waiter_t);

struct mr_pacer_t {
    apr_thread_mutex_t *mutex; /* guards the rest */
    apr_thread_cond_t *wake;
    apr_thread_t *thread;
    struct waiters_t waiters;
    int count; /* of waiters */
    int max;   /* of them; others must get connections, too */
    bool is_over;
};

typedef struct mr_pacer_t mr_pacer_t;

static bool is_writable(int socket)
{
    struct pollfd ready = { .fd = socket, .events = POLLOUT };

    return poll(&ready, 1, 0) > 0;
}

static int socket_of(conn_rec *c)
{
    apr_os_sock_t socket = -1;

    return apr_os_sock_get(&socket, ap_get_conn_socket(c)) == APR_SUCCESS ? socket : -1;
}

bool mr_wait_can_write(request_rec *r)
{
    /* Streams of HTTP/2 have a buffer of their own between them and the socket. */
    return r->connection->master != NULL || is_writable(socket_of(r->connection));
}

static bool is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS && state == AP_MPMQ_STOPPING;
}

/* --- In worker threads ----------------------------------------------------------------------- */

static void set_phase(waiter_t *w, phase_t phase)
{
    apr_thread_mutex_lock(w->pacer->mutex);
    w->phase = phase;
    apr_thread_mutex_unlock(w->pacer->mutex);
}

/* Frees the connection, and the waiter with it. */
static void end_connection(void *baton)
{
    waiter_t *w = baton;

    apr_thread_mutex_lock(w->pacer->mutex);
    APR_RING_REMOVE(w, link);
    w->pacer->count--;
    apr_thread_mutex_unlock(w->pacer->mutex);
    /* As the MPM counts it: otherwise it has one more suspended connection for ever. */
    w->c->cs->state = CONN_STATE_SUSPENDED;
    apr_pool_destroy(w->c->pool);
}

/* As httpd ends a request and its connection. The pool stays for a while: the thread that let go of
 * the request may still be about to note down that it did. */
static void end_request(waiter_t *w)
{
    request_rec *r = w->r;

    w->r = NULL;
    if (!w->c->aborted) {
        ap_finalize_request_protocol(r);
    }
    w->c->keepalive = AP_CONN_CLOSE;
    ap_process_request_after_handler(r);
    (void)ap_start_lingering_close(w->c);
    w->since_ms = retrace_clock_ms();
    set_phase(w, PHASE_LINGERING);
}

static void run_action(void *baton)
{
    waiter_t *w = baton;
    apr_thread_mutex_t *invoking = w->r->invoke_mtx;
    bool is_over;

    apr_thread_mutex_lock(invoking);
    is_over = w->c->aborted || w->kind->act(w->baton, w->r) || w->c->aborted;
    apr_thread_mutex_unlock(invoking);
    if (is_over) {
        end_request(w);
    }
    else {
        set_phase(w, PHASE_WAITING);
    }
}

/* --- In the pacer ---------------------------------------------------------------------------- */

static void call(waiter_t *w, phase_t phase, void (*callback)(void *baton))
{
    phase_t before = w->phase;

    w->phase = phase;
    if (ap_mpm_register_timed_callback(0, callback, w) != APR_SUCCESS) {
        w->phase = before; /* at the next tick */
    }
}

/* A client that does not read must not hold a worker thread. */
static bool is_blocked(waiter_t *w, int64_t now_ms)
{
    if (is_writable(w->socket)) {
        w->blocked_ms = 0;
        return false;
    }
    if (w->blocked_ms == 0) {
        w->blocked_ms = now_ms;
    }
    if (now_ms - w->blocked_ms >= w->patience_ms) {
        w->c->aborted = 1;
        return false;
    }
    return true;
}

/* Nobody is there any more, or at least nobody who would send another request. */
static bool has_hung_up(const waiter_t *w)
{
    struct pollfd closed = { .fd = w->socket, .events = POLLRDHUP };

    return w->kind->ends_with_client && poll(&closed, 1, 0) > 0;
}

/* Reads on until the client has closed its side: otherwise it could lose the end of the answer. One
 * that sends and sends must not keep the pacer from the others. */
static bool has_lingered(const waiter_t *w, int64_t now_ms)
{
    char buffer[LINGER_PIECE];
    ssize_t got = 1;
    int i;

    if (now_ms - w->since_ms < LINGER_LEAST_MS) {
        return false;
    }
    for (i = 0; i < LINGER_READS && got > 0; i++) {
        got = recv(w->socket, buffer, sizeof(buffer), MSG_DONTWAIT);
    }
    return now_ms - w->since_ms >= LINGER_MS || got == 0
        || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void look_after_waiting(waiter_t *w, int64_t now_ms, bool stopping)
{
    if (has_hung_up(w)) {
        w->c->aborted = 1;
        call(w, PHASE_ACTING, run_action);
    }
    else if (w->kind->is_due(w->baton, now_ms, stopping) && !is_blocked(w, now_ms)) {
        call(w, PHASE_ACTING, run_action);
    }
}

static void look_after(waiter_t *w, int64_t now_ms, bool stopping)
{
    if (w->phase == PHASE_WAITING) {
        look_after_waiting(w, now_ms, stopping);
    }
    else if (w->phase == PHASE_LINGERING && has_lingered(w, now_ms)) {
        call(w, PHASE_ENDING, end_connection);
    }
}

static void look_after_all(mr_pacer_t *pacer)
{
    int64_t now_ms = retrace_clock_ms();
    bool stopping = is_stopping();
    waiter_t *w;

    for (w = APR_RING_FIRST(&pacer->waiters);
         w != APR_RING_SENTINEL(&pacer->waiters, waiter_t, link); w = APR_RING_NEXT(w, link)) {
        look_after(w, now_ms, stopping);
    }
}

static void *APR_THREAD_FUNC pace(apr_thread_t *thread, void *data)
{
    mr_pacer_t *pacer = data;

    apr_thread_mutex_lock(pacer->mutex);
    while (!pacer->is_over) {
        if (APR_RING_EMPTY(&pacer->waiters, waiter_t, link)) {
            apr_thread_cond_wait(pacer->wake, pacer->mutex);
        }
        else {
            look_after_all(pacer);
            /* Not a timed wait: that one goes by the clock that an admin may set. */
            apr_thread_mutex_unlock(pacer->mutex);
            (void)poll(NULL, 0, TICK_MS);
            apr_thread_mutex_lock(pacer->mutex);
        }
    }
    apr_thread_mutex_unlock(pacer->mutex);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static apr_status_t stop_pacer(void *data)
{
    mr_pacer_t *pacer = data;
    apr_status_t ended;

    apr_thread_mutex_lock(pacer->mutex);
    pacer->is_over = true;
    apr_thread_cond_signal(pacer->wake);
    apr_thread_mutex_unlock(pacer->mutex);
    return apr_thread_join(&ended, pacer->thread);
}

static bool can_suspend(void)
{
    int async = 0;

    return ap_mpm_query(AP_MPMQ_IS_ASYNC, &async) == APR_SUCCESS && async > 0;
}

/* httpd's signals are for its own threads. */
static apr_status_t start_thread(mr_pacer_t *pacer, apr_pool_t *pchild)
{
    sigset_t all;
    sigset_t before;
    apr_status_t rv;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = apr_thread_create(&pacer->thread, NULL, pace, pacer, pchild);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

/* Under event a child takes as many connections as it has threads, and some for each idle one. Those
 * that wait are never given up for others, so they may be no more than the threads. */
static int default_max(void)
{
    int threads = 1;

    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return threads > 0 ? threads : 1;
}

mr_pacer_t *mr_pacer_start(int max, apr_pool_t *pchild)
{
    mr_pacer_t *pacer = apr_pcalloc(pchild, sizeof(*pacer));

    if (!can_suspend()) {
        return NULL;
    }
    APR_RING_INIT(&pacer->waiters, waiter_t, link);
    pacer->max = max >= 0 ? max : default_max();
    if (apr_thread_mutex_create(&pacer->mutex, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS
        || apr_thread_cond_create(&pacer->wake, pchild) != APR_SUCCESS
        || start_thread(pacer, pchild) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_pre_cleanup_register(pchild, pacer, stop_pacer);
    return pacer;
}

/* --- In the request's own thread ------------------------------------------------------------- */

/* Whoever waited ends its connection. As a header it does not keep a body from being chunked. */
static void tell_end(request_rec *r)
{
    if (r->connection->master == NULL) {
        apr_table_setn(r->headers_out, "Connection", "close");
    }
}

static waiter_t *make_waiter(request_rec *r, mr_pacer_t *pacer, const mr_wait_kind_t *kind,
                             void *baton)
{
    waiter_t *w = apr_pcalloc(r->connection->pool, sizeof(*w));
    int size = SEND_BUFFER;

    w->pacer = pacer;
    w->r = r;
    w->c = r->connection;
    w->kind = kind;
    w->baton = baton;
    w->socket = socket_of(r->connection);
    w->patience_ms = apr_time_as_msec(r->server->timeout);
    (void)setsockopt(w->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return w;
}

/* @return false when too many wait already */
static bool insert(mr_pacer_t *pacer, waiter_t *w)
{
    bool has_room;

    apr_thread_mutex_lock(pacer->mutex);
    has_room = pacer->count < pacer->max;
    if (has_room) {
        pacer->count++;
        APR_RING_INSERT_TAIL(&pacer->waiters, w, waiter_t, link);
        apr_thread_cond_signal(pacer->wake);
    }
    apr_thread_mutex_unlock(pacer->mutex);
    return has_room;
}

static int suspend(request_rec *r, mr_pacer_t *pacer, const mr_wait_kind_t *kind, void *baton)
{
    waiter_t *w = make_waiter(r, pacer, kind, baton);

    if (!insert(pacer, w)) {
        return DECLINED;
    }
    tell_end(r);
    ap_set_module_config(r->connection->conn_config, &retrace_module, w);
    return SUSPENDED;
}

/* The MPM has seen that the request is suspended: only now may it be ended. */
void mr_wait_suspended(conn_rec *c, request_rec *r)
{
    waiter_t *w = ap_get_module_config(c->conn_config, &retrace_module);

    (void)r;
    if (w != NULL) {
        set_phase(w, PHASE_WAITING);
    }
}

/* Holds the thread, but for no longer than httpd would to a client that does not read. */
static int hold(request_rec *r, const mr_wait_kind_t *kind, void *baton)
{
    int slot = mr_guard_take_waiting(r);
    int64_t readable_ms = retrace_clock_ms(); /* when the client last had room */
    bool is_over = false;

    if (slot < 0) {
        return DECLINED;
    }
    tell_end(r);
    while (!is_over && !r->connection->aborted) {
        int64_t now_ms = retrace_clock_ms();

        if (!kind->is_due(baton, now_ms, is_stopping())) {
            readable_ms = now_ms;
            (void)poll(NULL, 0, TICK_MS);
        }
        else if (mr_wait_can_write(r)) {
            readable_ms = now_ms;
            is_over = kind->act(baton, r);
        }
        else {
            r->connection->aborted =
                now_ms - readable_ms >= (int64_t)apr_time_as_msec(r->server->timeout);
            (void)poll(NULL, 0, TICK_MS);
        }
    }
    mr_guard_give_back(r->server, slot);
    return OK;
}

/* Only httpd's ordinary way of serving a request knows what SUSPENDED means: within an internal redirect
 * or a subrequest it would be taken for a failure. */
static bool may_suspend(request_rec *r)
{
    const mr_server_t *server = mr_server_of(r->server);
    const conn_rec *c = r->connection;

    return server->child.pacer != NULL && server->may_suspend && c->master == NULL
        && ap_is_initial_req(r) && r->invoke_mtx != NULL && c->cs != NULL
        && !c->clogging_input_filters;
}

int mr_wait(request_rec *r, const mr_wait_kind_t *kind, void *baton)
{
    return may_suspend(r) ? suspend(r, mr_server_of(r->server)->child.pacer, kind, baton)
                          : hold(r, kind, baton);
}
