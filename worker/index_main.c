/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-server-index [--config=FILE] [--quiet | --json] [RELEASE...]: bring the indexes of package
 * repositories up to date, publish what they have, and tell which packages are not used. Workers do
 * the first two when they need to, and the dispatcher starts `--quiet`; as the spool's owner. */
#include <apr_general.h>
#include <apr_strings.h>
#include <getopt.h>
#include <jansson.h>
#include <linux/ioprio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/packages.h"
#include "lib/release.h"
#include "worker/resolve/cache_entries.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/repo_publish.h"
#include "worker/text.h"

#define NAME         "retrace-server-index"
#define EXIT_REFUSED 1 /* some package, or the metadata, are not used */
#define EXIT_USAGE   100
#define EXIT_SYSTEM  111
#define NICE         10 /* of --quiet: tasks come first */

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

#define ALL_REFUSED WORKER_REPO_MAX_PACKAGES

typedef struct options_t {
    const char *config_path;
    bool quiet;
    json_t *releases; /* array of what --json tells; NULL: it was not given */
    char **names;     /* of releases; none: all */
    int count;
} options_t;

/* @return the exit code */
static int complain(const options_t *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int complain(const options_t *options, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (options->quiet) {
        vsyslog(LOG_ERR, format, arguments);
    }
    else {
        fprintf(stderr, NAME ": ");
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
    }
    va_end(arguments);
    return EXIT_SYSTEM;
}

/* A line for a terminal: whoever writes in RepoDir chooses the names of files. */
static void show(const char *line, apr_pool_t *p)
{
    const char *text = worker_text_clean(line, strlen(line), p);

    for (; *text != '\0'; text++) {
        (void)putchar(*text == '\n' ? ' ' : *text);
    }
    (void)putchar('\n');
}

static int show_refused(const options_t *options, const worker_repo_t *repo, apr_pool_t *p)
{
    apr_array_header_t *refused = NULL;
    const char *metadata = "";
    const char *complaint = "";
    bool is_shown = !options->quiet && options->releases == NULL;
    retrace_error_t err;
    int i;

    if (worker_index_refused(&refused, repo->index, ALL_REFUSED, &err, p) != APR_SUCCESS
        || worker_index_metadata(&metadata, &complaint, repo->index, &err, p) != APR_SUCCESS) {
        return complain(options, "%s", err.text);
    }
    for (i = 0; is_shown && i < refused->nelts; i++) {
        const worker_index_entry_t *entry = &APR_ARRAY_IDX(refused, i, worker_index_entry_t);

        show(apr_psprintf(p, "%s/%s: %s", repo->name, entry->file, entry->refusal), p);
    }
    if (is_shown && complaint[0] != '\0') {
        show(apr_psprintf(p, "%s: %s", repo->name, complaint), p);
    }
    return refused->nelts > 0 || complaint[0] != '\0' ? EXIT_REFUSED : EXIT_SUCCESS;
}

/* Counts of one release; or why it cannot be used, when repo is NULL. */
static void describe(const options_t *options, const char *name, const worker_repo_t *repo,
                     const retrace_error_t *why, apr_pool_t *p)
{
    apr_array_header_t *packages = NULL;
    apr_array_header_t *all = NULL; /* with those that only repodata name */
    apr_array_header_t *refused = NULL;
    retrace_error_t err;

    if (options->releases == NULL) {
        return;
    }
    if (repo != NULL && worker_index_packages(&packages, repo->index, false, &err, p) == APR_SUCCESS
        && worker_index_packages(&all, repo->index, true, &err, p) == APR_SUCCESS
        && worker_index_refused(&refused, repo->index, ALL_REFUSED, &err, p) == APR_SUCCESS) {
        json_array_append_new(options->releases,
                              json_pack("{s:s, s:i, s:i, s:i}", "release", name, "packages",
                                        packages->nelts, "refused", refused->nelts, "remote",
                                        all->nelts - packages->nelts));
        return;
    }
    json_array_append_new(
        options->releases,
        json_pack("{s:s, s:s*}", "release", name, "error", repo != NULL ? err.text : why->text));
}

static void print_releases(const options_t *options)
{
    if (options->releases != NULL) {
        (void)json_dumpf(options->releases, stdout, JSON_INDENT(1));
        putchar('\n');
    }
}

/* Of a repository that is no good no worker would take a package: httpd must not go on to ask for a
 * new list. When this host is short of something the list stays, and the dispatcher tries again. */
static int give_up(const options_t *options, const retrace_config_t *config, const char *name,
                   const retrace_package_state_t *state, const retrace_error_t *why, apr_pool_t *p)
{
    retrace_error_t err;

    (void)complain(options, "%s", why->text);
    if (!options->quiet) {
        return EXIT_SYSTEM;
    }
    if (!worker_repo_is_at_fault(why->status)) {
        return complain(options, "%s: the list of its packages stays as it is", name);
    }
    return worker_repo_publish_none(config, name, state, &err, p) == APR_SUCCESS
        ? EXIT_SYSTEM
        : complain(options, "%s", err.text);
}

static int index_one(const options_t *options, const retrace_config_t *config, const char *name,
                     apr_pool_t *pool)
{
    worker_repo_t *repo = NULL;
    retrace_package_state_t state;
    apr_pool_t *p = NULL;
    retrace_error_t err;
    apr_status_t rv;
    int code;

    if (apr_pool_create(&p, pool) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    /* Before: what changes from now on is due again. */
    state = retrace_packages_state_of(config, name, p);
    rv = worker_repo_open(&repo, config, name, !options->quiet, &err, p);
    describe(options, name, repo, &err, p);
    if (rv != APR_SUCCESS) {
        code = give_up(options, config, name, &state, &err, p);
    }
    else if (repo->stale.status != APR_SUCCESS) {
        code = complain(options, "%s: %s", name, repo->stale.text);
    }
    else if (repo->list.status != APR_SUCCESS) {
        code = complain(options, "%s: the list of its packages: %s", name, repo->list.text);
    }
    else {
        code = show_refused(options, repo, p);
    }
    apr_pool_destroy(p);
    return code;
}

static int index_all(const options_t *options, const retrace_config_t *config, apr_pool_t *pool)
{
    const apr_array_header_t *names = retrace_release_names(config->repo_dir, pool);
    retrace_error_t err;
    int worst = EXIT_SUCCESS;
    int i;

    for (i = 0; i < names->nelts; i++) {
        int code = index_one(options, config, APR_ARRAY_IDX(names, i, const char *), pool);

        worst = code > worst ? code : worst;
    }
    return retrace_packages_sweep(config, &err, pool) == APR_SUCCESS
        ? worst
        : complain(options, "%s", err.text);
}

static int index_named(const options_t *options, const retrace_config_t *config, apr_pool_t *pool)
{
    int worst = EXIT_SUCCESS;
    int i;

    for (i = 0; i < options->count; i++) {
        int code = index_one(options, config, options->names[i], pool);

        worst = code > worst ? code : worst;
    }
    return worst;
}

/* A first index of a large repository reads for minutes. Best effort. */
static void step_back(void)
{
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static int work(const options_t *options, apr_pool_t *pool)
{
    const retrace_config_t *config = NULL;
    retrace_error_t err;

    if (retrace_config_read(&config, options->config_path, &err, pool) != APR_SUCCESS) {
        return complain(options, "%s", err.text);
    }
    if (worker_cache_require_owner(config->cache_dir, &err) != APR_SUCCESS) {
        return complain(options, "%s", err.text);
    }
    return options->count > 0 ? index_named(options, config, pool)
                              : index_all(options, config, pool);
}

/* @return false when they are wrong */
static bool parse_options(options_t *options, int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "quiet", no_argument, NULL, 'q' },
                                           { NULL, 0, NULL, 0 } };
    int option;
    int i;

    while ((option = getopt_long(argc, argv, "c:jq", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config_path = optarg;
            break;
        case 'j':
            json_decref(options->releases);
            options->releases = json_array();
            break;
        case 'q':
            options->quiet = true;
            break;
        default:
            return false;
        }
    }
    if (options->quiet && options->releases != NULL) {
        return false;
    }
    options->names = argv + optind;
    options->count = argc - optind;
    for (i = 0; i < options->count; i++) {
        if (!retrace_release_is_name(options->names[i])) {
            return false;
        }
    }
    return true;
}

int main(int argc, char *argv[])
{
    options_t options = { .config_path = RETRACE_CONFIG_PATH };
    apr_pool_t *pool = NULL;
    int code;

    if (!parse_options(&options, argc, argv)) {
        fprintf(stderr, "usage: " NAME " [--config=FILE] [--quiet | --json] [RELEASE...]\n");
        return EXIT_USAGE;
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    openlog(NAME, LOG_PID, LOG_DAEMON);
    if (options.quiet) {
        step_back();
    }
    code = work(&options, pool);
    print_releases(&options);
    json_decref(options.releases);
    apr_pool_destroy(pool);
    apr_terminate();
    return code;
}
