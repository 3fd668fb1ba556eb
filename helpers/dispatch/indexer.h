/* SPDX-License-Identifier: Apache-2.0 */
/* The one child of the dispatcher that is no worker: `retrace-server-index --quiet`, started when a
 * list of packages is missing or stale (lib/packages.h). It takes no slot and has no time limit; one
 * that brings nothing is not started again for a while. */
#ifndef RETRACE_INDEXER_H
#define RETRACE_INDEXER_H

#include <apr_pools.h>
#include <stdbool.h>

#include "lib/config.h"

typedef struct indexer_t indexer_t;

/** In p. @param config_path  handed on to the child */
indexer_t *indexer_make(const retrace_config_t *config, const char *config_path, apr_pool_t *p);

/** See whether it has ended, and start it if there is something to do. Logs what goes wrong. Call it
 * where the engine has just reaped: the engine may have met its end, too. */
void indexer_round(indexer_t *indexer, apr_pool_t *scratch);

/** Does it run, or would the next round start it? */
bool indexer_has_work(const indexer_t *indexer, apr_pool_t *scratch);

#endif
