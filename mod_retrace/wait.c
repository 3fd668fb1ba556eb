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

#include "mod_retrace/guard.h"

#define TICK         apr_time_from_msec(50)
#define SEND_BUFFER  (256 * 1024) /* bytes: "writable" then means that a piece of ours fits in */
#define LINGER       apr_time_from_sec(2)
#define LINGER_LEAST apr_time_from_sec(1)

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
    apr_time_t since;    /* when it was suspended, or when it began to linger */
    apr_time_t blocked;  /* since when the client has not read; 0: it reads */
    apr_time_t patience; /* how long that may go on */
} waiter_t;

APR_RING_HEAD(waiters_t, waiter_t);

struct mr_pacer_t {
    apr_thread_mutex_t *mutex; /* guards the rest */
    apr_thread_cond_t *wake;
    apr_thread_t *thread;
    struct waiters_t waiters;
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
    apr_thread_mutex_unlock(w->pacer->mutex);
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
    w->since = apr_time_now();
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
static bool is_blocked(waiter_t *w, apr_time_t now)
{
    if (is_writable(w->socket)) {
        w->blocked = 0;
        return false;
    }
    if (w->blocked == 0) {
        w->blocked = now;
    }
    if (now - w->blocked >= w->patience) {
        w->c->aborted = 1;
        return false;
    }
    return true;
}

/* Reads on until the client has closed its side: otherwise it could lose the end of the answer. */
static bool has_lingered(const waiter_t *w, apr_time_t now)
{
    char buffer[4096];
    ssize_t got;

    if (now - w->since < LINGER_LEAST) {
        return false;
    }
    do {
        got = recv(w->socket, buffer, sizeof(buffer), MSG_DONTWAIT);
    }
    while (got > 0);
    return now - w->since >= LINGER || got == 0 || (errno != EAGAIN && errno != EINTR);
}

static void look_after(waiter_t *w, apr_time_t now, bool stopping)
{
    if (w->phase == PHASE_WAITING && w->kind->is_due(w->baton, now, stopping)
        && !is_blocked(w, now)) {
        call(w, PHASE_ACTING, run_action);
    }
    else if (w->phase == PHASE_LINGERING && has_lingered(w, now)) {
        call(w, PHASE_ENDING, end_connection);
    }
}

static void look_after_all(mr_pacer_t *pacer)
{
    apr_time_t now = apr_time_now();
    bool stopping = is_stopping();
    waiter_t *w;

    for (w = APR_RING_FIRST(&pacer->waiters);
         w != APR_RING_SENTINEL(&pacer->waiters, waiter_t, link); w = APR_RING_NEXT(w, link)) {
        look_after(w, now, stopping);
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
            apr_thread_cond_timedwait(pacer->wake, pacer->mutex, TICK);
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

mr_pacer_t *mr_pacer_start(apr_pool_t *pchild)
{
    mr_pacer_t *pacer = apr_pcalloc(pchild, sizeof(*pacer));

    if (!can_suspend()) {
        return NULL;
    }
    APR_RING_INIT(&pacer->waiters, waiter_t, link);
    if (apr_thread_mutex_create(&pacer->mutex, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS
        || apr_thread_cond_create(&pacer->wake, pchild) != APR_SUCCESS
        || start_thread(pacer, pchild) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_pre_cleanup_register(pchild, pacer, stop_pacer);
    return pacer;
}

/* --- In the request's own thread ------------------------------------------------------------- */

static int suspend(request_rec *r, mr_pacer_t *pacer, const mr_wait_kind_t *kind, void *baton)
{
    waiter_t *w = apr_pcalloc(r->connection->pool, sizeof(*w));
    int size = SEND_BUFFER;

    w->pacer = pacer;
    w->r = r;
    w->c = r->connection;
    w->kind = kind;
    w->baton = baton;
    w->socket = socket_of(r->connection);
    w->since = apr_time_now();
    w->patience = r->server->timeout;
    (void)setsockopt(w->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    /* As a header it does not keep a body from being chunked. */
    apr_table_setn(r->headers_out, "Connection", "close");
    ap_set_module_config(r->connection->conn_config, &retrace_module, w);
    apr_thread_mutex_lock(pacer->mutex);
    APR_RING_INSERT_TAIL(&pacer->waiters, w, waiter_t, link);
    apr_thread_cond_signal(pacer->wake);
    apr_thread_mutex_unlock(pacer->mutex);
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
    apr_time_t readable = apr_time_now(); /* when the client last had room */
    bool is_over = false;

    if (slot < 0) {
        return DECLINED;
    }
    while (!is_over && !r->connection->aborted) {
        if (!kind->is_due(baton, apr_time_now(), is_stopping())) {
            readable = apr_time_now();
            apr_sleep(TICK);
        }
        else if (mr_wait_can_write(r)) {
            readable = apr_time_now();
            is_over = kind->act(baton, r);
        }
        else {
            r->connection->aborted = apr_time_now() - readable >= r->server->timeout;
            apr_sleep(TICK);
        }
    }
    mr_guard_give_back(r->server, slot);
    return OK;
}

int mr_wait(request_rec *r, const mr_wait_kind_t *kind, void *baton)
{
    const mr_server_t *server = mr_server_of(r->server);

    if (server->child.pacer != NULL && server->may_suspend && r->connection->master == NULL) {
        return suspend(r, server->child.pacer, kind, baton);
    }
    return hold(r, kind, baton);
}
