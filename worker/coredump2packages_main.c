/* SPDX-License-Identifier: Apache-2.0 */
/* coredump2packages [--json] [--repo=RELEASE]... [--config=FILE] CORE: the packages that have the files
 * of a core dump, as the indexes of package repositories know. As the owner of CacheDir. */
#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/release.h"
#include "worker/resolve/cache_entries.h"
#include "worker/resolve/core_packages.h"
#include "worker/resolve/repo.h"

#define EXIT_NO_CORE 1
#define EXIT_USAGE   100
#define EXIT_SYSTEM  111

#ifndef RETRACE_CONFIG_PATH
#define RETRACE_CONFIG_PATH "/etc/retrace-server.conf"
#endif

#define REPOSITORIES_MAX 64 /* that are named */

typedef struct options_t {
    const char *config_path;
    apr_array_header_t *repositories; /* of const char *, as they were given */
    bool is_json;
    const char *core;
} options_t;

/* --- As text, in the form of the tool of the same name --------------------------------------- */

static bool is_found(const worker_core_file_t *file)
{
    return file->executable != NULL || file->debuginfo != NULL;
}

/* Untrusted: a name with line ends would look like other lines. */
static const char *printable(const char *path, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, path);
    char *at;

    for (at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    return copy;
}

/* The package of the program that has crashed; NULL: not known. */
static const char *owner_of(const worker_core_t *core, const apr_array_header_t *files)
{
    int i;

    for (i = 0; i < files->nelts; i++) {
        const worker_core_file_t *file = &APR_ARRAY_IDX(files, i, worker_core_file_t);

        if (file->module == core->program && file->executable != NULL) {
            return file->executable->nevra;
        }
    }
    return NULL;
}

static void print_text(const worker_core_t *core, const apr_array_header_t *files, apr_pool_t *p)
{
    const apr_array_header_t *names = worker_core_package_names(files, p);
    const char *owner = owner_of(core, files);
    int i;

    printf("%s\n\n", owner != NULL ? owner : "-");
    for (i = 0; i < names->nelts; i++) {
        printf("%s\n", APR_ARRAY_IDX(names, i, const char *));
    }
    printf("\n");
    for (i = 0; i < files->nelts; i++) {
        const worker_core_file_t *file = &APR_ARRAY_IDX(files, i, worker_core_file_t);

        if (!is_found(file)) {
            printf("%s %s\n", printable(file->module->path, p), file->module->build_id);
        }
    }
}

/* --- As JSON -------------------------------------------------------------------------------- */

static void add_found(json_t *found, const worker_core_package_t *package)
{
    if (package == NULL) {
        return;
    }
    (void)json_array_append_new(
        found,
        json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b}", "kind", worker_file_kind_name(package->kind),
                  "package", package->nevra, "repository", package->repository, "file",
                  package->file, "path", package->path, "here", package->is_here));
}

static void add_missing(json_t *missing, const worker_core_file_t *file, const char *path,
                        worker_file_kind_t kind)
{
    (void)json_array_append_new(missing,
                                json_pack("{s:s, s:s, s:s}", "path", path, "build_id",
                                          file->module->build_id, "kind",
                                          worker_file_kind_name(kind)));
}

/* A path that is not UTF-8 cannot be in JSON as it is. */
static const char *json_path(const char *path, apr_pool_t *p)
{
    json_t *text = json_string(path);
    char *copy = apr_pstrdup(p, path);
    char *at;

    for (at = copy; text == NULL && *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    }
    json_decref(text);
    return copy;
}

static void add_file(json_t *modules, json_t *missing, const worker_core_file_t *file,
                     apr_pool_t *p)
{
    const char *path = json_path(file->module->path, p);
    json_t *found = json_array();

    add_found(found, file->executable);
    add_found(found, file->debuginfo);
    (void)json_array_append_new(modules,
                                json_pack("{s:s, s:s, s:o}", "path", path, "build_id",
                                          file->module->build_id, "found", found));
    if (file->executable == NULL) {
        add_missing(missing, file, path, WORKER_FILE_EXECUTABLE);
    }
    if (file->debuginfo == NULL) {
        add_missing(missing, file, path, WORKER_FILE_DEBUGINFO);
    }
}

static void print_json(const worker_core_t *core, const apr_array_header_t *files, apr_pool_t *p)
{
    const apr_array_header_t *names = worker_core_package_names(files, p);
    json_t *packages = json_array();
    json_t *modules = json_array();
    json_t *missing = json_array();
    json_t *all;
    int i;

    for (i = 0; i < names->nelts; i++) {
        (void)json_array_append_new(packages, json_string(APR_ARRAY_IDX(names, i, const char *)));
    }
    for (i = 0; i < files->nelts; i++) {
        add_file(modules, missing, &APR_ARRAY_IDX(files, i, worker_core_file_t), p);
    }
    all = json_pack("{s:s, s:s?, s:o, s:o, s:o}", "architecture", core->arch, "package",
                    owner_of(core, files), "packages", packages, "modules", modules, "missing",
                    missing);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

/* --- What is asked -------------------------------------------------------------------------- */

/* A name is that of a repository, or of a release that has some. */
static apr_status_t add_repository(apr_array_header_t *chosen, const apr_array_header_t *names,
                                   const char *name, retrace_error_t *err)
{
    size_t length = strlen(name);
    int before = chosen->nelts;
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *other = APR_ARRAY_IDX(names, i, const char *);
        bool is_of_release = strncmp(other, name, length) == 0 && other[length] == '-'
            && strchr(other + length + 1, '-') == NULL;

        if (strcmp(other, name) == 0 || is_of_release) {
            APR_ARRAY_PUSH(chosen, const char *) = other;
        }
    }
    return chosen->nelts > before
        ? APR_SUCCESS
        : retrace_fail(err, APR_NOTFOUND, "there is no repository %s", name);
}

static apr_status_t choose(apr_array_header_t **pchosen, const options_t *options,
                           const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    const apr_array_header_t *names = retrace_release_names(config->repo_dir, p);
    apr_array_header_t *chosen = apr_array_make(p, 4, sizeof(const char *));
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < options->repositories->nelts && rv == APR_SUCCESS; i++) {
        rv = add_repository(chosen, names, APR_ARRAY_IDX(options->repositories, i, const char *),
                            err);
    }
    if (rv == APR_SUCCESS) {
        *pchosen = options->repositories->nelts > 0 ? chosen : apr_array_copy(p, names);
    }
    return rv;
}

static int complain(const retrace_error_t *err, int code)
{
    fprintf(stderr, "coredump2packages: %s\n", err->text);
    return code;
}

static apr_status_t read_core(worker_core_t **pcore, const char *path, retrace_error_t *err,
                              apr_pool_t *p)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", path);
    }
    rv = worker_core_read(pcore, fd, err, p);
    (void)close(fd);
    return rv;
}

static int run(const options_t *options, apr_pool_t *p)
{
    const retrace_config_t *config = NULL;
    apr_array_header_t *names = NULL;
    apr_array_header_t *files = NULL;
    worker_core_t *core = NULL;
    retrace_error_t err;
    apr_status_t rv = read_core(&core, options->core, &err, p);

    if (rv != APR_SUCCESS) {
        return complain(&err, rv == APR_EINVAL ? EXIT_NO_CORE : EXIT_SYSTEM);
    }
    if (retrace_config_read(&config, options->config_path, &err, p) != APR_SUCCESS
        || worker_cache_require_owner(config->cache_dir, &err) != APR_SUCCESS
        || choose(&names, options, config, &err, p) != APR_SUCCESS
        || worker_core_packages(&files, core, names, config, &err, p) != APR_SUCCESS) {
        return complain(&err, EXIT_SYSTEM);
    }
    if (options->is_json) {
        print_json(core, files, p);
    }
    else {
        print_text(core, files, p);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_SYSTEM;
}

/* @return false when they are wrong */
static bool take_options(options_t *options, int argc, char *argv[])
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "release", required_argument, NULL, 'r' },
                                           { "repo", required_argument, NULL, 'r' },
                                           { NULL, 0, NULL, 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "c:jr:", known, NULL)) != -1) {
        if (option == 'c') {
            options->config_path = optarg;
        }
        else if (option == 'j') {
            options->is_json = true;
        }
        else if (option == 'r' && options->repositories->nelts < REPOSITORIES_MAX) {
            APR_ARRAY_PUSH(options->repositories, const char *) = optarg;
        }
        else {
            return false;
        }
    }
    options->core = optind + 1 == argc ? argv[optind] : NULL;
    return options->core != NULL;
}

int main(int argc, char *argv[])
{
    options_t options = { .config_path = RETRACE_CONFIG_PATH };
    apr_pool_t *pool = NULL;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    (void)umask(027);
    options.repositories = apr_array_make(pool, 4, sizeof(const char *));
    if (take_options(&options, argc, argv)) {
        code = run(&options, pool);
    }
    else {
        fprintf(stderr,
                "usage: coredump2packages [--json] [--repo=RELEASE]... [--config=FILE] "
                "CORE\n");
        code = EXIT_USAGE;
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return code;
}
