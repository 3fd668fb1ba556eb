/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the module share: its two configurations and what a child keeps. */
#ifndef MOD_RETRACE_H
#define MOD_RETRACE_H

#include <apr_thread_mutex.h>
#include <apr_time.h>
#include <httpd.h>
#include <http_config.h>
#include <stdbool.h>

#include "lib/config.h"
#include "lib/error.h"

/** Own log tags: "RT" and a number that stands at one place of the source only. */
#define RETRACE_LOGNO(number) "RT" #number ": "

struct mr_shared_t;
struct mr_pacer_t;

#define MR_MAX_WAITING   1024  /* greatest RetraceMaxWaiting */
#define MR_MAX_SUSPENDED 65535 /* greatest RetraceMaxSuspended */

/** What one httpd child remembers between requests. */
typedef struct mr_child_t {
    apr_thread_mutex_t *mutex;   /* guards the next five; NULL before the child runs */
    apr_array_header_t *helpers; /* of pid_t: ended or about to, not reaped yet */
    apr_time_t last_start;       /* when a stale heartbeat last made us call `start` */
    apr_time_t last_look;        /* packages.h: when it was last seen whether a list is due */
    apr_time_t last_ask;         /* when one that is due last made us wake the dispatcher */
    char asked_for[32];          /* the state of the repositories then */
    struct mr_pacer_t *pacer;    /* wait.h; NULL: this MPM cannot suspend requests */
} mr_child_t;

/** One for the whole server: its directives are global. */
typedef struct mr_server_t {
    const char *config_path;        /* RetraceConfig */
    const retrace_config_t *config; /* its content; set by check_config */
    bool is_used;                   /* some <Location> says Retrace On */
    bool may_suspend;               /* RetraceSuspend */
    int max_suspended;              /* RetraceMaxSuspended; -1: not set */
    int max_waiting;                /* RetraceMaxWaiting; -1 until it is known */
    struct mr_shared_t *shared;     /* shared.h; set by post_config */
    mr_child_t child;
} mr_server_t;

/** Per <Location>. */
typedef struct mr_location_t {
    const char *prefix; /* the Location's path without a final slash; NULL: Retrace is not on */
    bool is_off;        /* says Retrace Off, within a Location that says On */
} mr_location_t;

extern module AP_MODULE_DECLARE_DATA retrace_module;

/** The server's configuration; never NULL, `config` in it neither while requests are served. */
mr_server_t *mr_server_of(server_rec *s);

/** The location's configuration; never NULL. */
const mr_location_t *mr_location_of(request_rec *r);

/* directives.c */
extern const command_rec mr_directives[];
void *mr_location_create(apr_pool_t *p, char *path);
void *mr_location_merge(apr_pool_t *p, void *base, void *add);
void *mr_server_create(apr_pool_t *p, server_rec *s);
void *mr_server_merge(apr_pool_t *p, void *base, void *add);

/* startup.c: hooks before and between requests */
int mr_startup_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int mr_startup_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
int mr_startup_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void mr_startup_child_init(apr_pool_t *pchild, server_rec *s);

/* route.c: one request */
int mr_route_map_to_storage(request_rec *r);
int mr_route_fixups(request_rec *r);
int mr_route_handle(request_rec *r);

/* wait.c: the MPM has let a suspended request go */
void mr_wait_suspended(conn_rec *c, request_rec *r);

/* counters.c: after the answer, deliver what has been counted */
int mr_counters_deliver(request_rec *r);

/* packages.c: after the answer, have the lists of packages made that are missing or stale */
int mr_packages_after_request(request_rec *r);

#endif
