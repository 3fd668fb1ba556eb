/* SPDX-License-Identifier: Apache-2.0 */
/* See reposync.h. */
#include "helpers/reposync/reposync.h"

#include <stdarg.h>
#include <stdio.h>

#include "helpers/task/interrupt.h"

#define LINE_MAX_BYTES 2048 /* of a line, with its NUL; what is longer is cut */

bool reposync_is_over(const reposync_t *sync)
{
    return task_interrupt_came(sync->interrupt);
}

/* Names, and what servers answer, are somebody else's, and a terminal obeys control characters. */
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

void reposync_tell(reposync_t *sync, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;

    task_progress_clear(&sync->progress);
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    clean(line);
    fprintf(stderr, "%s\n", line);
}
