/* SPDX-License-Identifier: Apache-2.0 */
/* See id.h. */
#include "lib/id.h"

#include <stddef.h>

bool retrace_id_parse(const char *text, uint32_t *pid)
{
    uint32_t id = 0;
    size_t i;

    for (i = 0; i < RETRACE_ID_LEN; i++) {
        if (text[i] < (i == 0 ? '1' : '0') || text[i] > '9') {
            return false;
        }
        id = id * 10 + (uint32_t)(text[i] - '0');
    }
    if (text[RETRACE_ID_LEN] != '\0') {
        return false;
    }
    *pid = id;
    return true;
}

retrace_id_text_t retrace_id_format(uint32_t id)
{
    retrace_id_text_t out;
    size_t i;

    out.text[RETRACE_ID_LEN] = '\0';
    for (i = RETRACE_ID_LEN; i > 0; i--) {
        out.text[i - 1] = (char)('0' + id % 10);
        id /= 10;
    }
    return out;
}
