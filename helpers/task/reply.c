/* SPDX-License-Identifier: Apache-2.0 */
/* See reply.h. */
#include "helpers/task/reply.h"

#include <apr_strings.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "helpers/task/json.h"
#include "helpers/task/text.h"

#define FIRST_ROOM   4096
#define SENTENCE_MAX 300 /* bytes of the server's sentence that are shown */

typedef struct field_t {
    const char *name;
    size_t offset;
} field_t;

static const field_t fields[] = {
    { "Content-Type", offsetof(task_reply_t, content_type) },
    { "Location", offsetof(task_reply_t, location) },
    { "X-Task-Id", offsetof(task_reply_t, task_id) },
    { "X-Task-Password", offsetof(task_reply_t, task_password) },
    { "X-Task-Status", offsetof(task_reply_t, task_status) },
    { "X-Task-Est-Time", offsetof(task_reply_t, task_estimate) },
};

typedef struct meaning_t {
    int status;
    task_exit_t exit;
} meaning_t;

static const meaning_t meanings[] = {
    { 401, TASK_EXIT_REFUSED },     { 403, TASK_EXIT_REFUSED },     { 408, TASK_EXIT_UNAVAILABLE },
    { 409, TASK_EXIT_REFUSED },     { 410, TASK_EXIT_NO_TASK },     { 413, TASK_EXIT_SOURCE },
    { 429, TASK_EXIT_UNAVAILABLE }, { 500, TASK_EXIT_UNAVAILABLE }, { 502, TASK_EXIT_UNAVAILABLE },
    { 503, TASK_EXIT_UNAVAILABLE }, { 504, TASK_EXIT_UNAVAILABLE }, { 507, TASK_EXIT_UNAVAILABLE },
};

/* --- Putting it together ------------------------------------------------------------------- */

void reply_builder_start(reply_builder_t *builder, int64_t max_bytes, apr_pool_t *p)
{
    *builder = (reply_builder_t){ .max_bytes = max_bytes, .pool = p };
}

static void take_field(reply_builder_t *builder, const char *line)
{
    const char *colon = strchr(line, ':');
    size_t i;

    if (colon == NULL) {
        return;
    }
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t length = strlen(fields[i].name);

        if ((size_t)(colon - line) == length && strncasecmp(line, fields[i].name, length) == 0) {
            const char *value = colon + 1 + strspn(colon + 1, " \t");

            memcpy((char *)&builder->reply + fields[i].offset, &value, sizeof(value));
        }
    }
}

bool reply_builder_header(reply_builder_t *builder, const char *line, apr_size_t length)
{
    char *copy;

    builder->header_bytes += length;
    if (builder->header_bytes > TASK_HEADERS_MAX) {
        builder->is_too_long = true;
        return false;
    }
    while (length > 0 && strchr("\r\n \t", line[length - 1]) != NULL) {
        length--;
    }
    copy = apr_pstrmemdup(builder->pool, line, length);
    if (strncasecmp(copy, "HTTP/", 5) == 0) {
        const char *blank = strchr(copy, ' ');

        builder->reply =
            (task_reply_t){ .status = blank != NULL ? (int)strtol(blank, NULL, 10) : 0 };
    }
    else if (length > 0) {
        take_field(builder, copy);
    }
    else {
        builder->is_complete = builder->reply.status >= 200;
    }
    return true;
}

bool reply_builder_body(reply_builder_t *builder, const char *data, apr_size_t length)
{
    apr_size_t need = builder->used + length + 1;

    if ((int64_t)(builder->used + length) > builder->max_bytes) {
        builder->is_too_long = true;
        return false;
    }
    if (need > builder->room) {
        apr_size_t room = builder->room < FIRST_ROOM ? FIRST_ROOM : builder->room;
        char *larger;

        while (room < need) {
            room *= 2;
        }
        larger = apr_palloc(builder->pool, room);
        if (builder->used > 0) {
            memcpy(larger, builder->body, builder->used);
        }
        builder->body = larger;
        builder->room = room;
    }
    memcpy(builder->body + builder->used, data, length);
    builder->used += length;
    builder->body[builder->used] = '\0';
    return true;
}

const task_reply_t *reply_builder_finish(reply_builder_t *builder)
{
    builder->reply.body = builder->body != NULL ? builder->body : "";
    builder->reply.length = builder->used;
    return &builder->reply;
}

/* --- What it means ------------------------------------------------------------------------- */

static task_exit_t meaning_of(int status, task_exit_t missing)
{
    size_t i;

    if (status == 404) {
        return missing;
    }
    for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].status == status) {
            return meanings[i].exit;
        }
    }
    return TASK_EXIT_PROTOCOL;
}

static const char *text_of(const task_reply_t *reply, apr_pool_t *p)
{
    json_t *object = NULL;
    const char *text = NULL;

    if (!task_type_is_json(reply->content_type)) {
        return reply->body;
    }
    if (task_json_load(&object, reply->body, reply->length, NULL, p) == APR_SUCCESS) {
        text = json_string_value(json_object_get(object, "error"));
    }
    return text != NULL ? text : "";
}

/* What the server says for people; a page of a web server or of a proxy is not for a terminal. */
static const char *sentence_of(const task_reply_t *reply, apr_pool_t *p)
{
    const char *text = text_of(reply, p);
    apr_size_t length = strnlen(text, SENTENCE_MAX);

    if (reply->status >= 300 && reply->status < 400 && reply->location != NULL) {
        return apr_pstrcat(p, "the address is another one, ",
                           apr_pstrndup(p, reply->location, SENTENCE_MAX), NULL);
    }
    if (length == 0 || text[0] == '<') {
        return "it gives no reason";
    }
    while (length > 0 && (text[length - 1] == '.' || text[length - 1] == '\n')) {
        length--;
    }
    return task_text_clean(text, length, TASK_TEXT_LINE, p);
}

apr_status_t task_reply_fail(const task_reply_t *reply, task_exit_t missing, retrace_error_t *err,
                             apr_pool_t *p)
{
    return retrace_fail(err, TASK_STATUS(meaning_of(reply->status, missing)),
                        "the server answers %d: %s", reply->status, sentence_of(reply, p));
}
