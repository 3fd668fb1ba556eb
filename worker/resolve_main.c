/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-resolve [--config=FILE] [--parent=PID]: look in repositories of packages and on debuginfod
 * servers for files of one crash, which a worker asks for on standard input; see
 * worker/resolve/elsewhere.h. */
#include <apr_general.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "lib/config.h"
#include "worker/parent.h"
#include "worker/resolve/elsewhere.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

static apr_status_t serve(const char *config_path, retrace_error_t *err, apr_pool_t *pool)
{
    const retrace_config_t *config = NULL;
    apr_status_t rv = retrace_config_read(&config, config_path, err, pool);

    return rv == APR_SUCCESS ? worker_elsewhere_serve(stdin, stdout, config, err, pool) : rv;
}

int main(int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "parent", required_argument, NULL, 'p' },
                                           { NULL, 0, NULL, 0 } };
    const char *config_path = RETRACE_CONFIG_PATH;
    apr_pool_t *pool = NULL;
    retrace_error_t err;
    apr_status_t rv;
    long parent = 0;
    int option;

    while ((option = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'p':
            parent = strtol(optarg, NULL, 10);
            break;
        default:
            fprintf(stderr, "usage: retrace-resolve [--config=FILE] [--parent=PID]\n");
            return EXIT_USAGE;
        }
    }
    if (!worker_parent_bind(parent) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    rv = serve(config_path, &err, pool);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "retrace-resolve: %s\n", err.text);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return rv == APR_SUCCESS ? EXIT_SUCCESS : EXIT_SYSTEM;
}
