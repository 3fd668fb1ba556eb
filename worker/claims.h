/* SPDX-License-Identifier: Apache-2.0 */
/* What an upload says about its crash, in small files beside the core. None of them has to be there;
 * all of them are untrusted. */
#ifndef RETRACE_WORKER_CLAIMS_H
#define RETRACE_WORKER_CLAIMS_H

#include <apr_pools.h>
#include <apr_tables.h>

#define WORKER_CLAIM_BYTES    200           /* of a claim; the rest of its line is left out */
#define WORKER_CLAIM_PACKAGES 1000          /* names; the rest is left out */
#define WORKER_CLAIM_LIST     (1024 * 1024) /* bytes of `packages`; of a longer file nothing is read */

/** First lines, printable ASCII; NULL for what the upload does not say. */
typedef struct worker_claims_t {
    const char *executable;
    const char *package;
    const char *os_release; /* of the first of os_release_in_rootdir, os_release, release: what
                               crashed in a root directory of its own is of the system in there */
    apr_array_header_t *packages; /* of const char *: words of `packages`, of printable ASCII and at
                                     most WORKER_CLAIM_BYTES long; may be empty */
} worker_claims_t;

/** Read what there is. @param crash  descriptor of the directory with the upload's files */
void worker_claims_read(worker_claims_t *claims, int crash, apr_pool_t *p);

#endif
