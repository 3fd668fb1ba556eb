/* SPDX-License-Identifier: Apache-2.0 */
/* See text.h. */
#include "helpers/task/text.h"

#include <stdint.h>
#include <string.h>

/* One length of a UTF-8 sequence: how its first byte looks, and the least code that may use it. */
typedef struct sequence_t {
    unsigned char mask;
    unsigned char lead;
    apr_size_t length;
    uint32_t least;
} sequence_t;

static const sequence_t sequences[] = {
    { 0x80, 0x00, 1, 0x0 },
    { 0xe0, 0xc0, 2, 0x80 },
    { 0xf0, 0xe0, 3, 0x800 },
    { 0xf8, 0xf0, 4, 0x10000 },
};

/* How many bytes the character at `at` takes, 0 when it is not UTF-8. */
static apr_size_t decode(uint32_t *pcode, const unsigned char *at, apr_size_t left)
{
    const sequence_t *sequence = sequences;
    const sequence_t *end = sequences + sizeof(sequences) / sizeof(sequences[0]);
    uint32_t code;
    apr_size_t i;

    while (sequence < end && (at[0] & sequence->mask) != sequence->lead) {
        sequence++;
    }
    if (sequence == end || sequence->length > left) {
        return 0;
    }
    code = at[0] & (unsigned char)~sequence->mask;
    for (i = 1; i < sequence->length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < sequence->least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    *pcode = code;
    return sequence->length;
}

static bool is_harmless(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && !(code >= 0x200e && code <= 0x200f)
        && !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

const char *task_text_clean(const char *text, apr_size_t length, task_text_t form, apr_pool_t *p)
{
    const unsigned char *in = (const unsigned char *)text;
    char *clean = apr_palloc(p, length + 1);
    char *out = clean;
    apr_size_t at = 0;

    while (at < length) {
        uint32_t code = 0;
        apr_size_t taken = decode(&code, in + at, length - at);

        if (code == '\n' || code == '\t') {
            *out++ = (char)(form == TASK_TEXT_LINES ? code : ' ');
        }
        else if (taken > 0 && is_harmless(code)) {
            memcpy(out, in + at, taken);
            out += taken;
        }
        else {
            *out++ = '?';
        }
        at += taken > 0 ? taken : 1;
    }
    *out = '\0';
    return clean;
}

bool task_text_is_word(const char *text, apr_size_t max)
{
    apr_size_t length = 0;

    while (length <= max && text[length] > ' ' && text[length] < 0x7f) {
        length++;
    }
    return length > 0 && length <= max && text[length] == '\0';
}
