/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks for beside the path: arguments behind '?', and the type of the answer. */
#ifndef MR_QUERY_H
#define MR_QUERY_H

#include <httpd.h>
#include <stdbool.h>

/**
 * The value of an argument `name=value`, up to the next '&'; not decoded: all that we know are
 * digits.
 * @return in r->pool; "" for one without a value; NULL when it is not there
 */
const char *mr_query_find(request_rec *r, const char *name);

/** A number of at most `max`. @return -1 when the argument is not there or no number */
int mr_query_number(request_rec *r, const char *name, int max);

/**
 * How much the client wants this type (RFC 9110, 12.5.1), by name: wildcards do not count.
 * @param type  lower case: "application/json"
 * @return 0 to 1000, 0 when Accept does not name it
 */
int mr_query_accepts(request_rec *r, const char *type);

/** Does Accept name application/json, and nothing of text that it likes more? */
bool mr_query_wants_json(request_rec *r);

#endif
