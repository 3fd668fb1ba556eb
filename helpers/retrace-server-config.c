/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-config [FILE]: check a settings file and show every option with its value, as the
 * server's programs see it. --defaults shows the built-in ones. */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

static void show(void *baton, const char *key, const char *value)
{
    fprintf(baton, "%s = %s\n", key, value);
}

int main(int argc, char *argv[])
{
    const retrace_config_t *config = NULL;
    retrace_error_t err;
    apr_pool_t *pool = NULL;
    const char *path = argc == 2 ? argv[1] : RETRACE_CONFIG_PATH;

    if (argc > 2 || (path[0] == '-' && strcmp(path, "--defaults") != 0)) {
        fprintf(stderr, "usage: retrace-server-config [FILE | --defaults]\n");
        return EXIT_USAGE;
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    if (path[0] != '-' && retrace_config_read(&config, path, &err, pool) != APR_SUCCESS) {
        fprintf(stderr, "retrace-server-config: %s\n", err.text);
        return EXIT_SYSTEM;
    }
    printf("[retrace]\n");
    retrace_config_each(config, show, stdout, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return EXIT_SUCCESS;
}
