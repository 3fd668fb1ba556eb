/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd and ingest must agree on about an upload: which content types there are, and which
 * paths a client may name. Pure. */
#ifndef RETRACE_UPLOAD_FORM_H
#define RETRACE_UPLOAD_FORM_H

#include <stdbool.h>

#define RETRACE_DIRECTORY_MAX 1025 /* bytes of X-CoreFileDirectory, with the NUL */

typedef enum retrace_upload_form_t {
    RETRACE_FORM_ARCHIVE, /* a tar archive of a crash's files */
    RETRACE_FORM_CORE     /* a core by itself */
} retrace_upload_form_t;

typedef struct retrace_content_type_t {
    const char *name; /* lower case, without parameters */
    retrace_upload_form_t form;
    const char *packing; /* "gzip", "xz" or "zstd"; "": none; NULL: any. Only a label: what counts
                          * in an upload is its magic number */
} retrace_content_type_t;

/** The types that are accepted, the one that clients look for first; after the last one a name is
 * NULL. */
extern const retrace_content_type_t retrace_content_types[];

/** @return NULL when it is none of them, also for NULL */
const retrace_content_type_t *retrace_content_type_find(const char *name);

/**
 * May a client name this directory? An absolute path of printable ASCII characters, without a
 * component "..".
 */
bool retrace_directory_is_sound(const char *path);

#endif
