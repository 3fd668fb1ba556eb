/* SPDX-License-Identifier: Apache-2.0 */
/* See request.h. */
#include "worker/ingest/request.h"

#include <string.h>

#define FIRST_LINE        "retrace-receive 2"
#define NUMBER_DIGITS_MAX 18 /* so that no number overflows */

size_t ingest_request_length(const char *text, size_t length)
{
    const char *end = memmem(text, length, "\n\n", 2);

    return end == NULL ? 0 : (size_t)(end - text) + 2;
}

static bool parse_number(int64_t *pnumber, const char *text, size_t length)
{
    int64_t number = 0;
    size_t i;

    if (length < 1 || length > NUMBER_DIGITS_MAX) {
        return false;
    }
    for (i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        number = number * 10 + (text[i] - '0');
    }
    *pnumber = number;
    return true;
}

static bool set_length(ingest_request_t *request, const char *value, size_t length)
{
    return parse_number(&request->length, value, length);
}

static bool set_type(ingest_request_t *request, const char *value, size_t length)
{
    if (length != 1 || value[0] < '0' || value[0] > '4') {
        return false;
    }
    request->type = (retrace_task_type_t)(value[0] - '0');
    return true;
}

/* Copies a value of which each character must be allowed. */
static bool copy_value(char *to, size_t size, const char *value, size_t length, const char *allowed)
{
    size_t i;

    if (length < 1 || length >= size) {
        return false;
    }
    for (i = 0; i < length; i++) {
        if (value[i] == '\0' || strchr(allowed, value[i]) == NULL) {
            return false;
        }
    }
    memcpy(to, value, length);
    to[length] = '\0';
    return true;
}

static bool set_content(ingest_request_t *request, const char *value, size_t length)
{
    return copy_value(request->content, sizeof(request->content), value, length,
                      "abcdefghijklmnopqrstuvwxyz0123456789-+./");
}

static bool set_client(ingest_request_t *request, const char *value, size_t length)
{
    return copy_value(request->client, sizeof(request->client), value, length,
                      "0123456789abcdefABCDEF.:");
}

static bool set_managed(ingest_request_t *request, const char *value, size_t length)
{
    if (length != 1 || (value[0] != '0' && value[0] != '1')) {
        return false;
    }
    request->managed = value[0] == '1';
    return true;
}

static bool set_directory(ingest_request_t *request, const char *value, size_t length)
{
    if (length == 1 && value[0] == '-') {
        return true;
    }
    if (length >= sizeof(request->directory) || memchr(value, '\0', length) != NULL) {
        return false;
    }
    memcpy(request->directory, value, length);
    request->directory[length] = '\0';
    return retrace_directory_is_sound(request->directory);
}

typedef struct line_t {
    const char *prefix;
    bool (*set)(ingest_request_t *request, const char *value, size_t length);
} line_t;

static const line_t lines[] = {
    { "length: ", set_length }, { "type: ", set_type },       { "content: ", set_content },
    { "client: ", set_client }, { "managed: ", set_managed }, { "directory: ", set_directory },
};

/* The next line without its newline; advances *ptext. */
static bool next_line(const char **pline, size_t *plength, const char **ptext, size_t *prest)
{
    const char *end = memchr(*ptext, '\n', *prest);

    if (end == NULL) {
        return false;
    }
    *pline = *ptext;
    *plength = (size_t)(end - *ptext);
    *prest -= *plength + 1;
    *ptext = end + 1;
    return true;
}

bool ingest_request_parse(ingest_request_t *request, const char *text, size_t length)
{
    const char *line = NULL;
    size_t line_length = 0;
    size_t prefix;
    size_t i;

    memset(request, 0, sizeof(*request));
    if (!next_line(&line, &line_length, &text, &length) || line_length != strlen(FIRST_LINE)
        || memcmp(line, FIRST_LINE, line_length) != 0) {
        return false;
    }
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        prefix = strlen(lines[i].prefix);
        if (!next_line(&line, &line_length, &text, &length) || line_length < prefix
            || memcmp(line, lines[i].prefix, prefix) != 0
            || !lines[i].set(request, line + prefix, line_length - prefix)) {
            return false;
        }
    }
    return next_line(&line, &line_length, &text, &length) && line_length == 0 && length == 0
        && (request->length > 0 || request->directory[0] != '\0');
}
