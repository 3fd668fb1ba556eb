/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-resolve [--config=FILE] [--parent=PID]: look in repositories of packages and on debuginfod
 * servers for files of one crash, which a worker asks for on standard input; see
 * worker/resolve/elsewhere.h. */
#include <apr_general.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "worker/parent.h"
#include "worker/resolve/elsewhere.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111
#define MEMORY_MAX                                                                                 \
    (INT64_C(2048) * RETRACE_MIB) /* address space: a package may ask for any amount */

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

static bool limit(int resource, rlim_t most)
{
    struct rlimit now;

    if (getrlimit(resource, &now) != 0) {
        return false;
    }
    now.rlim_max = most < now.rlim_max ? most : now.rlim_max;
    now.rlim_cur = now.rlim_max;
    return setrlimit(resource, &now) == 0;
}

static bool confine(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* of a server that has hung up */
#if !defined(__SANITIZE_ADDRESS__)  /* which takes terabytes of addresses */
    if (!limit(RLIMIT_AS, (rlim_t)MEMORY_MAX)) {
        return false;
    }
#endif
    return limit(RLIMIT_CORE, 0) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Libraries that print something must not answer the worker. */
static FILE *take_output(void)
{
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    return fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 ? fdopen(fd, "w") : NULL;
}

static apr_status_t serve(FILE *answers, const char *config_path, retrace_error_t *err,
                          apr_pool_t *pool)
{
    const retrace_config_t *config = NULL;
    apr_status_t rv = retrace_config_read(&config, config_path, err, pool);

    return rv == APR_SUCCESS ? worker_elsewhere_serve(stdin, answers, config, err, pool) : rv;
}

int main(int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "parent", required_argument, NULL, 'p' },
                                           { NULL, 0, NULL, 0 } };
    const char *config_path = RETRACE_CONFIG_PATH;
    FILE *answers;
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
    if (!worker_parent_bind(parent) || !confine() || (answers = take_output()) == NULL
        || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    rv = serve(answers, config_path, &err, pool);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "retrace-resolve: %s\n", err.text);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return rv == APR_SUCCESS ? EXIT_SUCCESS : EXIT_SYSTEM;
}
