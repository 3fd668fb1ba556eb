/* SPDX-License-Identifier: Apache-2.0 */
/* See stream.h. */
#include "helpers/task/stream.h"

#include <string.h>

#define KEY "X-Task-Status: "

/* The word of a line, if it is one with a word that ends the task. */
static bool is_last(task_word_t *pword, const char *line, apr_size_t length)
{
    char word[32];
    apr_size_t key = sizeof(KEY) - 1;

    if (length <= key || length - key >= sizeof(word) || memcmp(line, KEY, key) != 0) {
        return false;
    }
    memcpy(word, line + key, length - key);
    word[length - key] = '\0';
    return task_word_parse(pword, word) && *pword != TASK_WORD_PENDING;
}

task_stream_t task_stream_parse(const char *body, apr_size_t length)
{
    task_stream_t stream = { .word = TASK_WORD_PENDING, .backtrace = "" };
    const char *end = body + length;
    const char *line = body;

    while (line < end) {
        const char *feed = memchr(line, '\n', (apr_size_t)(end - line));
        const char *stop = feed != NULL ? feed : end;
        const char *next = feed != NULL ? feed + 1 : end;

        if (is_last(&stream.word, line, (apr_size_t)(stop - line))) {
            stream.backtrace = next;
            stream.length = stream.word == TASK_WORD_SUCCESS ? (apr_size_t)(end - next) : 0;
            return stream;
        }
        line = next;
    }
    stream.word = TASK_WORD_PENDING;
    return stream;
}
