/* SPDX-License-Identifier: Apache-2.0 */
/* Packages that an upload says its program was of. Untrusted: they decide among packages that have the
 * same build-ids, and nothing else. */
#ifndef RETRACE_WORKER_PREFERENCE_H
#define RETRACE_WORKER_PREFERENCE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "lib/nevra.h"
#include "worker/resolve/package.h"

#define WORKER_PREFERENCES_MAX 1000 /* names that are looked at */

typedef struct worker_preference_t {
    const char *text;
    retrace_nevra_t nevra;
    char arch[RETRACE_NEVRA_MAX];
    bool is_known; /* some repository has it */
} worker_preference_t;

/** Is this `name-[epoch:]version-release.architecture`, and nothing else?
 * @param preference  written only on success, but for its text */
bool worker_preference_parse(worker_preference_t *preference, const char *text);

/** Does it name this package? Without an epoch any will do: uploads often leave it out. */
bool worker_preference_is(const worker_preference_t *preference,
                          const worker_candidate_t *candidate);

/**
 * Those of a list that are names of packages, at most WORKER_PREFERENCES_MAX.
 * @param names  of const char *; NULL for none
 * @return of worker_preference_t, in p
 */
apr_array_header_t *worker_preferences(const apr_array_header_t *names, apr_pool_t *p);

#endif
