/* SPDX-License-Identifier: Apache-2.0 */
/* How busy the server is: read from the directories queue/ and running/, whose entries are as many
 * as there are unfinished tasks, however many finished ones the spool holds. */
#ifndef MR_LOAD_H
#define MR_LOAD_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"

typedef struct mr_load_t {
    int running; /* entries of running/ */
    int queued;  /* entries of queue/: waiting tasks, and uploads in progress */
    bool is_full;
} mr_load_t;

/** Look. queue/ and running/ count as empty when they are not there: the dispatcher makes them. A spool
 * that is not there is full. */
mr_load_t mr_load_read(const retrace_config_t *config);

/**
 * How many tasks of the queue came before this one? It may be overtaken: the next task is the oldest
 * of the client that has the fewest running.
 * @param root  descriptor of the spool
 * @return -1 when it is not in the queue
 */
int mr_load_ahead(int root, uint32_t id, apr_pool_t *p);

/** Seconds after which a refused client may try again: about until the next task ends. */
int mr_load_retry_s(const retrace_config_t *config, apr_pool_t *p);

/** The file `name` of statistics/, "" when there is none; at most `max` bytes; in p. */
const char *mr_load_statistics(const retrace_config_t *config, const char *name, apr_size_t max,
                               apr_pool_t *p);

#endif
