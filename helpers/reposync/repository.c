/* SPDX-License-Identifier: Apache-2.0 */
/* See repository.h. */
#include "helpers/reposync/repository.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/reposync/plan.h"
#include "helpers/reposync/rsync.h"
#include "helpers/reposync/source.h"
#include "helpers/reposync/strip.h"
#include "lib/fs.h"
#include "lib/repodata.h"

#define INDEX_HREF "repodata/repomd.xml"
#define INDEX_PART "repomd.xml"
#define LIST_MAX   (INT64_C(4) * 1024 * RETRACE_MIB) /* bytes of a list, packed */

typedef struct repository_t {
    reposync_work_t *work;
    const retrace_repo_section_t *section;
    reposync_source_t *source;
    reposync_plan_t *plan;
    retrace_error_t *err;
    apr_pool_t *pool;
} repository_t;

/* --- Its lists ----------------------------------------------------------------------------- */

static apr_status_t read_index(const char **ptext, apr_size_t *plength,
                               const repository_t *repository)
{
    const apr_array_header_t *checksums = repository->source->mirrors->checksums;
    const reposync_want_t want = { .href = INDEX_HREF,
                                   .part = INDEX_PART,
                                   .checksums = (const retrace_checksum_t *)checksums->elts,
                                   .checksum_count = checksums->nelts,
                                   .max_bytes = RETRACE_REPODATA_MAX_REPOMD };
    int work = repository->work->place->work;
    /* One of an earlier run, whole or not, is an old one. */
    apr_status_t rv = retrace_fs_remove(work, INDEX_PART, repository->err);

    if (rv == APR_SUCCESS) {
        rv = reposync_source_get(repository->source, &want, repository->err, repository->pool);
    }
    return rv == APR_SUCCESS
        ? retrace_fs_read(ptext, plength, work, INDEX_PART, RETRACE_REPODATA_MAX_REPOMD,
                          repository->err, repository->pool)
        : rv;
}

/* A list that has not changed since the last run is here already: its name is its checksum. */
static apr_status_t open_list(int *pfd, const repository_t *repository, const char *index,
                              apr_size_t length, const char *type)
{
    retrace_repodata_list_t list;
    reposync_want_t want = { .checksums = &list.checksum, .checksum_count = 1 };
    apr_status_t rv =
        retrace_repodata_find(&list, index, length, type, repository->err, repository->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    want.href = list.href;
    want.part = apr_pstrcat(repository->work->pool, list.checksum.digits, ".list", NULL);
    want.max_bytes = list.size > 0 && list.size < LIST_MAX ? list.size : LIST_MAX;
    apr_hash_set(repository->work->lists, want.part, APR_HASH_KEY_STRING, want.part);
    rv = reposync_source_get(repository->source, &want, repository->err, repository->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *pfd = openat(repository->work->place->work, want.part, O_RDONLY | O_CLOEXEC);
    return *pfd >= 0 ? APR_SUCCESS
                     : retrace_fail(repository->err, errno, "open a list of packages");
}

static apr_status_t note_useful(repository_t *repository, const char *index, apr_size_t length)
{
    const retrace_repodata_files_t to = { .file = reposync_plan_note_file,
                                          .baton = repository->plan };
    int fd = -1;
    apr_status_t rv = open_list(&fd, repository, index, length, "filelists");

    if (rv == APR_SUCCESS) {
        repository->plan->useful = apr_hash_make(repository->pool);
        rv = retrace_repodata_files(fd, &to, repository->err);
        (void)close(fd);
    }
    return rv;
}

static apr_status_t make_plan(repository_t *repository)
{
    const retrace_repodata_packages_t to = { .package = reposync_plan_add,
                                             .baton = repository->plan };
    const char *index = NULL;
    apr_size_t length = 0;
    int fd = -1;
    apr_status_t rv = read_index(&index, &length, repository);

    if (rv == APR_SUCCESS && repository->work->sync->config->strip_packages) {
        rv = note_useful(repository, index, length);
    }
    if (rv == APR_SUCCESS) {
        rv = open_list(&fd, repository, index, length, "primary");
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_repodata_packages(fd, &to, repository->err);
        (void)close(fd);
    }
    return rv;
}

/* --- Its packages -------------------------------------------------------------------------- */

static apr_status_t check_room(const repository_t *repository, int64_t bytes, retrace_error_t *err)
{
    int64_t free_bytes = retrace_fs_free_bytes(repository->work->place->work);

    return free_bytes < 0 || bytes <= free_bytes
        ? APR_SUCCESS
        : retrace_fail(err, APR_ENOSPC, "%ld MB are to come, %ld MB are free",
                       (long)(bytes / RETRACE_MIB), (long)(free_bytes / RETRACE_MIB));
}

static const char *part_of(const reposync_package_t *package, apr_pool_t *p)
{
    return apr_pstrcat(p, package->name, ".part", NULL);
}

/* The reduced one beside it, in .sync. @return APR_EINVAL when the whole one is to be kept: its format is
 * not known, or there is nothing to be saved */
static apr_status_t write_stripped(const reposync_place_t *place, const char *part,
                                   const char *stripped, retrace_error_t *err, apr_pool_t *scratch)
{
    int from = openat(place->work, part, O_RDONLY | O_CLOEXEC);
    int to =
        openat(place->work, stripped, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int dropped = 0;
    apr_status_t rv = APR_SUCCESS;

    if (from < 0 || to < 0) {
        rv = retrace_fail(err, errno, "write %s", stripped);
    }
    if (rv == APR_SUCCESS) {
        rv = reposync_strip(&dropped, to, from, err, scratch);
    }
    if (rv == APR_SUCCESS && dropped == 0) {
        rv = APR_EINVAL;
    }
    if (rv == APR_SUCCESS && fsync(to) != 0) {
        rv = retrace_fail(err, errno, "write %s", stripped);
    }
    if (from >= 0) {
        (void)close(from);
    }
    if (to >= 0) {
        (void)close(to);
    }
    return rv;
}

static apr_status_t publish(const repository_t *repository, const char *part, const char *name,
                            retrace_error_t *err, apr_pool_t *scratch)
{
    const reposync_place_t *place = repository->work->place;
    const char *reduced = reposync_place_stripped_name(name, scratch);
    const char *reduced_part = apr_pstrcat(scratch, reduced, ".part", NULL);
    apr_status_t rv = APR_EINVAL;

    if (repository->work->sync->config->strip_packages) {
        rv = write_stripped(place, part, reduced_part, err, scratch);
        if (rv != APR_SUCCESS) {
            (void)retrace_fs_remove(place->work, reduced_part, NULL);
        }
    }
    if (rv == APR_EINVAL) {
        return reposync_place_publish(place, part, name, err);
    }
    if (rv == APR_SUCCESS) {
        rv = reposync_place_publish(place, reduced_part, reduced, err);
    }
    return rv == APR_SUCCESS ? retrace_fs_remove(place->work, part, err) : rv;
}

static apr_status_t take_package(const repository_t *repository, const reposync_package_t *package,
                                 retrace_error_t *err, apr_pool_t *scratch)
{
    const reposync_place_t *place = repository->work->place;
    const reposync_want_t want = { .href = package->href,
                                   .part = part_of(package, scratch),
                                   .checksums = &package->checksum,
                                   .checksum_count = 1,
                                   .max_bytes = package->size,
                                   .is_exact = true };
    apr_status_t rv = check_room(repository, package->size, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    (void)reposync_rsync_take(place, package->name, want.part, scratch);
    rv = reposync_source_get(repository->source, &want, err, scratch);
    if (rv == APR_SUCCESS && repository->section->gpgcheck) {
        rv = reposync_keys_verify(repository->work->keys, want.part, err, scratch);
        if (rv == APR_EINVAL) {
            (void)retrace_fs_remove(place->work, want.part, NULL);
        }
    }
    if (rv == APR_SUCCESS && reposync_place_is_another(place, want.part, package->name)) {
        (void)retrace_fs_remove(place->work, want.part, NULL);
        rv = retrace_fail(err, APR_EINVAL, "it is another package than this one, which is here");
    }
    return rv == APR_SUCCESS ? publish(repository, want.part, package->name, err, scratch) : rv;
}

/* @return APR_SUCCESS unless it makes no sense to go on */
static apr_status_t count_result(const repository_t *repository, const reposync_package_t *package,
                                 apr_status_t rv, const retrace_error_t *why)
{
    reposync_tally_t *tally = repository->plan->tally;

    if (rv == APR_SUCCESS) {
        tally->fresh++;
        tally->bytes += package->size;
        return rv;
    }
    if (rv == REPOSYNC_INTERRUPTED || APR_STATUS_IS_ENOSPC(rv)) {
        *repository->err = *why;
        return rv;
    }
    reposync_plan_tell(repository->plan, package->name, why->text);
    if (rv == APR_EINVAL) {
        tally->refused++;
    }
    else {
        tally->failed++;
    }
    if (reposync_source_current(repository->source) == NULL) {
        return retrace_fail(repository->err, APR_TIMEUP,
                            "all mirrors were given up after failures");
    }
    return APR_SUCCESS;
}

/* With an rsync server many come at once; whatever is wrong then, each package by itself tells. */
static apr_status_t take_batch(const repository_t *repository, int first, apr_pool_t *scratch)
{
    const reposync_url_t *url = reposync_source_current(repository->source);
    apr_array_header_t *hrefs = apr_array_make(scratch, REPOSYNC_RSYNC_BATCH, sizeof(const char *));
    const apr_array_header_t *packages = repository->plan->packages;
    int64_t largest = 0;
    int i;

    if (url == NULL || url->scheme != REPOSYNC_RSYNC) {
        return APR_SUCCESS;
    }
    for (i = first; i < packages->nelts && i < first + REPOSYNC_RSYNC_BATCH; i++) {
        const reposync_package_t *package = &APR_ARRAY_IDX(packages, i, reposync_package_t);

        APR_ARRAY_PUSH(hrefs, const char *) = package->href;
        largest = package->size > largest ? package->size : largest;
    }
    return reposync_rsync_files(repository->work->sync, repository->work->place, url, hrefs,
                                largest, repository->err, scratch)
            == REPOSYNC_INTERRUPTED
        ? REPOSYNC_INTERRUPTED
        : APR_SUCCESS;
}

static apr_status_t take_packages(const repository_t *repository)
{
    const apr_array_header_t *packages = repository->plan->packages;
    apr_pool_t *scratch = NULL;
    apr_status_t rv = apr_pool_create(&scratch, repository->pool);
    int i;

    for (i = 0; i < packages->nelts && rv == APR_SUCCESS; i++) {
        const reposync_package_t *package = &APR_ARRAY_IDX(packages, i, reposync_package_t);
        retrace_error_t why = { .text = "" };

        if (i % REPOSYNC_RSYNC_BATCH == 0) {
            rv = take_batch(repository, i, scratch);
        }
        if (rv == APR_SUCCESS && reposync_is_over(repository->work->sync)) {
            rv = retrace_fail(repository->err, REPOSYNC_INTERRUPTED, "mirror");
        }
        if (rv == APR_SUCCESS) {
            repository->source->download.label =
                apr_psprintf(scratch, "%d/%d %s", i + 1, packages->nelts, package->name);
            rv = count_result(repository, package, take_package(repository, package, &why, scratch),
                              &why);
        }
        apr_pool_clear(scratch);
    }
    repository->source->download.label = repository->section->id;
    apr_pool_destroy(scratch);
    return rv;
}

static void show_plan(const repository_t *repository)
{
    const apr_array_header_t *packages = repository->plan->packages;
    int i;

    for (i = 0; i < packages->nelts; i++) {
        printf("%s %s %s\n", repository->work->place->release, repository->section->id,
               APR_ARRAY_IDX(packages, i, reposync_package_t).name);
    }
    repository->plan->tally->fresh = packages->nelts;
    repository->plan->tally->bytes = repository->plan->bytes;
}

/* --- All of it ----------------------------------------------------------------------------- */

static apr_status_t require_keys(const repository_t *repository)
{
    reposync_work_t *work = repository->work;

    return !repository->section->gpgcheck || work->keys != NULL || work->sync->is_dry_run
        ? APR_SUCCESS
        : reposync_keys_open(&work->keys, work->sync, work->place, repository->err, work->pool);
}

apr_status_t reposync_repository_mirror(reposync_tally_t *tally, reposync_work_t *work,
                                        const retrace_repo_section_t *section, retrace_error_t *err,
                                        apr_pool_t *p)
{
    reposync_plan_t plan = { .sync = work->sync,
                             .place = work->place,
                             .repository = section->id,
                             .named = work->named,
                             .packages = apr_array_make(p, 64, sizeof(reposync_package_t)),
                             .tally = tally,
                             .pool = p };
    repository_t repository = {
        .work = work, .section = section, .plan = &plan, .err = err, .pool = p
    };
    apr_status_t rv = require_keys(&repository);

    if (rv == APR_SUCCESS) {
        rv = reposync_source_open(&repository.source, work->sync, work->place, section, err, p);
    }
    if (rv == APR_SUCCESS) {
        tally->is_unchecked = repository.source->is_unchecked;
        rv = make_plan(&repository);
    }
    if (rv == APR_SUCCESS && work->sync->is_dry_run) {
        show_plan(&repository);
        return rv;
    }
    if (rv == APR_SUCCESS) {
        rv = check_room(&repository, plan.bytes, err);
    }
    return rv == APR_SUCCESS ? take_packages(&repository) : rv;
}
