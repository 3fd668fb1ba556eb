/* SPDX-License-Identifier: Apache-2.0 */
/* Which package of a release has the files of a build-id: one SQLite database for each release,
 * `CacheDir/index/<release>.db`. It can always be made again from the packages. */
#ifndef RETRACE_WORKER_REPO_INDEX_H
#define RETRACE_WORKER_REPO_INDEX_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "lib/error.h"
#include "worker/resolve/package.h"
#include "worker/resolve/repodata.h"

/** What any of these functions returns when the file is damaged: worker_index_rebuild() mends it. */
#define WORKER_INDEX_DAMAGED APR_EBADF

typedef struct worker_index_t worker_index_t;

/** A package's file as the index knows it. */
typedef struct worker_index_entry_t {
    const char *file; /* below the release's directory */
    int64_t size;
    int64_t mtime_us;
    const char *refusal; /* why the package is not used; NULL: it is */
} worker_index_entry_t;

/**
 * Open an index, making it when it is not there. What is no index of this version, or damaged, is
 * removed and made anew: hold the release's lock.
 * @param pindex  in p, closed with it
 */
apr_status_t worker_index_open(worker_index_t **pindex, const char *path, retrace_error_t *err,
                               apr_pool_t *p);

/** Open an index that is there, for reading alone: without the lock. */
apr_status_t worker_index_open_as_it_is(worker_index_t **pindex, const char *path,
                                        retrace_error_t *err, apr_pool_t *p);

/** Remove the file, and begin with an empty one: hold the release's lock. */
apr_status_t worker_index_rebuild(worker_index_t *index, retrace_error_t *err);

/** The last thing that failed since this was asked before; its status is APR_SUCCESS when nothing
 * did. */
retrace_error_t worker_index_trouble(worker_index_t *index);

/** What the last commit was told, in p; "" for a new index. */
apr_status_t worker_index_stamp(const char **pstamp, worker_index_t *index, retrace_error_t *err,
                                apr_pool_t *p);

/** All changes between these two are made at once, or not at all. @param stamp  for the next one
 * who asks whether the index is up to date */
apr_status_t worker_index_begin(worker_index_t *index, retrace_error_t *err);
apr_status_t worker_index_commit(worker_index_t *index, const char *stamp, retrace_error_t *err);
void worker_index_rollback(worker_index_t *index);

/** @param pentries  worker_index_entry_t by their file, in p */
apr_status_t worker_index_list(apr_hash_t **pentries, worker_index_t *index, retrace_error_t *err,
                               apr_pool_t *p);

/** Packages that are not used, in the order of their files. @param prefused  of
 * worker_index_entry_t, at most max, in p */
apr_status_t worker_index_refused(apr_array_header_t **prefused, worker_index_t *index, int max,
                                  retrace_error_t *err, apr_pool_t *p);

/** Take a package in, instead of what the index has of that file. @param package  NULL for one that
 * is refused */
apr_status_t worker_index_put(worker_index_t *index, const worker_index_entry_t *entry,
                              const worker_package_t *package, retrace_error_t *err);
apr_status_t worker_index_remove(worker_index_t *index, const char *file, retrace_error_t *err);
apr_status_t worker_index_clear(worker_index_t *index, retrace_error_t *err);

/** Packages here that have this file. @param candidates  worker_candidate_t are added to it, in p;
 * their rank is not known here */
apr_status_t worker_index_find(apr_array_header_t *candidates, worker_index_t *index,
                               worker_file_kind_t kind, const char *key, retrace_error_t *err,
                               apr_pool_t *p);

/** Has anything been changed through this handle since it was opened? */
bool worker_index_has_changed(const worker_index_t *index);

/**
 * The packages that are used, in no order.
 * @param ppackages    of worker_package_t without files, in p
 * @param with_remote  those, too, that only the metadata name: not one that is here and refused
 */
apr_status_t worker_index_packages(apr_array_header_t **ppackages, worker_index_t *index,
                                   bool with_remote, retrace_error_t *err, apr_pool_t *p);

/* --- Packages that the metadata of the repository name (repo_index_remote.c) --- */

/**
 * Which metadata are in the index, and what was wrong with those that are not.
 * @param pmetadata   as worker_index_put_remote was told, in p; "" for none
 * @param pcomplaint  likewise of worker_index_complain
 */
apr_status_t worker_index_metadata(const char **pmetadata, const char **pcomplaint,
                                   worker_index_t *index, retrace_error_t *err, apr_pool_t *p);

/** Keep one sentence for those who use the index. @param complaint  "" for none */
apr_status_t worker_index_complain(worker_index_t *index, const char *complaint,
                                   retrace_error_t *err);

/** Let the next one who asks which metadata are in the index believe that there are none. */
apr_status_t worker_index_forget_metadata(worker_index_t *index, retrace_error_t *err);

/** @param pknown  location by checksum, in p */
apr_status_t worker_index_known(apr_hash_t **pknown, worker_index_t *index, retrace_error_t *err,
                                apr_pool_t *p);

/** Add what is new, and remove what is gone: whatever is known and neither kept nor new.
 * @param metadata  for the next one who asks */
apr_status_t worker_index_put_remote(worker_index_t *index, const worker_repodata_t *data,
                                     const char *metadata, retrace_error_t *err, apr_pool_t *p);

/** Directories that packages of the metadata lie in. @param pdirectories  of const char *, in p */
apr_status_t worker_index_directories(apr_array_header_t **pdirectories, worker_index_t *index,
                                      retrace_error_t *err, apr_pool_t *p);

/** Packages that are named, but not here. @param candidates  as for worker_index_find, with `remote`
 * and without a path */
apr_status_t worker_index_find_remote(apr_array_header_t *candidates, worker_index_t *index,
                                      worker_file_kind_t kind, const char *key,
                                      retrace_error_t *err, apr_pool_t *p);

/** Packages of these names, here or remote: their names, versions and architectures alone.
 * @param names  of const char * */
apr_status_t worker_index_find_named(apr_array_header_t *candidates, worker_index_t *index,
                                     const apr_array_header_t *names, retrace_error_t *err,
                                     apr_pool_t *p);

#endif
