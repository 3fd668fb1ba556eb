/* SPDX-License-Identifier: Apache-2.0 */
/* See reposync.h. */
#include "helpers/reposync/reposync.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "helpers/task/interrupt.h"
#include "helpers/task/text.h"

#define LINE_MAX_BYTES 2048 /* of a line, with its NUL; what is longer is cut */

bool reposync_is_over(const reposync_t *sync)
{
    return task_interrupt_came(sync->interrupt);
}

/* Names, and what servers answer, are somebody else's, and a terminal obeys control characters. */
void reposync_tell(reposync_t *sync, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;
    apr_pool_t *pool = NULL;

    task_progress_clear(&sync->progress);
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (apr_pool_create(&pool, NULL) == APR_SUCCESS) {
        fprintf(stderr, "%s\n", task_text_clean(line, strlen(line), TASK_TEXT_LINE, pool));
        apr_pool_destroy(pool);
    }
}
