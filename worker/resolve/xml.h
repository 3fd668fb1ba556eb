/* SPDX-License-Identifier: Apache-2.0 */
/* XML as a stream of elements, for files of hundreds of MB that somebody else has made. Two readers give
 * the same: expat, which takes all of XML, and a scanner, several times as fast, which takes the plain
 * form that programs write and hands back whatever is beyond it. */
#ifndef RETRACE_WORKER_XML_H
#define RETRACE_WORKER_XML_H

#include <apr_pools.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

#define WORKER_XML_DEPTH      16          /* elements within each other */
#define WORKER_XML_ATTRIBUTES 16          /* of one element */
#define WORKER_XML_TEXT_MAX   (64 * 1024) /* bytes of text between two tags; more is cut */

/** Where the bytes come from. @return bytes, 0 at the end, or -1: err says why */
typedef struct worker_xml_input_t {
    ssize_t (*read)(void *baton, char *buffer, size_t length, retrace_error_t *err);
    void *baton;
} worker_xml_input_t;

/**
 * Who is told. Strings are valid during the call only; attributes are name, value, …, NULL. `text` is
 * what is before the end tag, behind the last other tag: that of an element without children. What
 * is returned other than APR_SUCCESS ends the reading.
 */
typedef struct worker_xml_events_t {
    apr_status_t (*start)(void *baton, const char *name, const char *const *attributes,
                          retrace_error_t *err);
    apr_status_t (*end)(void *baton, const char *name, const char *text, retrace_error_t *err);
    void *baton;
} worker_xml_events_t;

/** The value of an attribute; "" when it is not there. */
const char *worker_xml_attribute(const char *const *attributes, const char *name);

/**
 * Read with expat. DOCTYPE is refused: nothing here needs one, and what it defines may grow.
 * @return APR_EINVAL  it is not well-formed, or exceeds a limit; or what the input or the events return
 */
apr_status_t worker_xml_parse(const worker_xml_input_t *input, const worker_xml_events_t *events,
                              retrace_error_t *err);

/**
 * Read with the scanner.
 * @return APR_ENOTIMPL  it is beyond the scanner, damaged perhaps: begin again with worker_xml_parse;
 *                       other: as there
 */
apr_status_t worker_xml_scan(const worker_xml_input_t *input, const worker_xml_events_t *events,
                             retrace_error_t *err);

#endif
