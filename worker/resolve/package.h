/* SPDX-License-Identifier: Apache-2.0 */
/* RPM packages as the index knows them: which files of a package belong to which build-id, and which
 * of several packages that have one is taken. Pure but for memory. */
#ifndef RETRACE_WORKER_PACKAGE_H
#define RETRACE_WORKER_PACKAGE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/resolve/source.h"

/** A file that can be found by its build-id. */
typedef struct worker_package_file_t {
    worker_file_kind_t kind;
    const char *key;  /* build-id, lower-case hexadecimal; of a dwz file without a link: its name */
    const char *path; /* in the package: plain (worker/path.h) */
} worker_package_file_t;

typedef struct worker_package_t {
    const char *name;
    const char *epoch; /* digits; "" for none */
    const char *version;
    const char *release;
    const char *arch;
    apr_array_header_t *files; /* of worker_package_file_t */
    const char *source;        /* name of its source package; NULL or "" unknown */
} worker_package_t;

/** Where a package that is not here comes from, and how it is told. */
typedef struct worker_remote_file_t {
    int64_t size;
    const char *type; /* of the checksum: lib/checksum.h */
    const char *checksum;
} worker_remote_file_t;

/** A package that has a wanted file. */
typedef struct worker_candidate_t {
    const char *file; /* of the package, below the release's directory */
    int64_t size;
    int64_t mtime_us;
    const char
        *path; /* of the wanted file, in the package; NULL: not known, the package is remote */
    int rank;  /* in the choice among all packages: choice.h */
    const char *epoch;
    const char *version;
    const char *release;
    const char *name;
    const char *arch;
    const char *source;                 /* as of worker_package_t */
    const worker_remote_file_t *remote; /* NULL: the package is here */
} worker_candidate_t;

/**
 * Does this entry of a package lead to a file with a build-id? Links below /usr/lib/.build-id and
 * /usr/lib/debug/.build-id do, and so does a dwz file.
 * @param pfile      in p; written only on success
 * @param directory  with a '/' at its end
 * @param link       what a symbolic link holds; "" for other files
 */
bool worker_package_file(worker_package_file_t *pfile, const char *directory, const char *name,
                         const char *link, apr_pool_t *p);

/** A first look at a path of a package's list: can it be one of worker_package_listed? */
bool worker_package_may_be_listed(const char *path);

/**
 * The same for a path alone, as lists of files have it: what a link leads to is not known.
 * @param pkind  debug information may turn out to be a dwz file
 * @param pkey   in p; both are written only on success
 */
bool worker_package_listed(worker_file_kind_t *pkind, const char **pkey, const char *path,
                           apr_pool_t *p);

/** Order by preference: whoever covers more wanted files comes first, then the newer one, then the
 * one whose name comes first. @param candidates of worker_candidate_t */
void worker_candidates_sort(apr_array_header_t *candidates);

#endif
