/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages a release has: `SaveDir/packages/<release>`, made from the release's index by whoever
 * brings that up to date, and read by httpd without a database. A line `retrace-packages 1 <bytes of
 * all that follows> <state>`, then lines `<name>-<version>-<release>.<arch> <epoch>` in the order of
 * their bytes. The state is that of the repository, and of FetchOnDemand, before the index was made:
 * another one now means that the list is stale. */
#ifndef RETRACE_PACKAGE_LIST_H
#define RETRACE_PACKAGE_LIST_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <stdbool.h>

#include "lib/error.h"

#define RETRACE_PACKAGE_LINE_MAX  320 /* bytes of a line, with the newline */
#define RETRACE_PACKAGE_STATE_MAX 64  /* bytes of a repository's state, with the NUL */

/** The state of a repository, as one word: what changes whenever createrepo_c has run, or its list is
 * to have other packages. */
typedef struct retrace_package_state_t {
    char text[RETRACE_PACKAGE_STATE_MAX];
} retrace_package_state_t;

/**
 * @param repository   open directory of the release; -1 when it has none
 * @param with_remote  its list has the packages, too, that only repodata name
 */
retrace_package_state_t retrace_package_state(int repository, bool with_remote);

/** An open list; needs no memory but this. */
typedef struct retrace_package_list_t {
    int fd;
    apr_off_t first; /* where the first line of a package begins */
    apr_off_t end;
    apr_time_t checked; /* when it was made, or found to be still right */
    retrace_package_state_t state;
} retrace_package_list_t;

/**
 * Open a release's list.
 * @param list     written only on success; the caller closes list->fd
 * @param lists    descriptor of SaveDir/packages
 * @return APR_ENOENT  there is none
 *         APR_EINVAL  it is none of this version, or was cut off
 */
apr_status_t retrace_package_list_open(retrace_package_list_t *list, int lists, const char *release,
                                       retrace_error_t *err);

/**
 * Does it have this package, of any epoch? Reads a few blocks, whatever the length and the content
 * of the file; in one that is not in order what is there may not be found.
 * @param package  name-version-release.arch
 */
bool retrace_package_list_has(const retrace_package_list_t *list, const char *package);

bool retrace_package_list_is_empty(const retrace_package_list_t *list);

/**
 * Make a line of a list.
 * @param epoch  NULL or "": none, which is 0
 * @return in p; NULL for a package that cannot be asked for: see lib/nevra.h
 */
const char *retrace_package_line(const char *name, const char *epoch, const char *version,
                                 const char *release, const char *arch, apr_pool_t *p);

/**
 * Publish a release's list: readers see the old one or the new one. As the spool's owner.
 * @param lines  of const char *, of retrace_package_line; they are sorted here, equal ones become one
 */
apr_status_t retrace_package_list_write(int lists, const char *release,
                                        const retrace_package_state_t *state,
                                        apr_array_header_t *lines, retrace_error_t *err,
                                        apr_pool_t *p);

/** Its release was looked at, and the list is still right. */
apr_status_t retrace_package_list_touch(int lists, const char *release, retrace_error_t *err);

#endif
