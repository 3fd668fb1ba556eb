/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a core, cleaned of what a terminal or a web page could mistake for something else. Pure. */
#ifndef RETRACE_WORKER_TEXT_H
#define RETRACE_WORKER_TEXT_H

#include <apr_pools.h>

/** The text in p as valid UTF-8; anything else and all control characters but \n and \t as \xNN. */
const char *worker_text_clean(const char *text, apr_size_t length, apr_pool_t *p);

/** A list with one more item, "a, b, c", in p; an empty one adds nothing. */
const char *worker_text_list(const char *list, const char *item, apr_pool_t *p);

#endif
