/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many packages a core's files are taken from. The same build-id is often in several versions
 * of a package: few packages that fit together are better than one from each. Pure but for memory. */
#ifndef RETRACE_WORKER_CHOICE_H
#define RETRACE_WORKER_CHOICE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

/** A package that has something that is wanted. */
typedef struct worker_choice_t {
    const char *name;
    const char *epoch; /* "" for none */
    const char *version;
    const char *release;
    const char *arch;
    const char *source;        /* name of the source package; "" unknown */
    bool is_remote;            /* it would have to be fetched */
    bool is_preferred;         /* the upload names it */
    apr_array_header_t *wants; /* of int: the numbers of the wanted files that it has */
    int rank;                  /* the result: lower ones are taken first */
} worker_choice_t;

/**
 * Rank packages. Those of the same source, or a package and its debug information, stand or fall
 * together: a group. Again and again the group is next that has most of what no group before it
 * has; of equals the preferred one, then the newest, then the one whose name comes first. What would
 * have to be fetched comes behind all that is here: a build-id is the same wherever it comes from.
 * @param packages  of worker_choice_t
 * @param count     wanted files: their numbers are below it
 */
void worker_choose(apr_array_header_t *packages, int count, apr_pool_t *scratch);

/** Compare epoch, version, release as RPM does. @return less than 0 when a is older */
int worker_compare_evr(const char *const a[3], const char *const b[3]);

#endif
