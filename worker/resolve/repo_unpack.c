/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_unpack.h. */
#include "worker/resolve/repo_unpack.h"

#include <apr_strings.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/extract.h"

#define LOCKS       16  /* packages are spread over so many locks */
#define ITEMS       256 /* files of one pass: each one is open */
#define SETTLE_STEP apr_time_from_msec(5)
#define SETTLE_MAX  20 /* steps: a tick of the file system's clock is 10 ms at most */

/* One package, while files are taken out of it. */
typedef struct job_t {
    const worker_repo_unpack_t *from;
    const worker_candidate_t *candidate;
    const retrace_config_t *config;
    worker_search_t *search;
    const char *package; /* fedora-36-x86_64/Packages/b/bash.rpm */
    const char *path;    /* of the open file */
    int fd;
    struct stat before; /* its state before it was verified */
    apr_pool_t *pool;
} job_t;

typedef struct wanted_t {
    const char *path; /* in the package */
    worker_want_t want;
} wanted_t;

static bool is_cached(const retrace_config_t *config, const worker_want_t *want, apr_pool_t *p)
{
    worker_found_t *found = NULL;

    return worker_source_cache.find(&found, config, want, NULL, p) == APR_SUCCESS;
}

/* --- A package that stays what it is --------------------------------------------------------- */

/* Who writes in RepoDir may do so between the verification and the unpacking: both read what the page
 * cache has. The time of the last change tells, but only once the clock has gone beyond it, and once
 * pages that are mapped for writing are clean. */
static apr_status_t settle(job_t *job, retrace_error_t *err)
{
    struct timespec now;
    int i;

    (void)fdatasync(job->fd);
    for (i = 0; i < SETTLE_MAX; i++) {
        if (fstat(job->fd, &job->before) != 0 || clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) {
            return retrace_fail(err, APR_EGENERAL, "its state cannot be read");
        }
        if (now.tv_sec != job->before.st_ctim.tv_sec || now.tv_nsec > job->before.st_ctim.tv_nsec) {
            return APR_SUCCESS;
        }
        apr_sleep(SETTLE_STEP);
    }
    return retrace_fail(err, APR_EINVAL, "it is being changed");
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static apr_status_t require_unchanged(const job_t *job, retrace_error_t *err)
{
    struct stat info;

    if (fstat(job->fd, &info) == 0 && info.st_size == job->before.st_size
        && is_same_time(info.st_mtim, job->before.st_mtim)
        && is_same_time(info.st_ctim, job->before.st_ctim)) {
        return APR_SUCCESS;
    }
    return retrace_fail(err, APR_EINVAL, "it was changed while it was unpacked");
}

/* --- What is wanted of it -------------------------------------------------------------------- */

/* @return false for what an earlier pass was asked for: it was not there, or was another file */
static bool note_asked(const job_t *job, const char *path, const worker_want_t *want)
{
    apr_hash_t *asked = job->from->asked;
    const char *key =
        apr_pstrcat(job->pool, job->candidate->file, "\n", worker_file_kind_name(want->kind), " ",
                    want->build_id, " ", path, NULL);

    if (apr_hash_get(asked, key, APR_HASH_KEY_STRING) != NULL) {
        return false;
    }
    apr_hash_set(asked, key, APR_HASH_KEY_STRING, "");
    return true;
}

static void add_wanted(apr_array_header_t *wanted, const job_t *job, const char *path,
                       const worker_want_t *want)
{
    if (!is_cached(job->config, want, job->pool) && note_asked(job, path, want)) {
        APR_ARRAY_PUSH(wanted, wanted_t) = (wanted_t){ path, *want };
    }
}

/* What the question is about, and what else the core wants of the same package. */
static apr_array_header_t *list_wanted(const job_t *job, const worker_want_t *want)
{
    apr_array_header_t *wanted = apr_array_make(job->pool, 8, sizeof(wanted_t));
    const apr_array_header_t *all = job->from->matches->all;
    int i;

    add_wanted(wanted, job, job->candidate->path, want);
    for (i = 0; wanted->nelts > 0 && i < all->nelts; i++) {
        const worker_match_t *match = &APR_ARRAY_IDX(all, i, worker_match_t);
        const worker_want_t other = { .kind = match->kind,
                                      .build_id = match->build_id,
                                      .search = want->search };

        if (strcmp(match->candidate.file, job->candidate->file) == 0
            && (match->kind != want->kind || strcmp(match->build_id, want->build_id) != 0)) {
            add_wanted(wanted, job, match->candidate.path, &other);
        }
    }
    return wanted;
}

/* --- One pass -------------------------------------------------------------------------------- */

static apr_status_t open_items(apr_array_header_t *items, const job_t *job, const wanted_t *wanted,
                               int count, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < count && rv == APR_SUCCESS; i++) {
        worker_extract_item_t item = { .path = wanted[i].path, .fd = -1 };

        rv = worker_cache_temporary(&item.fd, job->config, err, job->pool);
        if (rv == APR_SUCCESS) {
            APR_ARRAY_PUSH(items, worker_extract_item_t) = item;
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

static bool keep_item(const job_t *job, const worker_extract_item_t *item,
                      const worker_want_t *want)
{
    apr_pool_t *p = job->pool;
    worker_found_t *found = NULL;
    retrace_error_t err;

    if (worker_cache_insert(&found, job->config, want,
                            apr_psprintf(p, "/proc/self/fd/%d", item->fd), &err, p)
        != APR_SUCCESS) {
        worker_search_tell(job->search, 'W',
                           describe_refusal(item->path, want, job->package, &err, p));
        return false;
    }
    apr_hash_set(job->search->fetched, found->path, APR_HASH_KEY_STRING, worker_source_repo.name);
    return true;
}

/* Each file is what its build-id says, or it does not get into the cache.
 * @param is_whole  the package was read as far as anything was wanted of it */
static int keep_items(const job_t *job, const apr_array_header_t *items, const wanted_t *wanted,
                      bool is_whole)
{
    int kept = 0;
    int i;

    for (i = 0; i < items->nelts; i++) {
        const worker_extract_item_t *item = &APR_ARRAY_IDX(items, i, worker_extract_item_t);

        if (item->is_done) {
            kept += keep_item(job, item, &wanted[i].want);
        }
        else if (is_whole) {
            worker_search_tell(
                job->search, 'W',
                apr_psprintf(job->pool, "Package %s has no %s", job->package, item->path));
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
static apr_status_t check_items(const job_t *job, const apr_array_header_t *items,
                                retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < items->nelts && rv == APR_SUCCESS; i++) {
        const worker_extract_item_t *item = &APR_ARRAY_IDX(items, i, worker_extract_item_t);

        if (item->is_done) {
            rv = worker_rpm_check_file(job->from->repo->rpm, job->path, item->path, item->fd, err);
        }
    }
    return rv;
}

/* Is what came out what was verified? */
static apr_status_t require_genuine(const job_t *job, const apr_array_header_t *items,
                                    retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;

    if (worker_rpm_is_stripped(job->candidate->file)) {
        rv = check_items(job, items, err);
    }
    return rv == APR_SUCCESS ? require_unchanged(job, err) : rv;
}

/* Of a package that cannot be read to its end, what was read before is good. */
static apr_status_t take_pass(int *pkept, const job_t *job, const wanted_t *wanted, int count,
                              retrace_error_t *err)
{
    apr_array_header_t *items = apr_array_make(job->pool, count, sizeof(worker_extract_item_t));
    worker_extract_limits_t limits = worker_extract_usual;
    int64_t room_bytes = worker_cache_room(job->config);
    apr_status_t rv = open_items(items, job, wanted, count, err);
    apr_status_t genuine;
    retrace_error_t why;

    if (room_bytes < limits.file_bytes) {
        limits.file_bytes = room_bytes;
    }
    if (rv == APR_SUCCESS) {
        rv = worker_extract(items, job->fd, &limits, err);
        genuine = require_genuine(job, items, &why);
        if (genuine == APR_SUCCESS) {
            *pkept += keep_items(job, items, wanted, rv == APR_SUCCESS);
        }
        else {
            rv = retrace_fail(err, genuine, "%s", why.text);
        }
    }
    close_items(items);
    return rv;
}

static apr_status_t unpack(const job_t *job, const apr_array_header_t *wanted, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int kept = 0;
    int i;

    for (i = 0; i < wanted->nelts && rv == APR_SUCCESS; i += ITEMS) {
        int left = wanted->nelts - i;

        rv = take_pass(&kept, job, &APR_ARRAY_IDX(wanted, i, wanted_t), left < ITEMS ? left : ITEMS,
                       err);
    }
    worker_search_tell(job->search, 'I',
                       apr_psprintf(job->pool, "%d files out of package %s", kept, job->package));
    return rv;
}

/* --- The package ----------------------------------------------------------------------------- */

static apr_status_t verify(job_t *job, retrace_error_t *err)
{
    apr_status_t rv = settle(job, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    return (worker_rpm_is_stripped(job->candidate->file)
                ? worker_rpm_verify_header
                : worker_rpm_verify)(job->from->repo->rpm, job->path, err, job->pool);
}

static apr_status_t open_indexed(job_t *job, retrace_error_t *err)
{
    const worker_candidate_t *candidate = job->candidate;
    worker_index_entry_t entry;
    apr_status_t rv =
        worker_repo_open_package(&job->fd, &entry, job->from->repo, candidate->file, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->path = apr_psprintf(job->pool, "/proc/self/fd/%d", job->fd);
    if (entry.size == candidate->size && entry.mtime_us == candidate->mtime_us) {
        return APR_SUCCESS;
    }
    (void)close(job->fd);
    return retrace_fail(err, WORKER_REPO_CHANGED, "it has changed since it was indexed");
}

static apr_status_t take_locked(job_t *job, const worker_want_t *want, retrace_error_t *err)
{
    const apr_array_header_t *wanted;
    apr_status_t rv;

    if (is_cached(job->config, want, job->pool)) {
        return APR_SUCCESS; /* by another task, while this one waited for the lock */
    }
    rv = open_indexed(job, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    wanted = list_wanted(job, want);
    if (wanted->nelts > 0) {
        rv = verify(job, err);
    }
    if (wanted->nelts > 0 && rv == APR_SUCCESS) {
        rv = unpack(job, wanted, err);
    }
    (void)close(job->fd);
    return rv;
}

/* One task unpacks a package, and others that want of it wait. */
apr_status_t worker_repo_unpack(const worker_repo_unpack_t *from,
                                const worker_candidate_t *candidate, const worker_want_t *want,
                                const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    apr_ssize_t length = APR_HASH_KEY_STRING;
    unsigned int hash = apr_hashfunc_default(candidate->file, &length);
    job_t job = { .from = from,
                  .candidate = candidate,
                  .config = config,
                  .search = want->search,
                  .package = apr_pstrcat(p, from->repo->name, "/", candidate->file, NULL),
                  .fd = -1,
                  .pool = p };
    int lock = -1;
    apr_status_t rv = retrace_fs_lock_within(&lock, from->repo->locks,
                                             apr_psprintf(p, "unpack-%u.lock", hash % LOCKS),
                                             from->repo->wait_ms, err);

    if (rv == APR_SUCCESS) {
        rv = take_locked(&job, want, err);
        (void)close(lock);
    }
    return rv;
}
