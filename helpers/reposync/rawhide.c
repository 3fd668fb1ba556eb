/* SPDX-License-Identifier: Apache-2.0 */
/* See rawhide.h. What came in this run is not in the repodata yet, and supersedes nothing until the
 * next one. */
#include "helpers/reposync/rawhide.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/repo_config.h"
#include "lib/repodata.h"

#define REPODATA "repodata"
#define INDEX    "repomd.xml"

bool reposync_rawhide_is(const char *release, apr_pool_t *p)
{
    retrace_repo_variables_t variables;

    return retrace_repo_variables(&variables, release, p)
        && strcmp(variables.releasever, "rawhide") == 0;
}

/* --- Which --------------------------------------------------------------------------------- */

static int compare_kinds(const reposync_old_t *a, const reposync_old_t *b)
{
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : strcmp(a->arch, b->arch);
}

static int compare_versions(const reposync_old_t *a, const reposync_old_t *b)
{
    int order = rpmvercmp(a->epoch, b->epoch);

    if (order == 0) {
        order = rpmvercmp(a->version, b->version);
    }
    return order != 0 ? order : rpmvercmp(a->release, b->release);
}

/* Equal kinds beside each other, the newest one first. */
static int compare(const void *a, const void *b)
{
    int order = compare_kinds(a, b);

    return order != 0 ? order : compare_versions(b, a);
}

void reposync_rawhide_choose(apr_array_header_t *packages, int64_t keep, int64_t now_s)
{
    reposync_old_t *list = (reposync_old_t *)packages->elts;
    int64_t newer = 0;                /* versions of this kind that are newer */
    int64_t superseded_s = INT64_MAX; /* when the first of those came */
    int64_t same_s = INT64_MAX;       /* when this version came: it may be here twice */
    int i;

    qsort(list, (size_t)packages->nelts, sizeof(*list), compare);
    for (i = 0; i < packages->nelts; i++) {
        if (i == 0 || compare_kinds(&list[i - 1], &list[i]) != 0) {
            newer = 0;
            superseded_s = INT64_MAX;
            same_s = INT64_MAX;
        }
        else if (compare_versions(&list[i - 1], &list[i]) != 0) {
            newer++;
            superseded_s = same_s < superseded_s ? same_s : superseded_s;
            same_s = INT64_MAX;
        }
        same_s = list[i].arrived_s < same_s ? list[i].arrived_s : same_s;
        list[i].goes =
            !list[i].is_offered && newer >= keep && superseded_s <= now_s - REPOSYNC_SUPERSEDED_S;
    }
}

/* --- What is here -------------------------------------------------------------------------- */

typedef struct scan_t {
    const reposync_place_t *place;
    apr_hash_t *named;
    apr_array_header_t *packages;
    apr_pool_t *pool;
} scan_t;

static apr_status_t take_package(void *baton, const retrace_repodata_package_t *package,
                                 retrace_error_t *err)
{
    scan_t *scan = baton;
    const char *slash = package->href != NULL ? strrchr(package->href, '/') : NULL;
    const char *file = slash != NULL ? slash + 1 : package->href;
    struct stat info;
    reposync_old_t *old;

    (void)err;
    if (package->href == NULL || !reposync_place_stat(&info, scan->place, package->href)) {
        return APR_SUCCESS;
    }
    old = apr_array_push(scan->packages);
    old->name = apr_pstrdup(scan->pool, package->name);
    old->arch = apr_pstrdup(scan->pool, package->arch);
    old->epoch = apr_pstrdup(scan->pool, package->epoch);
    old->version = apr_pstrdup(scan->pool, package->version);
    old->release = apr_pstrdup(scan->pool, package->release);
    old->path = apr_pstrdup(scan->pool, package->href);
    old->arrived_s = (int64_t)info.st_mtim.tv_sec;
    old->is_offered =
        apr_hash_get(scan->named, reposync_place_plain_name(file, scan->pool), APR_HASH_KEY_STRING)
        != NULL;
    old->goes = false;
    return APR_SUCCESS;
}

static apr_status_t read_list(scan_t *scan, const char *text, apr_size_t length,
                              retrace_error_t *err, apr_pool_t *p)
{
    const retrace_repodata_packages_t to = { .package = take_package, .baton = scan };
    retrace_repodata_list_t list;
    int fd;
    apr_status_t rv = retrace_repodata_find(&list, text, length, "primary", err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    fd = openat(scan->place->fd, list.href, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return retrace_fail(err, errno, "open %s/%s", scan->place->directory, list.href);
    }
    rv = retrace_repodata_packages(fd, &to, err);
    (void)close(fd);
    return rv;
}

static apr_status_t list_packages(scan_t *scan, retrace_error_t *err, apr_pool_t *p)
{
    const char *text = NULL;
    apr_size_t length = 0;
    int fd = -1;
    apr_status_t rv = retrace_fs_open_dir(&fd, scan->place->fd, REPODATA, err);

    if (APR_STATUS_IS_ENOENT(rv)) {
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_read(&text, &length, fd, INDEX, RETRACE_REPODATA_MAX_REPOMD, err, p);
        (void)close(fd);
    }
    return rv == APR_SUCCESS ? read_list(scan, text, length, err, p) : rv;
}

apr_status_t reposync_rawhide_remove(int *premoved, reposync_t *sync, const reposync_place_t *place,
                                     apr_hash_t *named, retrace_error_t *err, apr_pool_t *p)
{
    scan_t scan = { place, named, apr_array_make(p, 64, sizeof(reposync_old_t)), p };
    apr_status_t rv = list_packages(&scan, err, p);
    int i;

    *premoved = 0;
    if (rv == APR_SUCCESS) {
        reposync_rawhide_choose(scan.packages, sync->config->keep_rawhide_latest,
                                (int64_t)time(NULL));
    }
    for (i = 0; i < scan.packages->nelts && rv == APR_SUCCESS; i++) {
        const reposync_old_t *old = &APR_ARRAY_IDX(scan.packages, i, reposync_old_t);

        if (old->goes && sync->is_dry_run) {
            printf("%s remove %s\n", place->release, old->path);
        }
        else if (old->goes) {
            rv = reposync_place_remove(place, old->path, err);
        }
        *premoved += old->goes;
    }
    return rv;
}
