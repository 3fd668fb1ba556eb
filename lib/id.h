/* SPDX-License-Identifier: Apache-2.0 */
/* Task ids: nine decimal digits without a leading zero. libc only: the setuid helper links it. */
#ifndef RETRACE_ID_H
#define RETRACE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define RETRACE_ID_LEN 9
#define RETRACE_ID_MIN UINT32_C(100000000)
#define RETRACE_ID_MAX UINT32_C(999999999)

/** An id as text, NUL included. */
typedef struct retrace_id_text_t {
    char text[RETRACE_ID_LEN + 1];
} retrace_id_text_t;

/**
 * Read an id that is the whole of a string.
 * @param pid  written only on success
 * @return false when the text is anything but an id
 */
bool retrace_id_parse(const char *text, uint32_t *pid);

/** The id as text, by value: no memory to own. The id must be in the range above. */
retrace_id_text_t retrace_id_format(uint32_t id);

#endif
