/* SPDX-License-Identifier: Apache-2.0 */
/* This machine's own files. The core says where a file was; that path is looked at only below
 * HostDirs, and taken only if the build-id is the one that the core holds. */
#include <apr_strings.h>
#include <apr_tables.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "worker/path.h"
#include "worker/resolve/source.h"

/* A symbolic link below HostDirs may lead out of them: what counts is where the file really is. */
static bool is_below_host_dirs(const char *path, const char *dirs, apr_pool_t *p)
{
    char *rest = apr_pstrdup(p, dirs);
    char *dir;

    while ((dir = strsep(&rest, ":")) != NULL) {
        if (dir[0] == '/' && worker_path_is_below(path, dir)) {
            return true;
        }
    }
    return false;
}

static const char *real_path(const char *path, apr_pool_t *p)
{
    char *resolved = realpath(path, NULL);
    const char *copy;

    if (resolved == NULL) {
        return NULL;
    }
    copy = apr_pstrdup(p, resolved);
    free(resolved);
    return copy;
}

/* Tries one place. */
static apr_status_t try_path(worker_found_t **pfound, const char *path,
                             const retrace_config_t *config, const worker_want_t *want,
                             retrace_error_t *err, apr_pool_t *p)
{
    const char *real = worker_path_is_plain(path) ? real_path(path, p) : NULL;

    if (real == NULL) {
        return APR_NOTFOUND;
    }
    if (!is_below_host_dirs(real, config->host_dirs, p)
        && !worker_path_is_below(real, config->host_debug_dir)) {
        return retrace_fail(err, APR_NOTFOUND, "%s is not below HostDirs", real);
    }
    return worker_source_check(pfound, real, want, worker_source_host.name, err, p);
}

static const char *by_build_id(const char *root, const worker_want_t *want, const char *suffix,
                               apr_pool_t *p)
{
    return apr_psprintf(p, "%s/.build-id/%.2s/%s%s", root, want->build_id, want->build_id + 2,
                        suffix);
}

static void add(apr_array_header_t *places, const char *place)
{
    APR_ARRAY_PUSH(places, const char *) = place;
}

static void list_executable(apr_array_header_t *places, const retrace_config_t *config,
                            const worker_want_t *want, apr_pool_t *p)
{
    (void)config;
    add(places, by_build_id("/usr/lib", want, "", p));
    if (want->path != NULL) {
        add(places, want->path);
    }
}

/* gdb(1), "Debugging Information in Separate Files". */
static void list_debuginfo(apr_array_header_t *places, const retrace_config_t *config,
                           const worker_want_t *want, apr_pool_t *p)
{
    const char *directory;

    add(places, by_build_id(config->host_debug_dir, want, ".debug", p));
    if (want->debuglink == NULL || want->beside == NULL) {
        return;
    }
    directory = worker_path_directory(want->beside, p);
    add(places, apr_pstrcat(p, directory, "/", want->debuglink, NULL));
    add(places, apr_pstrcat(p, directory, "/.debug/", want->debuglink, NULL));
    add(places, apr_pstrcat(p, config->host_debug_dir, directory, "/", want->debuglink, NULL));
}

static void list_dwz(apr_array_header_t *places, const retrace_config_t *config,
                     const worker_want_t *want, apr_pool_t *p)
{
    const char *path = want->altlink;

    add(places, by_build_id(config->host_debug_dir, want, ".debug", p));
    if (path != NULL && path[0] != '/' && want->beside != NULL) {
        path = worker_path_join(worker_path_directory(want->beside, p), path, p);
    }
    if (path != NULL) {
        add(places, path);
        /* Debug information out of the cache cannot tell what its relative path starts from. */
        add(places, apr_pstrcat(p, config->host_debug_dir, "/.dwz/", worker_path_name(path), NULL));
    }
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    static void (*const list[])(apr_array_header_t * places, const retrace_config_t *config,
                                const worker_want_t *want, apr_pool_t *p) = {
        [WORKER_FILE_EXECUTABLE] = list_executable,
        [WORKER_FILE_DEBUGINFO] = list_debuginfo,
        [WORKER_FILE_DWZ] = list_dwz,
    };
    apr_array_header_t *places = apr_array_make(p, 4, sizeof(const char *));
    apr_status_t rv = retrace_fail(err, APR_NOTFOUND, "this machine has no file of that name");
    int i;

    list[want->kind](places, config, want, p);
    for (i = 0; i < places->nelts && rv != APR_SUCCESS; i++) {
        rv = try_path(pfound, APR_ARRAY_IDX(places, i, const char *), config, want, err, p);
    }
    return rv;
}

const worker_source_t worker_source_host = { "host", find };
