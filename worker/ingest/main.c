/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-ingest SETTINGS: receive one upload from standard input. Started by the setuid helper's
 * verb `receive`; see receive.h. */
#include <apr_general.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/config.h"
#include "worker/ingest/receive.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111

int main(int argc, char *argv[])
{
    const retrace_config_t *config = NULL;
    retrace_error_t err;
    apr_pool_t *pool = NULL;
    int code;

    if (argc != 2) {
        fprintf(stderr, "usage: retrace-ingest SETTINGS\n");
        return EXIT_USAGE;
    }
    /* The upload is private: no core of ours, and no debugger of another process of our user. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    openlog("retrace-ingest", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    if (retrace_config_read(&config, argv[1], &err, pool) != APR_SUCCESS) {
        syslog(LOG_ERR, "%s", err.text);
        return EXIT_SYSTEM;
    }
    code = ingest_receive(STDIN_FILENO, STDOUT_FILENO, config, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return code;
}
