/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_publish.h. */
#include "worker/resolve/repo_publish.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/packages.h"

#define LOCK ".lock" /* one writer of lists at a time; no name of a release */

static bool is_published(int lists, const char *release, const retrace_package_state_t *state)
{
    retrace_package_list_t list;

    if (retrace_package_list_open(&list, lists, release, NULL) != APR_SUCCESS) {
        return false;
    }
    (void)close(list.fd);
    return strcmp(list.state.text, state->text) == 0;
}

static apr_status_t write_packages(int lists, const worker_repo_t *repo, bool with_remote,
                                   const retrace_package_state_t *state, retrace_error_t *err,
                                   apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, 64, sizeof(const char *));
    apr_array_header_t *packages = NULL;
    apr_status_t rv = worker_index_packages(&packages, repo->index, with_remote, err, p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < packages->nelts; i++) {
        const worker_package_t *package = &APR_ARRAY_IDX(packages, i, worker_package_t);
        const char *line = retrace_package_line(package->name, package->epoch, package->version,
                                                package->release, package->arch, p);

        if (line != NULL) {
            APR_ARRAY_PUSH(lines, const char *) = line;
        }
    }
    return rv == APR_SUCCESS ? retrace_package_list_write(lists, repo->name, state, lines, err, p)
                             : rv;
}

/* @param plock  held on success; the caller closes both */
static apr_status_t open_locked(int *plists, int *plock, const retrace_config_t *config,
                                retrace_error_t *err)
{
    apr_status_t rv = retrace_packages_open(plists, config, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(plock, *plists, LOCK, true, err);
        if (rv != APR_SUCCESS) {
            (void)close(*plists);
        }
    }
    return rv;
}

apr_status_t worker_repo_publish(const worker_repo_t *repo, const retrace_config_t *config,
                                 const retrace_package_state_t *state, retrace_error_t *err,
                                 apr_pool_t *scratch)
{
    int lists = -1;
    int lock = -1;
    apr_status_t rv = open_locked(&lists, &lock, config, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = !worker_index_has_changed(repo->index) && is_published(lists, repo->name, state)
        ? retrace_package_list_touch(lists, repo->name, err)
        : write_packages(lists, repo, config->fetch_on_demand, state, err, scratch);
    (void)close(lock);
    (void)close(lists);
    return rv;
}

bool worker_repo_is_at_fault(apr_status_t rv)
{
    return rv == APR_ENOENT || rv == APR_EINVAL || rv == APR_EACCES;
}

apr_status_t worker_repo_publish_none(const retrace_config_t *config, const char *name,
                                      const retrace_package_state_t *state, retrace_error_t *err,
                                      apr_pool_t *scratch)
{
    int lists = -1;
    int lock = -1;
    apr_status_t rv = open_locked(&lists, &lock, config, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_package_list_write(
            lists, name, state, apr_array_make(scratch, 1, sizeof(const char *)), err, scratch);
        (void)close(lock);
        (void)close(lists);
    }
    return rv;
}
