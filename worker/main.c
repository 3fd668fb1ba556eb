/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-worker [--config=FILE] [--parent=PID] ID: retrace one task. Started by the
 * dispatcher; an admin may start it by hand as the spool's owner. */
#include <apr_general.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/id.h"
#include "worker/parent.h"
#include "worker/run.h"
#include "worker/selftest.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

typedef struct options_t {
    const char *config_path;
    long parent; /* the dispatcher: the next one starts this task again; 0: none */
    bool check;  /* only try the sandbox */
    bool tidy;   /* only remove what a killed worker of this task left */
    uint32_t id;
} options_t;

static bool parse_options(options_t *options, int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "parent", required_argument, NULL, 'p' },
                                           { "check", no_argument, NULL, 't' },
                                           { "tidy", no_argument, NULL, 'r' },
                                           { NULL, 0, NULL, 0 } };
    int option;

    options->config_path = RETRACE_CONFIG_PATH;
    while ((option = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config_path = optarg;
            break;
        case 'p':
            options->parent = strtol(optarg, NULL, 10);
            break;
        case 't':
            options->check = true;
            break;
        case 'r':
            options->tidy = true;
            break;
        default:
            return false;
        }
    }
    if (options->check) {
        return optind == argc;
    }
    return optind + 1 == argc && retrace_id_parse(argv[optind], &options->id);
}

static apr_status_t work(const options_t *options, retrace_error_t *err, apr_pool_t *pool)
{
    const retrace_config_t *config = NULL;
    apr_status_t rv = retrace_config_read(&config, options->config_path, err, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (options->check && geteuid() == 0) {
        return retrace_fail(err, APR_EINVAL,
                            "run the check as the owner of the spool: as root it says nothing");
    }
    if (options->check) {
        return worker_selftest(config, err, pool);
    }
    if (options->tidy) {
        worker_run_tidy(options->id, config, pool);
        return APR_SUCCESS;
    }
    return worker_run(options->id, config, err, pool);
}

int main(int argc, char *argv[])
{
    options_t options = { 0 };
    retrace_error_t err;
    apr_pool_t *pool = NULL;
    apr_status_t rv;

    if (!parse_options(&options, argc, argv)) {
        fprintf(stderr, "usage: retrace-server-worker [--config=FILE] ID | --check | --tidy ID\n");
        return EXIT_USAGE;
    }
    if (!worker_parent_bind(options.parent) || apr_initialize() != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    (void)signal(SIGPIPE, SIG_IGN); /* a helper that has died shows in its answer */
    openlog("retrace-server-worker", LOG_PID, LOG_DAEMON);
    rv = work(&options, &err, pool);
    if (rv != APR_SUCCESS) {
        syslog(LOG_ERR, "%s", err.text);
        fprintf(stderr, "retrace-server-worker: %s\n", err.text);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return rv == APR_SUCCESS ? EXIT_SUCCESS : EXIT_SYSTEM;
}
