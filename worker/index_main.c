/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-index [--config=FILE] [RELEASE...]: bring the indexes of package repositories up to
 * date, and tell which packages are not used. Workers do the same when they need to; as the spool's
 * owner. */
#include <apr_general.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/config.h"
#include "worker/resolve/cache_entries.h"
#include "lib/release.h"
#include "worker/resolve/repo.h"

#define EXIT_REFUSED 1 /* some package is not used */
#define EXIT_USAGE   100
#define EXIT_SYSTEM  111

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

#define ALL_REFUSED WORKER_REPO_MAX_PACKAGES

/* @return the exit code */
static int complain(const retrace_error_t *err)
{
    fprintf(stderr, "retrace-server-index: %s\n", err->text);
    return EXIT_SYSTEM;
}

static int show_refused(const worker_repo_t *repo, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *refused = NULL;
    int i;

    if (worker_index_refused(&refused, repo->index, ALL_REFUSED, err, p) != APR_SUCCESS) {
        return complain(err);
    }
    for (i = 0; i < refused->nelts; i++) {
        const worker_index_entry_t *entry = &APR_ARRAY_IDX(refused, i, worker_index_entry_t);

        printf("%s/%s: %s\n", repo->name, entry->file, entry->refusal);
    }
    return refused->nelts > 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}

static int index_one(const retrace_config_t *config, const char *name, apr_pool_t *pool)
{
    worker_repo_t *repo = NULL;
    apr_pool_t *p = NULL;
    retrace_error_t err;
    int code;

    if (apr_pool_create(&p, pool) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    code = worker_repo_open(&repo, config, name, true, &err, p) == APR_SUCCESS
        ? show_refused(repo, &err, p)
        : complain(&err);
    apr_pool_destroy(p);
    return code;
}

static int index_names(const retrace_config_t *config, const apr_array_header_t *names,
                       apr_pool_t *pool)
{
    retrace_error_t err;
    int worst = EXIT_SUCCESS;
    int i;

    if (worker_cache_require_owner(config->cache_dir, &err) != APR_SUCCESS) {
        return complain(&err);
    }
    for (i = 0; i < names->nelts; i++) {
        int code = index_one(config, APR_ARRAY_IDX(names, i, const char *), pool);

        worst = code > worst ? code : worst;
    }
    return worst;
}

/* @return false when one is no name of a release */
static bool take_names(apr_array_header_t *names, int argc, char *argv[], int first)
{
    int i;

    for (i = first; i < argc; i++) {
        if (!retrace_release_is_name(argv[i])) {
            return false;
        }
        APR_ARRAY_PUSH(names, const char *) = argv[i];
    }
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: retrace-server-index [--config=FILE] [RELEASE...]\n");
    return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { NULL, 0, NULL, 0 } };
    const char *config_path = RETRACE_CONFIG_PATH;
    const retrace_config_t *config = NULL;
    apr_array_header_t *names;
    apr_pool_t *pool = NULL;
    retrace_error_t err;
    int option;
    int code;

    while ((option = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
        if (option != 'c') {
            return usage();
        }
        config_path = optarg;
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    names = apr_array_make(pool, 8, sizeof(const char *));
    if (!take_names(names, argc, argv, optind)) {
        code = usage();
    }
    else if (retrace_config_read(&config, config_path, &err, pool) != APR_SUCCESS) {
        code = complain(&err);
    }
    else {
        code = index_names(config, optind < argc ? names : retrace_release_names(config->repo_dir, pool), pool);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return code;
}
