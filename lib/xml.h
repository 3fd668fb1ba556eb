/* SPDX-License-Identifier: Apache-2.0 */
/* XML as a stream of elements, for files of hundreds of MB that somebody else has made. Two readers give
 * the same: expat, which takes all of XML, and a scanner, several times as fast, which takes the plain
 * form that programs write and hands back whatever is beyond it. A document type is refused, and with
 * it entities of one's own; texts, sizes, depth and time have limits. */
#ifndef RETRACE_XML_H
#define RETRACE_XML_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define RETRACE_XML_DEPTH      16          /* elements within each other */
#define RETRACE_XML_ATTRIBUTES 16          /* of one element */
#define RETRACE_XML_TEXT_MAX   (64 * 1024) /* bytes of text between two tags; more is cut */

/** Where the bytes come from. @return bytes, 0 at the end, or -1: err says why */
typedef struct retrace_xml_input_t {
    ssize_t (*read)(void *baton, char *buffer, size_t length, retrace_error_t *err);
    void *baton;
} retrace_xml_input_t;

/**
 * Who is told. Strings are valid during the call only; names are as they are written, with a prefix that
 * they may have; attributes are name, value, …, NULL. `text` is what is before the end tag, behind the
 * last other tag: that of an element without children. What is returned other than APR_SUCCESS ends the
 * reading.
 */
typedef struct retrace_xml_events_t {
    apr_status_t (*start)(void *baton, const char *name, const char *const *attributes,
                          retrace_error_t *err);
    apr_status_t (*end)(void *baton, const char *name, const char *text, retrace_error_t *err);
    void *baton;
} retrace_xml_events_t;

/** How much of a file is read. */
typedef struct retrace_xml_limits_t {
    int64_t max_bytes; /* unpacked */
    int64_t max_ms;
} retrace_xml_limits_t;

/**
 * Read with expat.
 * @return APR_EINVAL  it is not well-formed, or exceeds a limit; or what the input or the events return
 */
apr_status_t retrace_xml_parse(const retrace_xml_input_t *input, const retrace_xml_events_t *events,
                               retrace_error_t *err);

/**
 * Read with the scanner.
 * @param ptold  how many calls of the events there were, always written
 * @return APR_ENOTIMPL  it is beyond the scanner, damaged perhaps: begin again with retrace_xml_parse,
 *                       which first tells what was told already; other: as there
 */
apr_status_t retrace_xml_scan(int64_t *ptold, const retrace_xml_input_t *input,
                              const retrace_xml_events_t *events, retrace_error_t *err);

/** Read a text, with expat. @return as retrace_xml_parse */
apr_status_t retrace_xml_read_text(const char *text, size_t length,
                                   const retrace_xml_events_t *events, retrace_error_t *err);

/**
 * Read a file, packed by gzip, bzip2, xz, zstd or not at all: with the scanner as far as it goes, and with
 * expat from there on. Nothing is told twice.
 * @param fd  from its beginning; not closed
 * @return APR_EINVAL  as retrace_xml_parse; or it cannot be unpacked, or exceeds a limit
 */
apr_status_t retrace_xml_read_file(int fd, const retrace_xml_limits_t *limits,
                                   const retrace_xml_events_t *events, retrace_error_t *err);

/** A name without its prefix. */
const char *retrace_xml_plain_name(const char *name);

/** The value of an attribute, whatever prefix it has; "" when it is not there. */
const char *retrace_xml_attribute(const char *const *attributes, const char *name);

/** Copy a text without the blanks at both ends. @return false when it does not fit in: then to is "" */
bool retrace_xml_copy(char *to, size_t size, const char *text);

#endif
