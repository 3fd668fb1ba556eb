/* SPDX-License-Identifier: Apache-2.0 */
/* From a URL to a handler. All that is below a <Location> with `Retrace On` is ours, so that no
 * other module serves something there by accident. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/route.h"

#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "lib/id.h"
#include "mod_retrace/reply.h"

#define HANDLER "retrace"

typedef struct task_route_t {
    const char *name; /* what follows the id */
    int (*serve)(request_rec *r, uint32_t id, int root, int task);
} task_route_t;

static const task_route_t task_routes[] = {
    { "", mr_task_status },
    { "backtrace", mr_task_backtrace },
    { "log", mr_task_log },
};

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

static const task_route_t *find_task_route(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(task_routes) / sizeof(task_routes[0]); i++) {
        if (strcmp(task_routes[i].name, name) == 0) {
            return &task_routes[i];
        }
    }
    return NULL;
}

/* "123456789", "123456789/", "123456789/log" */
static const task_route_t *parse_task_path(uint32_t *pid, const char *path)
{
    char id[RETRACE_ID_LEN + 1];
    size_t length = strcspn(path, "/");

    if (length != RETRACE_ID_LEN) {
        return NULL;
    }
    memcpy(id, path, RETRACE_ID_LEN);
    id[RETRACE_ID_LEN] = '\0';
    if (!retrace_id_parse(id, pid)) {
        return NULL;
    }
    return find_task_route(path[length] == '/' ? path + length + 1 : "");
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

static int serve_task(request_rec *r, const char *path)
{
    uint32_t id = 0;
    const task_route_t *route;

    if (is_https_missing(r)) {
        return refuse_http(r);
    }
    route = parse_task_path(&id, path);
    if (route == NULL) {
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "There is nothing at this address.");
    }
    if (r->method_number != M_GET) {
        return mr_reply_method(r, "GET, HEAD");
    }
    return mr_task_serve(r, id, route->serve);
}

static int serve_create(request_rec *r)
{
    if (is_https_missing(r)) {
        return refuse_http(r);
    }
    if (r->method_number != M_POST) {
        return mr_reply_method(r, "POST");
    }
    return mr_create(r);
}

int mr_route_handle(request_rec *r)
{
    const char *prefix = mr_location_of(r)->prefix;
    const char *path = r->uri;

    if (prefix == NULL || strcmp(r->handler, HANDLER) != 0) {
        return DECLINED;
    }
    if (strncmp(path, prefix, strlen(prefix)) == 0) {
        path += strlen(prefix);
    }
    while (*path == '/') {
        path++; /* some clients ask for //create */
    }
    return strcmp(path, "create") == 0 ? serve_create(r) : serve_task(r, path);
}
