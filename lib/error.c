/* SPDX-License-Identifier: Apache-2.0 */
/* See error.h. Statuses at and above APR_OS_START_ERROR carry no text worth showing. */
#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append_reason(retrace_error_t *err)
{
    size_t used = strlen(err->text);
    int room = (int)(sizeof(err->text) - used);

    if (room > 3) {
        memcpy(err->text + used, ": ", 3);
        apr_strerror(err->status, err->text + used + 2, (apr_size_t)room - 2);
    }
}

apr_status_t retrace_fail(retrace_error_t *err, apr_status_t status, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return status;
    }
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->status = status;
    if (status > 0 && status < APR_OS_START_ERROR && status != APR_EINVAL) {
        append_reason(err);
    }
    return status;
}
