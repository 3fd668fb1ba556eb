/* SPDX-License-Identifier: Apache-2.0 */
/* JSON objects of a server. Pure. */
#ifndef RETRACE_TASK_JSON_H
#define RETRACE_TASK_JSON_H

#include <apr_pools.h>
#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

/** Does this Content-Type say JSON? NULL: it is missing. */
bool task_type_is_json(const char *type);

/**
 * Read an object.
 * @param pobject  lives as long as p; written only on success
 * @return TASK_STATUS(TASK_EXIT_PROTOCOL) when it is none
 */
apr_status_t task_json_load(json_t **pobject, const char *body, apr_size_t length,
                            retrace_error_t *err, apr_pool_t *p);

/** An integer member from min to max, else `otherwise`. */
int64_t task_json_number(const json_t *object, const char *key, int64_t min, int64_t max,
                         int64_t otherwise);

/**
 * Lay out an object in ASCII: nothing in it can act on a terminal.
 * @param ptext  ends with a line feed, in p; written only on success
 */
apr_status_t task_json_print(const char **ptext, const json_t *object, retrace_error_t *err,
                             apr_pool_t *p);

#endif
