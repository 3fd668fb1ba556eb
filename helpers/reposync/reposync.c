/* SPDX-License-Identifier: Apache-2.0 */
/* See reposync.h. */
#include "helpers/reposync/reposync.h"

#include <stdarg.h>
#include <stdio.h>

#include "helpers/task/interrupt.h"

bool reposync_is_over(const reposync_t *sync)
{
    return task_interrupt_came(sync->interrupt);
}

void reposync_tell(reposync_t *sync, const char *format, ...)
{
    va_list arguments;

    task_progress_clear(&sync->progress);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}
