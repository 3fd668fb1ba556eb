/* SPDX-License-Identifier: Apache-2.0 */
/* See upload_form.h. */
#include "lib/upload_form.h"

#include <stddef.h>
#include <string.h>

const retrace_content_type_t retrace_content_types[] = {
    { "application/x-xz-compressed-tar", RETRACE_FORM_ARCHIVE, "xz" },
    { "application/x-xz", RETRACE_FORM_ARCHIVE, "xz" },
    { "application/x-gzip", RETRACE_FORM_ARCHIVE, "gzip" },
    { "application/gzip", RETRACE_FORM_ARCHIVE, "gzip" },
    { "application/zstd", RETRACE_FORM_ARCHIVE, "zstd" },
    { "application/x-zstd", RETRACE_FORM_ARCHIVE, "zstd" },
    { "application/x-tar", RETRACE_FORM_ARCHIVE, "" },
    { "application/x-coredump", RETRACE_FORM_CORE, NULL },
    { "application/x-core", RETRACE_FORM_CORE, NULL },
    { NULL, RETRACE_FORM_ARCHIVE, NULL },
};

const retrace_content_type_t *retrace_content_type_find(const char *name)
{
    const retrace_content_type_t *type;

    for (type = retrace_content_types; name != NULL && type->name != NULL; type++) {
        if (strcmp(type->name, name) == 0) {
            return type;
        }
    }
    return NULL;
}

bool retrace_directory_is_sound(const char *path)
{
    const char *at;

    if (path[0] != '/' || strlen(path) >= RETRACE_DIRECTORY_MAX) {
        return false;
    }
    for (at = path; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e) {
            return false;
        }
        if (strncmp(at, "/..", 3) == 0 && (at[3] == '/' || at[3] == '\0')) {
            return false;
        }
    }
    return true;
}
