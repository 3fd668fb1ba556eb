/* SPDX-License-Identifier: Apache-2.0 */
/* Where files come from. A source answers one question, "have you the executable, the debug
 * information or the dwz file of this build-id?", and whatever it offers is checked before anybody
 * uses it. */
#ifndef RETRACE_WORKER_SOURCE_H
#define RETRACE_WORKER_SOURCE_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/core.h"
#include "worker/elf_file.h"

typedef enum worker_file_kind_t {
    WORKER_FILE_EXECUTABLE, /* of a program or a library */
    WORKER_FILE_DEBUGINFO,  /* its separate debug information */
    WORKER_FILE_DWZ         /* what several files of debug information share */
} worker_file_kind_t;

#define WORKER_FILE_KINDS (WORKER_FILE_DWZ + 1)

/** The name of a kind, as the log and the cache spell it: executable, debuginfo, dwz. */
const char *worker_file_kind_name(worker_file_kind_t kind);

/** Told about each file that is not found, for the log. */
typedef void (*worker_missing_fn)(void *baton, const worker_module_t *module,
                                  worker_file_kind_t kind, const char *build_id,
                                  const char *reason);

/** What a search is for, and who is told about it. */
typedef struct worker_errand_t {
    const char *release; /* as lib/release.h says; "-" or NULL when unknown: a hint, untrusted */
    worker_missing_fn missing;
    void (*tell)(void *baton, char level, const char *text); /* a line for the log; NULL: nobody */
    void *baton;
    const apr_array_header_t
        *packages; /* of const char *: those that the upload names; NULL for none.
                                           Hints, untrusted: preference.h */
    struct worker_cache_hold_t *hold; /* takes what is found in the cache; NULL: nobody does */
} worker_errand_t;

/** One search for all files of a core: what its sources keep from one question to the next. */
typedef struct worker_search_t {
    const worker_core_t *core;
    const worker_errand_t *errand;
    apr_hash_t *fetched; /* path in the cache → name of the source that has put it there just now */
    const char *servers; /* whom the source has asked for the present file; NULL: only itself */
    apr_pool_t *scratch; /* ends with the search */
    struct worker_elsewhere_t *elsewhere;       /* source_elsewhere.c; NULL: not started yet */
    bool is_full_told;                          /* that the cache does not keep a file */
    struct worker_debuginfod_t *debuginfod;     /* source_debuginfod.c; NULL: not asked yet */
    struct worker_repositories_t *repositories; /* source_repo.c; NULL: not opened yet */
} worker_search_t;

/** A line for the log, if there is one. @param level  'I' or 'W' */
void worker_search_tell(const worker_search_t *search, char level, const char *text);

/** What is looked for. */
typedef struct worker_want_t {
    worker_file_kind_t kind;
    const char *build_id; /* lower-case hexadecimal */
    const char *path;     /* where it was on the crashed machine: a hint, untrusted; NULL unknown */
    const char
        *debuglink;      /* for debug information: the name that the executable gives; NULL none */
    const char *beside;  /* real path on this machine of the file that asks: the executable for its
                              debug information, that for its dwz file; NULL unknown */
    const char *altlink; /* for a dwz file: the path that the debug information gives; NULL none */
    worker_search_t *search; /* NULL: this question stands alone */
} worker_want_t;

/** What was found: a file that has the build-id and is of the kind. */
typedef struct worker_found_t {
    const char *path;             /* on this machine, in the pool of the search */
    const worker_elf_file_t *elf; /* what it says about itself */
    const char *source;           /* name of the source */
    const char *origin; /* where the source has it; differs from path when that is cached */
} worker_found_t;

typedef struct worker_source_t {
    const char *name;

    /**
     * @param pfound  in p; written only on success
     * @return APR_NOTFOUND  not here
     *         other       here, but it cannot be used: err says why
     */
    apr_status_t (*find)(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p);
} worker_source_t;

extern const worker_source_t worker_source_cache;
extern const worker_source_t worker_source_host;
extern const worker_source_t worker_source_debuginfod;
extern const worker_source_t worker_source_repo;
extern const worker_source_t worker_source_elsewhere; /* these two, in another program */

/**
 * Is this file what is wanted? Reads it (elf_file.h) and compares build-id and kind.
 * @return APR_NOTFOUND  there is no such file, or it is another one
 */
apr_status_t worker_source_check(worker_found_t **pfound, const char *path,
                                 const worker_want_t *want, const char *source,
                                 retrace_error_t *err, apr_pool_t *p);

/** The same for an open file; `name` is for err. @return APR_NOTFOUND  it is another one */
apr_status_t worker_source_check_open(worker_elf_file_t **pelf, int fd, const char *name,
                                      const worker_want_t *want, retrace_error_t *err,
                                      apr_pool_t *p);

/**
 * A file in CacheDir without a name, for what may get into the cache; the caller closes it.
 * @return APR_ENOSPC  there is less than MinStorageLeft
 */
apr_status_t worker_cache_temporary(int *pfd, const retrace_config_t *config, retrace_error_t *err,
                                    apr_pool_t *p);

/** Bytes that may still be written to CacheDir: what is free there beyond MinStorageLeft. */
int64_t worker_cache_room(const retrace_config_t *config);

/**
 * Copy a file into the cache, once, whoever asks at the same time; checked again in its new place.
 * Makes room before, where CacheSize asks for it (cache_trim.h). The errand of the search holds the
 * file from then on; without one it may be gone at any time.
 * @param pfound  the cached file
 * @return APR_ENOSPC  less than MinStorageLeft would be left
 */
apr_status_t worker_cache_insert(worker_found_t **pfound, const retrace_config_t *config,
                                 const worker_want_t *want, const char *path, retrace_error_t *err,
                                 apr_pool_t *p);

#endif
