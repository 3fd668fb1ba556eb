/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata of RPM repositories (repodata): repomd.xml, and the lists that it names. From a text or an
 * open file; how it got there is the caller's affair. What a repository says is untrusted: names and
 * places are checked here. */
#ifndef RETRACE_REPODATA_H
#define RETRACE_REPODATA_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/checksum.h"
#include "lib/error.h"

#define RETRACE_REPODATA_MAX_REPOMD   (1024 * 1024)                     /* bytes of repomd.xml */
#define RETRACE_REPODATA_MAX_BYTES    (INT64_C(8) * 1024 * 1024 * 1024) /* of a list, unpacked */
#define RETRACE_REPODATA_MAX_MS       (600 * 1000)                      /* for a list */
#define RETRACE_REPODATA_MAX_PACKAGES 500000                            /* of a list */
#define RETRACE_REPODATA_HREF_LENGTH  512 /* bytes of a place below the repository */
#define RETRACE_REPODATA_WORD_LENGTH  255 /* bytes of a name, version, release, architecture */

/** A list that repomd.xml names. */
typedef struct retrace_repodata_list_t {
    const char *href; /* below the repository: see retrace_repodata_is_href */
    retrace_checksum_t checksum;
    int64_t size; /* bytes, packed; -1: not told */
} retrace_repodata_list_t;

/** A package of primary.xml. Texts live during the call only; "" for what is not told. */
typedef struct retrace_repodata_package_t {
    const char *name;
    const char *arch;
    const char *epoch; /* digits */
    const char *version;
    const char *release;
    const char *source;          /* file name of its source package */
    const char *href;            /* NULL: what is told is no place below the repository */
    retrace_checksum_t checksum; /* .type NULL: there is none that counts */
    int64_t size;                /* bytes; -1: not told */
} retrace_repodata_package_t;

/** Who is told of packages. What is returned other than APR_SUCCESS ends the reading. */
typedef struct retrace_repodata_packages_t {
    /** What the package provides that is told next; NULL: it does not matter. */
    void (*provide)(void *baton, const char *name, const char *version);
    apr_status_t (*package)(void *baton, const retrace_repodata_package_t *package,
                            retrace_error_t *err);
    void *baton;
} retrace_repodata_packages_t;

/** Who is told of files. `digits` are the package's checksum in primary.xml. */
typedef struct retrace_repodata_files_t {
    /** Whose files are told next; NULL: it does not matter. */
    void (*package)(void *baton, const char *digits);
    apr_status_t (*file)(void *baton, const char *digits, const char *path, retrace_error_t *err);
    void *baton;
} retrace_repodata_files_t;

/** A path of letters, digits and `-_.+~^:%/@,=()`, not absolute, without a name that begins with a dot.
 * None of it is taken by a server for something else, and none of it is hidden. */
bool retrace_repodata_is_href(const char *href);

/**
 * Find a list in repomd.xml.
 * @param plist  in p; written only on success
 * @param type   "primary", "filelists"
 * @return APR_NOTFOUND  it names none
 *         APR_EINVAL    it is malformed, or the list has no place or no checksum
 */
apr_status_t retrace_repodata_find(retrace_repodata_list_t *plist, const char *text, size_t length,
                                   const char *type, retrace_error_t *err, apr_pool_t *p);

/**
 * Tell of each package of a primary.xml.
 * @param fd  packed or not, from its beginning
 * @return APR_EINVAL  it is malformed, or exceeds a limit; some were told. Or what `to` returns
 */
apr_status_t retrace_repodata_packages(int fd, const retrace_repodata_packages_t *to,
                                       retrace_error_t *err);

/** Tell of each file of each package of a filelists.xml. @return as above */
apr_status_t retrace_repodata_files(int fd, const retrace_repodata_files_t *to,
                                    retrace_error_t *err);

#endif
