/* SPDX-License-Identifier: Apache-2.0 */
/* Packages below RepoDir. The index says which package has a file; that package is verified, then
 * all files of it that the core wants are taken out in one pass, into the cache. */
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/release.h"
#include "worker/path.h"
#include "worker/resolve/extract.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/source.h"

#define NAME          "repo"
#define LOCKS         16 /* packages are spread over so many locks */
#define REFUSALS_TOLD 10 /* lines about one release */

/* A file that the core wants and a package has. */
typedef struct match_t {
    const char *package;
    const char *path;
    worker_want_t want; /* kind and build-id; of the same search */
} match_t;

typedef struct opened_t {
    worker_repo_t *repo;
    apr_array_header_t *matches; /* of match_t */
    apr_hash_t *covers;          /* package → int *: how many of them it has */
    apr_hash_t *refused;         /* package → why it is not used, found out just now */
} opened_t;

typedef struct worker_repositories_t {
    apr_array_header_t *opened; /* of opened_t * */
} worker_repositories_t;

/* --- Opening ------------------------------------------------------------------------------- */

static void add_matches(opened_t *opened, worker_search_t *search, worker_file_kind_t kind,
                        const char *build_id, apr_pool_t *p)
{
    apr_array_header_t *candidates = apr_array_make(p, 2, sizeof(worker_candidate_t));
    int i;

    (void)worker_index_find(candidates, opened->repo->index, kind, build_id, NULL, p);
    for (i = 0; i < candidates->nelts; i++) {
        const worker_candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, worker_candidate_t);
        match_t *match = apr_array_push(opened->matches);
        int *count = apr_hash_get(opened->covers, candidate->file, APR_HASH_KEY_STRING);

        *match = (match_t){ candidate->file,
                            candidate->path,
                            { .kind = kind, .build_id = build_id, .search = search } };
        if (count == NULL) {
            count = apr_pcalloc(p, sizeof(*count));
            apr_hash_set(opened->covers, candidate->file, APR_HASH_KEY_STRING, count);
        }
        (*count)++;
    }
}

static void match_core(opened_t *opened, worker_search_t *search, apr_pool_t *p)
{
    const worker_core_t *core = search->core;
    int i;

    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            add_matches(opened, search, WORKER_FILE_EXECUTABLE, module->build_id, p);
            add_matches(opened, search, WORKER_FILE_DEBUGINFO, module->build_id, p);
        }
    }
}

static void tell_refusals(const worker_search_t *search, const worker_repo_t *repo, apr_pool_t *p)
{
    apr_array_header_t *refused = NULL;
    int i;

    if (worker_index_refused(&refused, repo->index, REFUSALS_TOLD + 1, NULL, p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < refused->nelts && i < REFUSALS_TOLD; i++) {
        const worker_index_entry_t *entry = &APR_ARRAY_IDX(refused, i, worker_index_entry_t);

        worker_search_tell(search, 'W',
                           apr_psprintf(p, "Package %s/%s is not used: %s", repo->name, entry->file,
                                        entry->refusal));
    }
    if (refused->nelts > REFUSALS_TOLD) {
        worker_search_tell(
            search, 'W',
            apr_psprintf(p, "More packages of %s are not used: see retrace-server-index(8)",
                         repo->name));
    }
}

static void tell_complaint(const worker_search_t *search, const worker_repo_t *repo, apr_pool_t *p)
{
    const char *metadata = "";
    const char *complaint = "";

    if (worker_index_metadata(&metadata, &complaint, repo->index, NULL, p) == APR_SUCCESS
        && complaint[0] != '\0') {
        worker_search_tell(search, 'W',
                           apr_psprintf(p, "The metadata of %s: %s", repo->name, complaint));
    }
}

static void open_one(worker_repositories_t *repositories, const retrace_config_t *config,
                     worker_search_t *search, const char *name, apr_pool_t *p)
{
    opened_t *opened = apr_palloc(p, sizeof(*opened));
    retrace_error_t err;

    opened->matches = apr_array_make(p, 16, sizeof(match_t));
    opened->covers = apr_hash_make(p);
    opened->refused = apr_hash_make(p);
    if (worker_repo_open(&opened->repo, config, name, false, &err, p) != APR_SUCCESS) {
        worker_search_tell(search, 'W',
                           apr_psprintf(p, "The packages of %s are not used: %s", name, err.text));
        return;
    }
    tell_complaint(search, opened->repo, p);
    tell_refusals(search, opened->repo, p);
    match_core(opened, search, p);
    APR_ARRAY_PUSH(repositories->opened, opened_t *) = opened;
}

static const worker_repositories_t *open_all(const retrace_config_t *config,
                                             worker_search_t *search, apr_pool_t *p)
{
    worker_repositories_t *repositories = search->repositories;
    const apr_array_header_t *names;
    int i;

    if (repositories != NULL) {
        return repositories;
    }
    repositories = apr_palloc(p, sizeof(*repositories));
    repositories->opened = apr_array_make(p, 4, sizeof(opened_t *));
    names = worker_repo_select(retrace_release_names(config->repo_dir, p), search->errand->release,
                               search->core->arch, p);
    for (i = 0; i < names->nelts; i++) {
        open_one(repositories, config, search, APR_ARRAY_IDX(names, i, const char *), p);
    }
    search->repositories = repositories;
    return repositories;
}

/* --- Taking files out of a package ---------------------------------------------------------- */

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
                               const opened_t *opened, const worker_candidate_t *candidate,
                               const worker_want_t *want, const retrace_config_t *config,
                               retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = add_item(items, wants, candidate->path, want, config, err, p);
    int i;

    for (i = 0; i < opened->matches->nelts && rv == APR_SUCCESS; i++) {
        const match_t *match = &APR_ARRAY_IDX(opened->matches, i, match_t);

        if (strcmp(match->package, candidate->file) == 0
            && (match->want.kind != want->kind
                || strcmp(match->want.build_id, want->build_id) != 0)) {
            rv = add_item(items, wants, match->path, &match->want, config, err, p);
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
            apr_hash_set(search->fetched, found->path, APR_HASH_KEY_STRING, NAME);
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
static apr_status_t check_items(const apr_array_header_t *items, const opened_t *opened,
                                const char *path, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < items->nelts && rv == APR_SUCCESS; i++) {
        const worker_extract_item_t *item = &APR_ARRAY_IDX(items, i, worker_extract_item_t);

        if (item->is_done) {
            rv = worker_rpm_check_file(opened->repo->rpm, path, item->path, item->fd, err);
        }
    }
    return rv;
}

static apr_status_t unpack(const opened_t *opened, const worker_candidate_t *candidate, int fd,
                           const worker_want_t *want, const retrace_config_t *config,
                           retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 8, sizeof(worker_extract_item_t));
    apr_array_header_t *wants = apr_array_make(p, 8, sizeof(worker_want_t));
    const char *package = apr_pstrcat(p, opened->repo->name, "/", candidate->file, NULL);
    worker_extract_limits_t limits = worker_extract_usual;
    int64_t room_bytes = worker_cache_room(config);
    apr_status_t rv = list_items(items, wants, opened, candidate, want, config, err, p);

    if (room_bytes < limits.file_bytes) {
        limits.file_bytes = room_bytes;
    }
    if (rv == APR_SUCCESS) {
        rv = worker_extract(items, fd, &limits, err);
    }
    if (rv == APR_SUCCESS && worker_rpm_is_stripped(candidate->file)) {
        rv = check_items(items, opened, apr_psprintf(p, "/proc/self/fd/%d", fd), err);
    }
    if (rv == APR_SUCCESS) {
        int kept = keep_items(items, wants, config, want->search, package, p);

        worker_search_tell(want->search, 'I',
                           apr_psprintf(p, "%d files out of package %s", kept, package));
    }
    close_items(items);
    return rv;
}

static apr_status_t open_verified(int *pfd, const opened_t *opened,
                                  const worker_candidate_t *candidate, retrace_error_t *err,
                                  apr_pool_t *p)
{
    worker_index_entry_t entry;
    int fd = -1;
    apr_status_t rv = worker_repo_open_package(&fd, &entry, opened->repo, candidate->file, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (entry.size != candidate->size || entry.mtime_us != candidate->mtime_us) {
        rv = retrace_fail(err, APR_EINVAL, "it has changed since it was indexed");
    }
    else {
        rv = (worker_rpm_is_stripped(candidate->file) ? worker_rpm_verify_header
                                                      : worker_rpm_verify)(
            opened->repo->rpm, apr_psprintf(p, "/proc/self/fd/%d", fd), err, p);
    }
    if (rv == APR_SUCCESS) {
        *pfd = fd;
    }
    else {
        (void)close(fd);
    }
    return rv;
}

static apr_status_t take_locked(const opened_t *opened, const worker_candidate_t *candidate,
                                const worker_want_t *want, const retrace_config_t *config,
                                retrace_error_t *err, apr_pool_t *p)
{
    worker_found_t *found = NULL;
    int fd = -1;
    apr_status_t rv;

    if (is_cached(&found, config, want, p)) {
        return APR_SUCCESS; /* by another task, while this one waited for the lock */
    }
    rv = open_verified(&fd, opened, candidate, err, p);
    if (rv == APR_SUCCESS) {
        rv = unpack(opened, candidate, fd, want, config, err, p);
        (void)close(fd);
    }
    return rv;
}

/* One task unpacks a package, and others that want of it wait. */
static apr_status_t take(const opened_t *opened, const worker_candidate_t *candidate,
                         const worker_want_t *want, const retrace_config_t *config,
                         retrace_error_t *err, apr_pool_t *p)
{
    apr_ssize_t length = APR_HASH_KEY_STRING;
    unsigned int hash = apr_hashfunc_default(candidate->file, &length);
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, opened->repo->locks,
                                      apr_psprintf(p, "unpack-%u.lock", hash % LOCKS), true, err);

    if (rv == APR_SUCCESS) {
        rv = take_locked(opened, candidate, want, config, err, p);
        (void)close(lock);
    }
    return rv;
}

/* --- The question --------------------------------------------------------------------------- */

static apr_array_header_t *candidates_of(const opened_t *opened, const worker_want_t *want,
                                         apr_pool_t *p)
{
    apr_array_header_t *candidates = apr_array_make(p, 4, sizeof(worker_candidate_t));
    int i;

    (void)worker_index_find(candidates, opened->repo->index, want->kind, want->build_id, NULL, p);
    if (want->kind == WORKER_FILE_DWZ && want->altlink != NULL) {
        (void)worker_index_find(candidates, opened->repo->index, want->kind,
                                worker_path_name(want->altlink), NULL, p);
    }
    for (i = 0; i < candidates->nelts; i++) {
        worker_candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, worker_candidate_t);
        const int *covers = apr_hash_get(opened->covers, candidate->file, APR_HASH_KEY_STRING);

        candidate->rank = covers != NULL ? -*covers : 0;
    }
    worker_candidates_sort(candidates);
    return candidates;
}

/* A package that cannot be used is told once, whatever else is wanted of it. */
static apr_status_t try_package(worker_found_t **pfound, const opened_t *opened,
                                const worker_candidate_t *candidate, const worker_want_t *want,
                                const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    const char *refusal = apr_hash_get(opened->refused, candidate->file, APR_HASH_KEY_STRING);
    const char *package = apr_pstrcat(p, opened->repo->name, "/", candidate->file, NULL);
    retrace_error_t why;

    if (refusal == NULL && take(opened, candidate, want, config, &why, p) != APR_SUCCESS) {
        refusal = apr_pstrdup(p, why.text);
        apr_hash_set(opened->refused, candidate->file, APR_HASH_KEY_STRING, refusal);
        worker_search_tell(want->search, 'W',
                           apr_psprintf(p, "Package %s is not used: %s", package, refusal));
    }
    if (refusal != NULL) {
        return retrace_fail(err, APR_EGENERAL, "package %s is not used", package);
    }
    if (!is_cached(pfound, config, want, p)) {
        return retrace_fail(err, APR_EGENERAL, "package %s does not have it", package);
    }
    (*pfound)->source = NAME;
    (*pfound)->origin = candidate->path;
    return APR_SUCCESS;
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    const worker_repositories_t *repositories;
    apr_status_t rv = APR_NOTFOUND;
    int i;
    int j;

    if (want->search == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "no core wants it");
    }
    repositories = open_all(config, want->search, p);
    if (repositories->opened->nelts > 0) {
        (void)retrace_fail(err, APR_NOTFOUND, "no package has it");
    }
    for (i = 0; i < repositories->opened->nelts && rv != APR_SUCCESS; i++) {
        const opened_t *opened = APR_ARRAY_IDX(repositories->opened, i, opened_t *);
        const apr_array_header_t *candidates = candidates_of(opened, want, p);

        for (j = 0; j < candidates->nelts && rv != APR_SUCCESS; j++) {
            rv = try_package(pfound, opened, &APR_ARRAY_IDX(candidates, j, worker_candidate_t),
                             want, config, err, p);
        }
    }
    return rv;
}

const worker_source_t worker_source_repo = { NAME, find };
