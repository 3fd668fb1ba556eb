/* SPDX-License-Identifier: Apache-2.0 */
/* The directives of httpd's own configuration. What other programs must know too is in the file that
 * RetraceConfig names. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DIGITS 5

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

void *mr_server_create(apr_pool_t *p, server_rec *s)
{
    mr_server_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    server->config_path = RETRACE_CONFIG_PATH;
    server->may_suspend = true;
    server->max_suspended = -1;
    server->max_waiting = -1;
    return server;
}

/* All but Retrace is global: virtual hosts share the main server's record, and its child's state. */
void *mr_server_merge(apr_pool_t *p, void *base, void *add)
{
    mr_server_t *main_server = base;
    const mr_server_t *host = add;

    (void)p;
    main_server->is_used = main_server->is_used || host->is_used;
    return main_server;
}

void *mr_location_create(apr_pool_t *p, char *path)
{
    (void)path;
    return apr_pcalloc(p, sizeof(mr_location_t));
}

void *mr_location_merge(apr_pool_t *p, void *base, void *add)
{
    const mr_location_t *outer = base;
    const mr_location_t *inner = add;
    mr_location_t *merged = apr_palloc(p, sizeof(*merged));

    merged->is_off = inner->is_off;
    merged->prefix = inner->prefix;
    if (inner->prefix == NULL && !inner->is_off) {
        merged->prefix = outer->prefix;
    }
    return merged;
}

mr_server_t *mr_server_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &retrace_module);
}

const mr_location_t *mr_location_of(request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &retrace_module);
}

static const char *set_config_path(cmd_parms *cmd, void *location, const char *path)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)location;
    if (wrong != NULL) {
        return wrong;
    }
    if (path[0] != '/') {
        return "RetraceConfig must be an absolute path";
    }
    mr_server_of(cmd->server)->config_path = path;
    return NULL;
}

static const char *set_suspend(cmd_parms *cmd, void *location, int on)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)location;
    if (wrong == NULL) {
        mr_server_of(cmd->server)->may_suspend = on != 0;
    }
    return wrong;
}

/* A whole number from 0 to `max`. @return NULL or what is wrong */
static const char *read_limit(int *plimit, cmd_parms *cmd, const char *text, int max)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    if (wrong != NULL) {
        return wrong;
    }
    if (text[0] == '\0' || strlen(text) > LIMIT_DIGITS || strspn(text, "0123456789") != strlen(text)
        || atoi(text) > max) {
        return apr_psprintf(cmd->pool, "%s must be a whole number from 0 to %d", cmd->cmd->name,
                            max);
    }
    *plimit = atoi(text);
    return NULL;
}

static const char *set_max_waiting(cmd_parms *cmd, void *location, const char *text)
{
    (void)location;
    return read_limit(&mr_server_of(cmd->server)->max_waiting, cmd, text, MR_MAX_WAITING);
}

static const char *set_max_suspended(cmd_parms *cmd, void *location, const char *text)
{
    (void)location;
    return read_limit(&mr_server_of(cmd->server)->max_suspended, cmd, text, MR_MAX_SUSPENDED);
}

/* The URLs of a task are the Location's path and what follows: a pattern has no such path. */
static bool is_plain_location(const cmd_parms *cmd)
{
    const ap_directive_t *parent = cmd->directive->parent;

    return parent != NULL && strcasecmp(parent->directive, "<Location") == 0 && cmd->path != NULL
        && cmd->path[0] == '/' && strpbrk(cmd->path, "*?[") == NULL
        && strchr(parent->args, '~') == NULL;
}

static const char *set_retrace(cmd_parms *cmd, void *config, int on)
{
    mr_location_t *location = config;
    apr_size_t length;

    if (!is_plain_location(cmd)) {
        return "Retrace must be in a <Location> with a plain path, without wildcards";
    }
    location->is_off = !on;
    if (!on) {
        location->prefix = NULL;
        return NULL;
    }
    length = strlen(cmd->path);
    if (cmd->path[length - 1] == '/') {
        length--;
    }
    location->prefix = apr_pstrmemdup(cmd->pool, cmd->path, length);
    mr_server_of(cmd->server)->is_used = true;
    return NULL;
}

const command_rec mr_directives[] = {
    AP_INIT_TAKE1("RetraceConfig", set_config_path, NULL, RSRC_CONF,
                  "path of the retrace server's settings file"),
    AP_INIT_FLAG("RetraceSuspend", set_suspend, NULL, RSRC_CONF,
                 "On: requests that wait hold no thread, where the MPM can do without"),
    AP_INIT_TAKE1("RetraceMaxSuspended", set_max_suspended, NULL, RSRC_CONF,
                  "how many requests may wait in a child without a thread"),
    AP_INIT_TAKE1("RetraceMaxWaiting", set_max_waiting, NULL, RSRC_CONF,
                  "how many requests may wait that hold a thread"),
    AP_INIT_FLAG("Retrace", set_retrace, NULL, ACCESS_CONF,
                 "On: this <Location> is the retrace server"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL },
};
