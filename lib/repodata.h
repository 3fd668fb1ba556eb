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
#define RETRACE_REPODATA_MAX_PACKAGES 500000                            /* of a list */
#define RETRACE_REPODATA_HREF_LENGTH  1024 /* bytes of a place below the repository */
#define RETRACE_REPODATA_WORD_LENGTH  200  /* bytes of a name, version, release, architecture */

/** A list that repomd.xml names. */
typedef struct retrace_repodata_list_t {
    const char *href; /* below the repository: see retrace_repodata_is_href */
    retrace_checksum_t checksum;
    int64_t size; /* bytes, packed; -1: not told */
} retrace_repodata_list_t;

/** A package of primary.xml. Texts live during the call only. */
typedef struct retrace_repodata_package_t {
    const char *name;
    const char *arch;
    const char *epoch; /* digits */
    const char *version;
    const char *release;
    const char *href;            /* NULL: what is told is no place below the repository */
    retrace_checksum_t checksum; /* .type NULL: there is none that counts */
    int64_t size;                /* bytes; -1: not told */
} retrace_repodata_package_t;

/** A path without `.` and `..`, not absolute, of letters, digits and `-_.+~^:%/@,=()`. */
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
 * Call `visit` for each package of a primary.xml.
 * @param fd  packed or not, at its beginning
 * @return APR_EINVAL  it is malformed, or exceeds a limit; some were visited
 */
apr_status_t retrace_repodata_packages(int fd,
                                       void (*visit)(void *baton,
                                                     const retrace_repodata_package_t *package),
                                       void *baton, retrace_error_t *err);

/**
 * Call `visit` for each file of each package of a filelists.xml.
 * @param visit  digits are the package's checksum in primary.xml
 * @return as above
 */
apr_status_t
retrace_repodata_files(int fd, void (*visit)(void *baton, const char *digits, const char *path),
                       void *baton, retrace_error_t *err);

#endif
