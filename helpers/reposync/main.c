/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-reposync [--config=FILE] [--quiet] [--dry-run] [--timeout=SECONDS] [RELEASE...]: mirror the
 * package repositories of releases below RepoDir; as the spool's owner. */
#include <apr_general.h>
#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/reposync/exit.h"
#include "helpers/reposync/release.h"
#include "helpers/reposync/reposync.h"
#include "helpers/task/interrupt.h"
#include "lib/config.h"
#include "lib/release.h"

#define NAME            "retrace-server-reposync"
#define DEFAULT_TIMEOUT 30
#define MAX_TIMEOUT     3600

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

typedef struct arguments_t {
    const char *config;
    int first; /* release in argv */
} arguments_t;

static reposync_exit_t usage(void)
{
    fprintf(stderr,
            "usage: " NAME " [--config=FILE] [--quiet] [--dry-run] [--timeout=SECONDS] "
            "[RELEASE...]\n");
    return REPOSYNC_EXIT_USAGE;
}

static bool take_timeout(int64_t *ptimeout_s, const char *text)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);

    *ptimeout_s = value;
    return end != text && *end == '\0' && value >= 1 && value <= MAX_TIMEOUT;
}

static bool parse(arguments_t *arguments, reposync_t *sync, int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "quiet", no_argument, NULL, 'q' },
                                           { "dry-run", no_argument, NULL, 'n' },
                                           { "timeout", required_argument, NULL, 't' },
                                           { NULL, 0, NULL, 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "c:qnt:", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case 'q':
            sync->is_quiet = true;
            break;
        case 'n':
            sync->is_dry_run = true;
            break;
        case 't':
            if (!take_timeout(&sync->timeout_s, optarg)) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    for (arguments->first = optind; optind < argc; optind++) {
        if (!retrace_release_is_name(argv[optind])) {
            return false;
        }
    }
    return true;
}

/* Which code is told when releases end differently; a signal ends all. */
static reposync_exit_t worse(reposync_exit_t a, reposync_exit_t b)
{
    static const reposync_exit_t order[] = { REPOSYNC_EXIT_INTERRUPTED, REPOSYNC_EXIT_SYSTEM,
                                             REPOSYNC_EXIT_FAILED, REPOSYNC_EXIT_BUSY };
    size_t i;

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a == order[i] || b == order[i]) {
            return order[i];
        }
    }
    return REPOSYNC_EXIT_OK;
}

static reposync_exit_t mirror_names(reposync_t *sync, const apr_array_header_t *names,
                                    apr_pool_t *pool)
{
    reposync_exit_t code = REPOSYNC_EXIT_OK;
    int i;

    for (i = 0; i < names->nelts && code != REPOSYNC_EXIT_INTERRUPTED; i++) {
        apr_pool_t *p = NULL;

        if (apr_pool_create(&p, pool) != APR_SUCCESS) {
            return REPOSYNC_EXIT_SYSTEM;
        }
        code = worse(code, reposync_release_mirror(sync, APR_ARRAY_IDX(names, i, const char *), p));
        apr_pool_destroy(p);
    }
    return code;
}

static reposync_exit_t run(int argc, char *argv[], retrace_error_t *err, apr_pool_t *p)
{
    arguments_t arguments = { .config = RETRACE_CONFIG_PATH };
    reposync_t sync = { .timeout_s = DEFAULT_TIMEOUT };
    apr_array_header_t *names = apr_array_make(p, 8, sizeof(const char *));
    int wrong = 0;
    int i;
    apr_status_t rv;

    if (!parse(&arguments, &sync, argc, argv)) {
        return usage();
    }
    sync.progress.out = !sync.is_quiet && isatty(STDERR_FILENO) ? stderr : NULL;
    for (i = arguments.first; i < argc; i++) {
        APR_ARRAY_PUSH(names, const char *) = argv[i];
    }
    rv = retrace_config_read(&sync.config, arguments.config, err, p);
    if (rv == APR_SUCCESS && names->nelts == 0) {
        rv = reposync_release_list(&names, &wrong, &sync, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = task_interrupt_open(&sync.interrupt, err);
    }
    if (rv != APR_SUCCESS) {
        return REPOSYNC_EXIT_SYSTEM;
    }
    return worse(wrong > 0 ? REPOSYNC_EXIT_FAILED : REPOSYNC_EXIT_OK,
                 mirror_names(&sync, names, p));
}

int main(int argc, char *argv[])
{
    retrace_error_t err = { .text = "" };
    apr_pool_t *pool = NULL;
    reposync_exit_t code;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(022);
    (void)setenv("LC_ALL", "C", 1); /* for rpmkeys, rsync and createrepo_c, whose words are read */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS
        || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs(NAME ": no memory\n", stderr);
        return REPOSYNC_EXIT_SYSTEM;
    }
    code = run(argc, argv, &err, pool);
    if (err.text[0] != '\0') {
        fprintf(stderr, NAME ": %s\n", err.text);
    }
    apr_pool_destroy(pool);
    curl_global_cleanup();
    apr_terminate();
    return (int)code;
}
