/* SPDX-License-Identifier: Apache-2.0 */
/* XML as repositories have it, read element by element (expat). A document type is refused, and with it
 * entities of one's own; texts, sizes and depth have limits. */
#ifndef RETRACE_XML_H
#define RETRACE_XML_H

#include <apr_pools.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define RETRACE_XML_MAX_TEXT  4096 /* bytes of an element's text; what is longer is cut */
#define RETRACE_XML_MAX_DEPTH 32   /* elements within each other */

/** What to do with elements; names are without a prefix. Each returns NULL, or what is wrong. */
typedef struct retrace_xml_handler_t {
    /** @param attributes  name, value, name, value, …, NULL */
    const char *(*start)(void *baton, const char *name, const char *const *attributes);
    /** @param text  of the element, without blanks at both ends; not that of elements with others in
     *               them */
    const char *(*end)(void *baton, const char *name, const char *text);
    void *baton;
} retrace_xml_handler_t;

/**
 * Read a text.
 * @return APR_EINVAL  it is no XML, or the handler finds something wrong: err has the line
 */
apr_status_t retrace_xml_read(const retrace_xml_handler_t *handler, const char *text, size_t length,
                              retrace_error_t *err);

/**
 * Read a file, packed by gzip, bzip2, xz, zstd or not at all.
 * @param fd         at its beginning; not closed
 * @param max_bytes  unpacked
 * @return APR_EINVAL  as above, or it cannot be unpacked
 *         APR_ENOSPC  it is longer
 */
apr_status_t retrace_xml_read_file(const retrace_xml_handler_t *handler, int fd, int64_t max_bytes,
                                   retrace_error_t *err);

/** The value of an attribute; NULL when there is none. */
const char *retrace_xml_attribute(const char *const *attributes, const char *name);

#endif
