/* SPDX-License-Identifier: Apache-2.0 */
/* See text.h. */
#include "worker/text.h"

#include <apr_strings.h>
#include <string.h>

/* Length of the UTF-8 character at the beginning, 0 when it is none, or a control character. */
static apr_size_t good_character(const unsigned char *at, apr_size_t left)
{
    static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned long code;
    apr_size_t length;
    apr_size_t i;

    if (at[0] < 0x80) {
        return at[0] == '\n' || at[0] == '\t' || (at[0] >= 0x20 && at[0] != 0x7f) ? 1 : 0;
    }
    length = at[0] >= 0xf0 && at[0] < 0xf8 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] >= 0xf8 || length > left) {
        return 0;
    }
    code = at[0] & (0x7fu >> length);
    for (i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return code < 0xa0 ? 0 : length; /* U+0080 to U+009F are control characters, too */
}

const char *worker_text_clean(const char *text, apr_size_t length, apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = (const unsigned char *)text;
    apr_size_t bad = 0;
    apr_size_t at;
    apr_size_t step;
    char *clean;
    char *out;

    for (at = 0; at < length; at += step) {
        step = good_character(in + at, length - at);
        bad += step == 0;
        step += step == 0;
    }
    clean = apr_palloc(p, length + 3 * bad + 1);
    out = clean;
    for (at = 0; at < length; at += step) {
        step = good_character(in + at, length - at);
        if (step > 0) {
            memcpy(out, in + at, step);
            out += step;
            continue;
        }
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[in[at] >> 4];
        *out++ = digits[in[at] & 15];
        step = 1;
    }
    *out = '\0';
    return clean;
}

const char *worker_text_list(const char *list, const char *item, apr_pool_t *p)
{
    if (list[0] == '\0' || item[0] == '\0') {
        return list[0] == '\0' ? item : list;
    }
    return apr_pstrcat(p, list, ", ", item, NULL);
}
