/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_unpack.h. */
#include "worker/resolve/repo_unpack.h"

#include <apr_strings.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/extract.h"

#define LOCKS 16 /* packages are spread over so many locks */

static bool is_cached(worker_found_t **pfound, const retrace_config_t *config,
                      const worker_want_t *want, apr_pool_t *p)
{
    return worker_source_cache.find(pfound, config, want, NULL, p) == APR_SUCCESS;
}

/* What else the core wants of the same package. @param items  of worker_extract_item_t; wants  of
 * worker_want_t, beside it */
static apr_status_t add_item(apr_array_header_t *items, apr_array_header_t *wants, const char *path,
                             const worker_want_t *want, const retrace_config_t *config,
                             retrace_error_t *err, apr_pool_t *p)
{
    worker_found_t *found = NULL;
    int fd = -1;
    apr_status_t rv;

    if (is_cached(&found, config, want, p)) {
        return APR_SUCCESS;
    }
    rv = worker_cache_temporary(&fd, config, err, p);
    if (rv == APR_SUCCESS) {
        APR_ARRAY_PUSH(items, worker_extract_item_t) =
            (worker_extract_item_t){ .path = path, .fd = fd };
        APR_ARRAY_PUSH(wants, worker_want_t) = *want;
    }
    return rv;
}

static apr_status_t list_items(apr_array_header_t *items, apr_array_header_t *wants,
                               const worker_repo_unpack_t *from,
                               const worker_candidate_t *candidate, const worker_want_t *want,
                               const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = add_item(items, wants, candidate->path, want, config, err, p);
    int i;

    for (i = 0; i < from->matches->all->nelts && rv == APR_SUCCESS; i++) {
        const worker_match_t *match = &APR_ARRAY_IDX(from->matches->all, i, worker_match_t);

        const worker_want_t other = { .kind = match->kind,
                                      .build_id = match->build_id,
                                      .search = want->search };

        if (strcmp(match->candidate.file, candidate->file) == 0
            && (match->kind != want->kind || strcmp(match->build_id, want->build_id) != 0)) {
            rv = add_item(items, wants, match->candidate.path, &other, config, err, p);
        }
    }
    return rv;
}

static const char *describe_refusal(const char *path, const worker_want_t *want,
                                    const char *package, const retrace_error_t *err, apr_pool_t *p)
{
    if (err->status == APR_ENOSPC) {
        return apr_psprintf(p, "%s of package %s is not used: %s", path, package, err->text);
    }
    return apr_psprintf(p, "%s of package %s is not the %s with build-id %s: %s", path, package,
                        worker_file_kind_name(want->kind), want->build_id, err->text);
}

/* Each file is what its build-id says, or it does not get into the cache. */
static int keep_items(const apr_array_header_t *items, const apr_array_header_t *wants,
                      const retrace_config_t *config, worker_search_t *search, const char *package,
                      apr_pool_t *p)
{
    retrace_error_t err;
    int kept = 0;
    int i;

    for (i = 0; i < items->nelts; i++) {
        const worker_extract_item_t *item = &APR_ARRAY_IDX(items, i, worker_extract_item_t);
        const worker_want_t *want = &APR_ARRAY_IDX(wants, i, worker_want_t);
        worker_found_t *found = NULL;

        if (!item->is_done) {
            worker_search_tell(search, 'W',
                               apr_psprintf(p, "Package %s has no %s", package, item->path));
        }
        else if (worker_cache_insert(&found, config, want,
                                     apr_psprintf(p, "/proc/self/fd/%d", item->fd), &err, p)
                 != APR_SUCCESS) {
            worker_search_tell(search, 'W', describe_refusal(item->path, want, package, &err, p));
        }
        else {
            apr_hash_set(search->fetched, found->path, APR_HASH_KEY_STRING,
                         worker_source_repo.name);
            kept++;
        }
    }
    return kept;
}

static void close_items(const apr_array_header_t *items)
{
    int i;

    for (i = 0; i < items->nelts; i++) {
        (void)close(APR_ARRAY_IDX(items, i, worker_extract_item_t).fd);
    }
}

/* One that is not what the signed header says spoils the whole package. */
static apr_status_t check_items(const apr_array_header_t *items, const worker_repo_unpack_t *from,
                                const char *path, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < items->nelts && rv == APR_SUCCESS; i++) {
        const worker_extract_item_t *item = &APR_ARRAY_IDX(items, i, worker_extract_item_t);

        if (item->is_done) {
            rv = worker_rpm_check_file(from->repo->rpm, path, item->path, item->fd, err);
        }
    }
    return rv;
}

static apr_status_t unpack(const worker_repo_unpack_t *from, const worker_candidate_t *candidate,
                           int fd, const worker_want_t *want, const retrace_config_t *config,
                           retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 8, sizeof(worker_extract_item_t));
    apr_array_header_t *wants = apr_array_make(p, 8, sizeof(worker_want_t));
    const char *package = apr_pstrcat(p, from->repo->name, "/", candidate->file, NULL);
    worker_extract_limits_t limits = worker_extract_usual;
    int64_t room_bytes = worker_cache_room(config);
    apr_status_t rv = list_items(items, wants, from, candidate, want, config, err, p);

    if (room_bytes < limits.file_bytes) {
        limits.file_bytes = room_bytes;
    }
    if (rv == APR_SUCCESS) {
        rv = worker_extract(items, fd, &limits, err);
    }
    if (rv == APR_SUCCESS && worker_rpm_is_stripped(candidate->file)) {
        rv = check_items(items, from, apr_psprintf(p, "/proc/self/fd/%d", fd), err);
    }
    if (rv == APR_SUCCESS) {
        int kept = keep_items(items, wants, config, want->search, package, p);

        worker_search_tell(want->search, 'I',
                           apr_psprintf(p, "%d files out of package %s", kept, package));
    }
    close_items(items);
    return rv;
}

static apr_status_t open_verified(int *pfd, const worker_repo_unpack_t *from,
                                  const worker_candidate_t *candidate, retrace_error_t *err,
                                  apr_pool_t *p)
{
    worker_index_entry_t entry;
    int fd = -1;
    apr_status_t rv = worker_repo_open_package(&fd, &entry, from->repo, candidate->file, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (entry.size != candidate->size || entry.mtime_us != candidate->mtime_us) {
        rv = retrace_fail(err, APR_EINVAL, "it has changed since it was indexed");
    }
    else {
        rv = (worker_rpm_is_stripped(candidate->file) ? worker_rpm_verify_header
                                                      : worker_rpm_verify)(
            from->repo->rpm, apr_psprintf(p, "/proc/self/fd/%d", fd), err, p);
    }
    if (rv == APR_SUCCESS) {
        *pfd = fd;
    }
    else {
        (void)close(fd);
    }
    return rv;
}

static apr_status_t take_locked(const worker_repo_unpack_t *from,
                                const worker_candidate_t *candidate, const worker_want_t *want,
                                const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    worker_found_t *found = NULL;
    int fd = -1;
    apr_status_t rv;

    if (is_cached(&found, config, want, p)) {
        return APR_SUCCESS; /* by another task, while this one waited for the lock */
    }
    rv = open_verified(&fd, from, candidate, err, p);
    if (rv == APR_SUCCESS) {
        rv = unpack(from, candidate, fd, want, config, err, p);
        (void)close(fd);
    }
    return rv;
}

/* One task unpacks a package, and others that want of it wait. */
apr_status_t worker_repo_unpack(const worker_repo_unpack_t *from,
                                const worker_candidate_t *candidate, const worker_want_t *want,
                                const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    apr_ssize_t length = APR_HASH_KEY_STRING;
    unsigned int hash = apr_hashfunc_default(candidate->file, &length);
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, from->repo->locks,
                                      apr_psprintf(p, "unpack-%u.lock", hash % LOCKS), true, err);

    if (rv == APR_SUCCESS) {
        rv = take_locked(from, candidate, want, config, err, p);
        (void)close(lock);
    }
    return rv;
}
