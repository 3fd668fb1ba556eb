/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals as sentences. Everything that leaves here is printable ASCII without '%'. */
#include "worker/ingest/refusal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE_LENGTH 4 /* \xNN */

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~' && c != '%';
}

bool ingest_refuse(ingest_refusal_t *refusal, int status, const char *format, ...)
{
    va_list arguments;
    char *c;

    if (refusal->status != 0) {
        return false;
    }
    refusal->status = status;
    va_start(arguments, format);
    (void)vsnprintf(refusal->sentence, sizeof(refusal->sentence), format, arguments);
    va_end(arguments);
    for (c = refusal->sentence; *c != '\0'; c++) {
        if (!is_printable(*c)) {
            *c = '?';
        }
    }
    return false;
}

const char *ingest_quote(char quoted[INGEST_QUOTE_MAX], const char *name)
{
    static const char ellipsis[] = "...";
    const size_t room = INGEST_QUOTE_MAX - sizeof(ellipsis);
    size_t used = 0;

    for (; name != NULL && *name != '\0'; name++) {
        if (used + ESCAPE_LENGTH > room) {
            memcpy(quoted + used, ellipsis, sizeof(ellipsis));
            return quoted;
        }
        if (is_printable(*name) && *name != '\\' && *name != '"') {
            quoted[used++] = *name;
        }
        else {
            (void)snprintf(quoted + used, ESCAPE_LENGTH + 1, "\\x%02x", (unsigned char)*name);
            used += ESCAPE_LENGTH;
        }
    }
    quoted[used] = '\0';
    return quoted;
}

const char *ingest_say_size(char text[32], int64_t bytes)
{
    if (bytes >= 1024 * 1024 && bytes % (1024 * 1024) == 0) {
        (void)snprintf(text, 32, "%" PRId64 " MB", bytes / (1024 * 1024));
    }
    else if (bytes >= 1024 && bytes % 1024 == 0) {
        (void)snprintf(text, 32, "%" PRId64 " KB", bytes / 1024);
    }
    else {
        (void)snprintf(text, 32, "%" PRId64 " bytes", bytes);
    }
    return text;
}
