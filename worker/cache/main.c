/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-cache [--config=FILE] [--json] [COMMAND]: look at the cache of files by build-id, and
 * make it smaller; as the spool's owner, at any time. */
#include <apr_general.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/cache/commands.h"

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

#define MAX_SIZE_MB (INT64_C(16) * 1024 * 1024) /* as CacheSize */

typedef struct command_t {
    const char *name;
    int arguments;
    bool has_json;
    bool has_size;
    apr_status_t (*run)(int *pcode, const cache_request_t *request, retrace_error_t *err);
} command_t;

static const command_t commands[] = {
    { "show", 0, true, false, cache_show },      { "list", 0, true, false, cache_list },
    { "trim", 0, false, true, cache_trim },      { "remove", 1, false, false, cache_remove },
    { "verify", 0, false, false, cache_verify },
};

static int usage(void)
{
    fprintf(stderr,
            "usage: retrace-server-cache [--config=FILE] [--json] [show | list]\n"
            "       retrace-server-cache [--config=FILE] trim [--size=MB]\n"
            "       retrace-server-cache [--config=FILE] remove BUILD-ID | verify\n");
    return CACHE_EXIT_USAGE;
}

static bool parse_size(int64_t *psize_mb, const char *text)
{
    char *end = NULL;
    long long value = strtoll(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > MAX_SIZE_MB) {
        return false;
    }
    *psize_mb = value;
    return true;
}

static const command_t *find_command(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* @return NULL for wrong usage */
static const command_t *parse_arguments(cache_request_t *request, const char **pconfig_path,
                                        int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "size", required_argument, NULL, 's' },
                                           { NULL, 0, NULL, 0 } };
    const command_t *command;
    int option;

    while ((option = getopt_long(argc, argv, "c:js:", known, NULL)) != -1) {
        if (option == 'c') {
            *pconfig_path = optarg;
        }
        else if (option == 'j') {
            request->json = true;
        }
        else if (option != 's' || !parse_size(&request->size_mb, optarg)) {
            return NULL;
        }
    }
    command = find_command(optind < argc ? argv[optind++] : "show");
    if (command == NULL || argc - optind != command->arguments
        || (request->json && !command->has_json)
        || (request->size_mb != CACHE_NO_SIZE && !command->has_size)) {
        return NULL;
    }
    request->build_id = command->arguments > 0 ? argv[optind] : NULL;
    return request->build_id == NULL || worker_cache_is_build_id(request->build_id) ? command
                                                                                    : NULL;
}

static apr_status_t run(int *pcode, const command_t *command, cache_request_t *request,
                        const char *config_path, retrace_error_t *err)
{
    apr_status_t rv = retrace_config_read(&request->config, config_path, err, request->pool);

    if (rv == APR_SUCCESS) {
        rv = worker_cache_require_owner(request->config->cache_dir, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_open_dir(&request->top, AT_FDCWD, request->config->cache_dir, err);
    }
    if (rv == APR_SUCCESS) {
        rv = worker_cache_hold_open(&request->hold, request->config->cache_dir, err, request->pool);
    }
    return rv == APR_SUCCESS ? command->run(pcode, request, err) : rv;
}

int main(int argc, char *argv[])
{
    const char *config_path = RETRACE_CONFIG_PATH;
    cache_request_t request = { .size_mb = CACHE_NO_SIZE, .top = -1 };
    const command_t *command = parse_arguments(&request, &config_path, argc, argv);
    retrace_error_t err;
    int code = CACHE_EXIT_SYSTEM;

    if (command == NULL) {
        return usage();
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&request.pool, NULL) != APR_SUCCESS) {
        return CACHE_EXIT_SYSTEM;
    }
    (void)umask(027);
    if (run(&code, command, &request, config_path, &err) != APR_SUCCESS) {
        fprintf(stderr, "retrace-server-cache: %s\n", err.text);
    }
    if (request.top >= 0) {
        (void)close(request.top);
    }
    apr_pool_destroy(request.pool);
    apr_terminate();
    return code;
}
