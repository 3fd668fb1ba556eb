/* SPDX-License-Identifier: Apache-2.0 */
/* One repository's mirrors: a file is asked for at one after the other, until one has it as its
 * checksum says. One that fails again and again is left out for the rest of the run; one that does not
 * have what it should is asked behind the others. */
#ifndef RETRACE_REPOSYNC_SOURCE_H
#define RETRACE_REPOSYNC_SOURCE_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "helpers/reposync/download.h"
#include "helpers/reposync/mirrors.h"
#include "helpers/reposync/place.h"
#include "helpers/reposync/reposync.h"
#include "lib/checksum.h"
#include "lib/error.h"
#include "lib/repo_config.h"

#define REPOSYNC_MIRROR_TRIES    3 /* failures one after another, then it is left out */
#define REPOSYNC_MIRROR_REFUSALS 3 /* files that it does not have, or wrong: it is first no more */

typedef struct reposync_source_t {
    reposync_t *sync;
    const reposync_place_t *place;
    const retrace_repo_section_t *section;
    reposync_mirrors_t *mirrors;
    int *failures; /* of each mirror, since it last answered */
    int *refusals; /* of each mirror: files one after another that it does not have, or wrong */
    int current;   /* the mirror that is asked first */
    bool
        is_unchecked; /* there should be a metalink with repomd.xml's checksum, but it cannot be used */
    reposync_download_t download;
} reposync_source_t;

/** What is wanted of a source. */
typedef struct reposync_want_t {
    const char *href;
    const char *part;                    /* its name in .sync; kept there when it is interrupted */
    const retrace_checksum_t *checksums; /* it must have one of them */
    int checksum_count;                  /* 0: any */
    int64_t max_bytes;
    bool is_exact; /* it has max_bytes */
} reposync_want_t;

/**
 * Find out the mirrors of a section: baseurl, then mirrorlist or metalink, which are fetched. A list that
 * cannot be had matters only when there is nothing else; without the metalink this is told, too.
 * @param psource  in p
 * @return APR_EINVAL            it has none, or a bad one
 *         REPOSYNC_INTERRUPTED  a signal came
 *         other                 a list cannot be fetched
 */
apr_status_t reposync_source_open(reposync_source_t **psource, reposync_t *sync,
                                  const reposync_place_t *place,
                                  const retrace_repo_section_t *section, retrace_error_t *err,
                                  apr_pool_t *p);

/**
 * Get a file to .sync/<part>, whole and with a good checksum.
 * @return APR_EINVAL            no mirror has it with this checksum
 *         REPOSYNC_INTERRUPTED  a signal came
 *         other                 no mirror can be reached or has it; err is about the last one
 */
apr_status_t reposync_source_get(reposync_source_t *source, const reposync_want_t *want,
                                 retrace_error_t *err, apr_pool_t *scratch);

/** The mirror that is asked first; NULL when all are left out. */
const reposync_url_t *reposync_source_current(const reposync_source_t *source);

#endif
