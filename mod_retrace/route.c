/* SPDX-License-Identifier: Apache-2.0 */
/* From a URL to a handler. All that is below a <Location> with `Retrace On` is ours, so that no
 * other module serves something there by accident. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/route.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "lib/id.h"
#include "mod_retrace/counters.h"
#include "mod_retrace/reply.h"

#define HANDLER "retrace"
#define RESULTS "results/"

#define ALLOW_GET  "GET, HEAD, OPTIONS"
#define ALLOW_POST "POST, OPTIONS"

typedef struct route_t {
    const char *name;
    int method;     /* M_GET: HEAD, too */
    bool is_public; /* also without HTTPS: it is not about a crash */
    int (*serve)(request_rec *r);
} route_t;

static const route_t routes[] = {
    { "", M_GET, true, mr_index },
    { "create", M_POST, false, mr_create },
    { "settings", M_GET, true, mr_settings },
    { "checkpackage", M_GET, true, mr_checkpackage },
    { "stats", M_GET, true, mr_stats },
    { "metrics", M_GET, false, mr_metrics },
    { "style.css", M_GET, true, mr_style },
};

typedef struct task_route_t {
    const char *name; /* what follows the id */
    int method;
    int (*serve)(request_rec *r, const mr_task_t *task);
} task_route_t;

static const task_route_t task_routes[] = {
    { "", M_GET, mr_task_status },
    { "backtrace", M_GET, mr_task_backtrace },
    { "retrace_backtrace", M_GET, mr_task_backtrace },
    { "log", M_GET, mr_task_log },
    { "exploitable", M_GET, mr_task_exploitable },
    { "delete", M_POST, mr_task_delete },
    { "cancel", M_POST, mr_task_cancel },
};
static const task_route_t result_route = { RESULTS, M_GET, mr_task_result };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

int mr_route_map_to_storage(request_rec *r)
{
    return mr_location_of(r)->prefix != NULL ? OK : DECLINED;
}

int mr_route_fixups(request_rec *r)
{
    if (mr_location_of(r)->prefix == NULL) {
        return DECLINED;
    }
    r->handler = HANDLER;
    return OK;
}

static const route_t *find_route(const char *path)
{
    size_t i;

    for (i = 0; i < COUNT(routes); i++) {
        if (strcmp(routes[i].name, path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

static const task_route_t *find_task_route(const char **pkey, const char *name)
{
    size_t i;

    if (strncmp(name, RESULTS, strlen(RESULTS)) == 0) {
        *pkey = name + strlen(RESULTS);
        return &result_route;
    }
    for (i = 0; i < COUNT(task_routes); i++) {
        if (strcmp(task_routes[i].name, name) == 0) {
            return &task_routes[i];
        }
    }
    return NULL;
}

/* "123456789", "123456789/", "123456789/log", "123456789/results/key" */
static const task_route_t *parse_task_path(mr_task_t *task, const char *path)
{
    char id[RETRACE_ID_LEN + 1];
    size_t length = strcspn(path, "/");

    if (length != RETRACE_ID_LEN) {
        return NULL;
    }
    memcpy(id, path, RETRACE_ID_LEN);
    id[RETRACE_ID_LEN] = '\0';
    if (!retrace_id_parse(id, &task->id)) {
        return NULL;
    }
    return find_task_route(&task->key, path[length] == '/' ? path + length + 1 : "");
}

static bool is_https_missing(request_rec *r)
{
    /* mod_ssl answers for its connections; behind a proxy that ends TLS the admin says so with
     * `ServerName https://…`. */
    return mr_server_of(r->server)->config->require_https
        && strcmp(ap_http_scheme(r), "https") != 0;
}

static int refuse_http(request_rec *r)
{
    return mr_reply_refusal(r, HTTP_FORBIDDEN, "This server accepts crashes over HTTPS only.");
}

/* @return DECLINED when the method is the endpoint's */
static int answer_method(request_rec *r, int method)
{
    const char *allowed = method == M_GET ? ALLOW_GET : ALLOW_POST;

    if (r->method_number == M_OPTIONS) {
        return mr_reply_options(r, allowed);
    }
    return r->method_number == method ? DECLINED : mr_reply_method(r, allowed);
}

static int serve_task(request_rec *r, const char *path)
{
    mr_task_t task = { .root = -1, .directory = -1 };
    const task_route_t *route;
    int answered;

    if (is_https_missing(r)) {
        return refuse_http(r);
    }
    route = parse_task_path(&task, path);
    if (route == NULL) {
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "There is nothing at this address.");
    }
    answered = answer_method(r, route->method);
    if (answered != DECLINED) {
        return answered;
    }
    if (route->serve == mr_task_delete && !mr_server_of(r->server)->config->allow_api_delete) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "Deleting tasks is off on this server.");
    }
    return mr_task_serve(r, &task, route->serve);
}

static int serve_other(request_rec *r, const route_t *route)
{
    int answered;

    if (!route->is_public && is_https_missing(r)) {
        return route->serve == mr_create
            ? refuse_http(r)
            : mr_reply_refusal(r, HTTP_FORBIDDEN, "This address is served over HTTPS only.");
    }
    answered = answer_method(r, route->method);
    return answered != DECLINED ? answered : route->serve(r);
}

static int serve_and_count(request_rec *r, const route_t *route)
{
    int result = serve_other(r, route);

    if (route->serve == mr_create && r->status >= HTTP_BAD_REQUEST) {
        mr_counters_refused(r->server, r->status);
    }
    return result;
}

int mr_route_handle(request_rec *r)
{
    const char *prefix = mr_location_of(r)->prefix;
    const char *path = r->uri;
    const route_t *route;

    if (prefix == NULL || strcmp(r->handler, HANDLER) != 0) {
        return DECLINED;
    }
    if (strncmp(path, prefix, strlen(prefix)) == 0) {
        path += strlen(prefix);
    }
    while (*path == '/') {
        path++; /* some clients ask for //create */
    }
    route = find_route(path);
    return route != NULL ? serve_and_count(r, route) : serve_task(r, path);
}
