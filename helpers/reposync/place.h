/* SPDX-License-Identifier: Apache-2.0 */
/* Where a release is mirrored to: RepoDir/<release>/, with packages in Packages/<letter>/ and what is
 * under way in .sync/. One process at a time works there. */
#ifndef RETRACE_REPOSYNC_PLACE_H
#define RETRACE_REPOSYNC_PLACE_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "helpers/reposync/reposync.h"
#include "lib/error.h"

#define REPOSYNC_WORK_DIR ".sync"

typedef struct reposync_place_t {
    const char *release;   /* fedora-36-x86_64 */
    const char *directory; /* absolute */
    int fd;                /* the same, open; -1: there is none, and this is a dry run */
    const char *work_path; /* of .sync, absolute; of a dry run somewhere else */
    int work;              /* the same, open */
    int lock;
} reposync_place_t;

/**
 * Open a release's directory, made when it is not there, and lock it.
 * @param pplace  in p; closed and unlocked with it
 * @return APR_EBUSY   another instance works there
 *         APR_EACCES  it belongs to somebody else, who could not go on with what is made in it
 */
apr_status_t reposync_place_open(reposync_place_t **pplace, const reposync_t *sync,
                                 const char *release, retrace_error_t *err, apr_pool_t *p);

/**
 * A name that a package's file may have at a mirror: `<something>.rpm`, of letters, digits and
 * `-_.+~^:`. Not that of a reduced one: workers would not look at the checksum of its content.
 */
bool reposync_place_is_name(const char *name);

/** What a package's file is called when it is reduced: `<something>.stripped.rpm`. In p. */
const char *reposync_place_stripped_name(const char *name, apr_pool_t *p);

/** The reverse, for any name of a file that is here. In p. */
const char *reposync_place_plain_name(const char *name, apr_pool_t *p);

/** Is there a package of this name and size, or a reduced one of it, wherever packages may be? */
bool reposync_place_has(const reposync_place_t *place, const char *name, int64_t size);

/**
 * Would a complete file of .sync take the name of another package? Whoever writes a repository's lists may
 * call any good package by the name of any other one.
 * @return true when the one that is here is called as its header says, and the new one is not
 */
bool reposync_place_is_another(const reposync_place_t *place, const char *part, const char *name);

/**
 * Give a complete file of .sync its name among the packages.
 * @param part  its name there; gone afterwards
 */
apr_status_t reposync_place_publish(const reposync_place_t *place, const char *part,
                                    const char *name, retrace_error_t *err);

/** Is this a regular file below the directory, without a link on the way? It may lead elsewhere. */
bool reposync_place_stat(struct stat *info, const reposync_place_t *place, const char *path);

/** Remove a package. @param path  below the directory; nothing follows a link */
apr_status_t reposync_place_remove(const reposync_place_t *place, const char *path,
                                   retrace_error_t *err);

/** Has anything changed since the repodata was made, in this run or in one that was killed? */
bool reposync_place_is_changed(const reposync_place_t *place);

/** The repodata is up to date. */
void reposync_place_clear_changed(const reposync_place_t *place);

#endif
