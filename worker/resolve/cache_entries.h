/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the cache: an entry is the directory of a build-id, with up to one file of each kind.
 * Its time is when it was last used, whatever the file system is mounted with. */
#ifndef RETRACE_WORKER_CACHE_ENTRIES_H
#define RETRACE_WORKER_CACHE_ENTRIES_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "worker/resolve/cache_hold.h"
#include "worker/resolve/source.h"

#define WORKER_CACHE_NO_FILE     (-1)
#define WORKER_CACHE_MAX_UNKNOWN 100  /* that are listed */
#define WORKER_CACHE_STRAY_S     3600 /* so old an unfinished file of the cache is nobody's */

#define WORKER_CACHE_INDEX  "index"   /* of repositories, source_repo.c */
#define WORKER_CACHE_MISSES "missing" /* misses.h */

typedef struct worker_cache_entry_t {
    const char *build_id;
    int64_t bytes;                         /* allocated by all that is in it, and by itself */
    int64_t kind_bytes[WORKER_FILE_KINDS]; /* or WORKER_CACHE_NO_FILE */
    int64_t used_at_ns;                    /* since 1970 */
    bool in_use;
    bool has_leftovers; /* files that were not finished */
    bool goes;          /* what cache_trim.h has decided */
} worker_cache_entry_t;

typedef struct worker_cache_listing_t {
    apr_array_header_t *entries; /* of worker_cache_entry_t */
    apr_array_header_t *unknown; /* of const char *, below CacheDir: nobody of ours made them */
} worker_cache_listing_t;

/** What another user makes in the cache, the workers could not write to. @return APR_EINVAL */
apr_status_t worker_cache_require_owner(const char *cache_dir, retrace_error_t *err);

/** The directory of a build-id, absolute. */
const char *worker_cache_entry_path(const char *cache_dir, const char *build_id, apr_pool_t *p);

/** Is this a build-id as the cache knows them? */
bool worker_cache_is_build_id(const char *text);

/** Is there a file in it? */
bool worker_cache_entry_has_file(const worker_cache_entry_t *entry);

/** Note that an entry is used now. */
void worker_cache_entry_touch(const char *cache_dir, const char *build_id, apr_pool_t *p);

/**
 * Look at all of the cache.
 * @param top   descriptor of CacheDir
 * @param hold  of who asks; what it holds itself is not in use
 */
apr_status_t worker_cache_list(worker_cache_listing_t *plisting, int top,
                               const worker_cache_hold_t *hold, retrace_error_t *err,
                               apr_pool_t *p);

/** What was not used for longest comes first. @param entries  of worker_cache_entry_t */
void worker_cache_sort(apr_array_header_t *entries);

/** What an entry holds now. @return APR_ENOENT  there is none */
apr_status_t worker_cache_entry_read(worker_cache_entry_t *pentry, int top,
                                     const worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err, apr_pool_t *p);

/**
 * Remove an entry, if nobody uses it, and nobody has used it since it was read. Files of names that
 * are not ours stay.
 * @return APR_EBUSY  somebody does, or has
 */
apr_status_t worker_cache_entry_remove(const worker_cache_entry_t *entry, int top,
                                       worker_cache_hold_t *hold, retrace_error_t *err);

/** The same for one file of it. */
apr_status_t worker_cache_entry_remove_file(const worker_cache_entry_t *entry,
                                            worker_file_kind_t kind, int top,
                                            worker_cache_hold_t *hold, retrace_error_t *err);

/** Remove what killed ones have left in it; if nobody uses it. */
void worker_cache_entry_tidy(const worker_cache_entry_t *entry, int top, worker_cache_hold_t *hold);

/** Remove what killed ones have left beside the entries: empty directories, unfinished files. */
void worker_cache_tidy(int top, time_t now);

#endif
