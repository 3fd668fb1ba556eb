/* SPDX-License-Identifier: Apache-2.0 */
/* See repo.h. */
#include "worker/resolve/repo.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/repo_publish.h"
#include "worker/resolve/repo_metadata.h"
#include "worker/resolve/repo_private.h"

#define INDEX_DIR "index"
#define BATCH     1000 /* packages between two commits */

/* --- Which releases ------------------------------------------------------------------------ */

/* The architecture in a name of a release's directory, if that is of this release; else NULL. */
static const char *arch_of(const char *name, const char *release)
{
    size_t length = strlen(release);

    return strncmp(name, release, length) == 0 && name[length] == '-'
            && strchr(name + length + 1, '-') == NULL
        ? name + length + 1
        : NULL;
}

apr_array_header_t *worker_repo_select(const apr_array_header_t *names, const char *release,
                                       const char *arch, apr_pool_t *p)
{
    apr_array_header_t *first = apr_array_make(p, 4, sizeof(const char *));
    apr_array_header_t *rest = apr_array_make(p, 4, sizeof(const char *));
    int i;

    for (i = 0; release != NULL && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *its = arch_of(name, release);

        if (its != NULL) {
            APR_ARRAY_PUSH(arch != NULL && strcmp(its, arch) == 0 ? first : rest, const char *) =
                name;
        }
    }
    apr_array_cat(first, rest);
    return first->nelts > 0 ? first : apr_array_copy(p, names);
}

/* --- Its index ----------------------------------------------------------------------------- */

static const char *trust_line(const worker_repo_t *repo, apr_pool_t *p)
{
    return apr_pstrcat(p, worker_rpm_trust(repo->rpm, p), "\n", NULL);
}

/* Made before the metadata are read: what changes meanwhile is seen the next time. */
static const char *begin_stamp(const worker_repo_t *repo, apr_pool_t *p)
{
    return apr_pstrcat(p, trust_line(repo, p), worker_repo_time(repo, "repodata", p),
                       worker_repo_time(repo, "repodata/repomd.xml", p), NULL);
}

static const char *end_stamp(const char *begin, const worker_repo_t *repo,
                             const apr_array_header_t *directories, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(parts, const char *) = begin;
    for (i = 0; i < directories->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            worker_repo_time(repo, APR_ARRAY_IDX(directories, i, const char *), p);
    }
    return apr_array_pstrcat(p, parts, '\0');
}

static apr_status_t read_package(const worker_repo_t *repo, const char *file,
                                 const worker_index_entry_t *known, retrace_error_t *err,
                                 apr_pool_t *scratch)
{
    worker_package_t *package = NULL;
    worker_index_entry_t entry = { .file = file };
    retrace_error_t why;
    apr_status_t rv;
    int fd = -1;

    rv = worker_repo_open_package(&fd, &entry, repo, file, &why);
    if (rv == APR_SUCCESS && known != NULL && known->size == entry.size
        && known->mtime_us == entry.mtime_us) {
        (void)close(fd);
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = worker_rpm_read(&package, repo->rpm, apr_psprintf(scratch, "/proc/self/fd/%d", fd),
                             &why, scratch);
        (void)close(fd);
    }
    if (rv != APR_SUCCESS) {
        entry.refusal = why.text;
    }
    return worker_index_put(repo->index, &entry, package, err);
}

static apr_status_t remove_gone(const worker_repo_t *repo, apr_hash_t *entries,
                                retrace_error_t *err)
{
    apr_hash_index_t *at;
    apr_status_t rv = APR_SUCCESS;

    for (at = apr_hash_first(NULL, entries); at != NULL && rv == APR_SUCCESS;
         at = apr_hash_next(at)) {
        rv = worker_index_remove(repo->index, apr_hash_this_key(at), err);
    }
    return rv;
}

/* Whoever is killed on the way has not worked in vain. */
static apr_status_t commit_batch(const worker_repo_t *repo, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = worker_index_commit(repo->index, trust_line(repo, p), err);

    return rv == APR_SUCCESS ? worker_index_begin(repo->index, err) : rv;
}

/* @param entries  what is known; in the end what is no longer there */
static apr_status_t fill(const worker_repo_t *repo, const apr_array_header_t *files,
                         apr_hash_t *entries, retrace_error_t *err, apr_pool_t *p)
{
    apr_pool_t *scratch = NULL;
    apr_status_t rv = apr_pool_create(&scratch, p);
    int i;

    for (i = 0; i < files->nelts && rv == APR_SUCCESS; i++) {
        const char *file = APR_ARRAY_IDX(files, i, const char *);
        const worker_index_entry_t *known = apr_hash_get(entries, file, APR_HASH_KEY_STRING);

        rv = read_package(repo, file, known, err, scratch);
        apr_hash_set(entries, file, APR_HASH_KEY_STRING, NULL);
        if (rv == APR_SUCCESS && i % BATCH == BATCH - 1) {
            rv = commit_batch(repo, err, scratch);
        }
        apr_pool_clear(scratch);
    }
    return rv == APR_SUCCESS ? remove_gone(repo, entries, err) : rv;
}

/* With other keys than before every package is looked at again. */
static apr_status_t drop_old_trust(const worker_repo_t *repo, const char *stamp,
                                   retrace_error_t *err, apr_pool_t *p)
{
    const char *trust = trust_line(repo, p);

    return strncmp(stamp, trust, strlen(trust)) == 0 ? APR_SUCCESS
                                                     : worker_index_clear(repo->index, err);
}

/* @param pstamp  for the commit */
static apr_status_t update(const char **pstamp, const worker_repo_t *repo, const char *old_stamp,
                           retrace_error_t *err, apr_pool_t *p)
{
    const char *begin = begin_stamp(repo, p);
    apr_array_header_t *directories = NULL;
    apr_hash_t *entries = NULL;
    apr_status_t rv = worker_repo_read_metadata(repo, err, p);

    if (rv == APR_SUCCESS) {
        rv = worker_repo_directories(&directories, repo, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = drop_old_trust(repo, old_stamp, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = worker_index_list(&entries, repo->index, err, p);
    }
    if (rv == APR_SUCCESS) {
        *pstamp = end_stamp(begin, repo, directories, p);
        rv = fill(repo, worker_repo_files(repo, directories, p), entries, err, p);
    }
    return rv;
}

static apr_status_t is_up_to_date(bool *pis, const char **pold, const worker_repo_t *repo,
                                  retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *directories = NULL;
    apr_status_t rv = worker_index_stamp(pold, repo->index, err, p);

    if (rv == APR_SUCCESS) {
        rv = worker_repo_directories(&directories, repo, err, p);
    }
    if (rv == APR_SUCCESS) {
        *pis = strcmp(*pold, end_stamp(begin_stamp(repo, p), repo, directories, p)) == 0;
    }
    return rv;
}

static apr_status_t refresh(const worker_repo_t *repo, bool force, retrace_error_t *err,
                            apr_pool_t *p)
{
    const char *stamp = "";
    const char *old = "";
    bool is_good = false;
    apr_status_t rv = is_up_to_date(&is_good, &old, repo, err, p);

    if (rv != APR_SUCCESS || (!force && is_good)) {
        return rv;
    }
    rv = worker_index_begin(repo->index, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = update(&stamp, repo, old, err, p);
    if (rv == APR_SUCCESS) {
        rv = worker_index_commit(repo->index, stamp, err);
    }
    if (rv != APR_SUCCESS) {
        worker_index_rollback(repo->index);
    }
    return rv;
}

static apr_status_t lock_index(int *plock, const worker_repo_t *repo, retrace_error_t *err,
                               apr_pool_t *p)
{
    retrace_error_t why;
    apr_status_t rv = retrace_fs_lock_within(
        plock, repo->locks, apr_pstrcat(p, repo->name, ".lock", NULL), repo->wait_ms, &why);

    return rv == APR_EBUSY
        ? retrace_fail(err, rv, "another process has been at its index for more than %ld s",
                       (long)(repo->wait_ms / 1000))
        : rv == APR_SUCCESS ? rv
                            : retrace_fail(err, rv, "%s", why.text);
}

/* Only the first pages are read when it is opened. What a refresh does not read is found damaged by the
 * one who does: worker_repo_mend(). */
static apr_status_t refresh_or_rebuild(const worker_repo_t *repo, bool force, retrace_error_t *err,
                                       apr_pool_t *p)
{
    apr_status_t rv = refresh(repo, force, err, p);

    if (rv == WORKER_INDEX_DAMAGED) {
        rv = worker_index_rebuild(repo->index, err);
        if (rv == APR_SUCCESS) {
            rv = refresh(repo, force, err, p);
        }
    }
    return rv;
}

apr_status_t worker_repo_refresh(const worker_repo_t *repo, retrace_error_t *err,
                                 apr_pool_t *scratch)
{
    int lock = -1;
    apr_status_t rv = lock_index(&lock, repo, err, scratch);

    if (rv == APR_SUCCESS) {
        rv = refresh(repo, true, err, scratch);
        (void)close(lock);
    }
    return rv;
}

apr_status_t worker_repo_mend(const worker_repo_t *repo, retrace_error_t *err, apr_pool_t *scratch)
{
    int lock = -1;
    apr_status_t rv = lock_index(&lock, repo, err, scratch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = worker_index_rebuild(repo->index, err);
    if (rv == APR_SUCCESS) {
        rv = refresh(repo, false, err, scratch);
    }
    (void)close(lock);
    return rv;
}

static apr_status_t add_package(const worker_repo_t *repo, const char *file, const char *stamp,
                                retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = worker_index_begin(repo->index, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = read_package(repo, file, NULL, err, p);
    if (rv == APR_SUCCESS) {
        rv = worker_index_commit(repo->index, stamp, err);
    }
    if (rv != APR_SUCCESS) {
        worker_index_rollback(repo->index);
    }
    return rv;
}

/* The stamp stays what it was: the next one who opens the repository sees that a directory has
 * changed. */
apr_status_t worker_repo_add_package(const worker_repo_t *repo, const char *file,
                                     retrace_error_t *err, apr_pool_t *scratch)
{
    const char *stamp = "";
    int lock = -1;
    apr_status_t rv = lock_index(&lock, repo, err, scratch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = worker_index_stamp(&stamp, repo->index, err, scratch);
    if (rv == APR_SUCCESS) {
        rv = add_package(repo, file, stamp, err, scratch);
    }
    (void)close(lock);
    return rv;
}

/* --- Opening ------------------------------------------------------------------------------- */

static apr_status_t close_descriptors(void *data)
{
    worker_repo_t *repo = data;

    if (repo->fd >= 0) {
        (void)close(repo->fd);
    }
    if (repo->locks >= 0) {
        (void)close(repo->locks);
    }
    return APR_SUCCESS;
}

static apr_status_t open_directories(worker_repo_t *repo, const retrace_config_t *config,
                                     retrace_error_t *err)
{
    int cache = -1;
    apr_status_t rv;

    repo->fd = open(repo->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (repo->fd < 0) {
        return retrace_fail(err, errno, "open %s", repo->directory);
    }
    rv = retrace_fs_open_dir(&cache, AT_FDCWD, config->cache_dir, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&repo->locks, cache, INDEX_DIR, 0750, err);
        (void)close(cache);
    }
    return rv;
}

static apr_status_t open_locked(worker_repo_t *repo, const char *path,
                                const retrace_config_t *config, bool force, retrace_error_t *err,
                                apr_pool_t *p)
{
    const retrace_package_state_t state = retrace_package_state(repo->fd, config->fetch_on_demand);
    apr_pool_t *scratch = NULL;
    apr_status_t rv = worker_index_open(&repo->index, path, err, p);

    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&scratch, p);
    }
    if (rv == APR_SUCCESS) {
        rv = refresh_or_rebuild(repo, force, err, scratch);
        if (rv == APR_SUCCESS) {
            (void)worker_repo_publish(repo, config, &state, &repo->list, scratch);
        }
        apr_pool_destroy(scratch);
    }
    return rv;
}

/* An index that was finished once is better than none. @return what err has, when there is none */
static apr_status_t use_as_it_is(worker_repo_t *repo, const char *path, retrace_error_t *err,
                                 apr_pool_t *p)
{
    const char *stamp = "";
    const retrace_error_t why = *err;
    apr_status_t rv =
        repo->index != NULL ? APR_SUCCESS : worker_index_open_as_it_is(&repo->index, path, NULL, p);

    if (rv == APR_SUCCESS) {
        rv = worker_index_stamp(&stamp, repo->index, NULL, p);
    }
    if (rv != APR_SUCCESS || stamp[0] == '\0') {
        *err = why;
        return why.status;
    }
    repo->stale = why;
    return APR_SUCCESS;
}

static apr_status_t open_index(worker_repo_t *repo, const retrace_config_t *config, bool force,
                               retrace_error_t *err, apr_pool_t *p)
{
    const char *path =
        apr_pstrcat(p, config->cache_dir, "/" INDEX_DIR "/", repo->name, ".db", NULL);
    int lock = -1;
    apr_status_t rv = lock_index(&lock, repo, err, p);

    if (rv == APR_SUCCESS) {
        rv = open_locked(repo, path, config, force, err, p);
        (void)close(lock);
    }
    return rv == APR_SUCCESS ? rv : use_as_it_is(repo, path, err, p);
}

apr_status_t worker_repo_open(worker_repo_t **prepo, const retrace_config_t *config,
                              const char *name, bool force, retrace_error_t *err, apr_pool_t *p)
{
    worker_repo_t *repo = apr_pcalloc(p, sizeof(*repo));
    apr_status_t rv;

    repo->name = apr_pstrdup(p, name);
    repo->directory = apr_pstrcat(p, config->repo_dir, "/", name, NULL);
    repo->fd = -1;
    repo->locks = -1;
    repo->wait_ms = WORKER_REPO_WAIT_MS;
    apr_pool_cleanup_register(p, repo, close_descriptors, apr_pool_cleanup_null);
    rv = open_directories(repo, config, err);
    if (rv == APR_SUCCESS) {
        rv = worker_rpm_open(&repo->rpm, config, name, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = open_index(repo, config, force, err, p);
    }
    if (rv == APR_SUCCESS) {
        *prepo = repo;
    }
    return rv;
}
