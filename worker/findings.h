/* SPDX-License-Identifier: Apache-2.0 */
/* From what a run has read to the facts of its task (lib/facts.h). Pure but for memory; a fact that
 * nothing tells stays unknown. */
#ifndef RETRACE_WORKER_FINDINGS_H
#define RETRACE_WORKER_FINDINGS_H

#include <apr_pools.h>

#include "lib/facts.h"
#include "worker/claims.h"
#include "worker/core.h"
#include "worker/resolve/resolve.h"

/**
 * Package, release and architecture. The package is the upload's, else that of the program's package
 * note, else the program's base name without a version; the release is that of the upload, else
 * the note's, else the distribution tag in the package's release.
 * @param core  NULL when it could not be read
 */
void worker_findings_name(retrace_facts_t *facts, const worker_claims_t *claims,
                          const worker_core_t *core, apr_pool_t *p);

/** A file that no source has; of more than RETRACE_FACTS_MAX_MISSING the rest is only counted. */
void worker_findings_add_missing(retrace_facts_t *facts, const worker_module_t *module,
                                 worker_file_kind_t kind, const char *build_id, apr_pool_t *p);

/** The files that were found, as hits and misses of the cache. @param resolved of
 * worker_resolved_t */
void worker_findings_count(retrace_facts_t *facts, const apr_array_header_t *resolved);

#endif
