/* SPDX-License-Identifier: Apache-2.0 */
/* See progress.h. */
#include "helpers/task/progress.h"

#include <string.h>

#define BAR   30
#define LABEL 33 /* what is left of a line, whatever the number is */
/* The former line may be longer. */
#define ERASE "\r\033[K"

int task_progress_percent(int64_t done, int64_t whole)
{
    if (whole <= 0) {
        return -1;
    }
    return done >= whole ? 100 : (int)(done * 100 / whole);
}

void task_progress_format(char line[TASK_PROGRESS_LINE], const char *label, int percent)
{
    char bar[BAR + 1];
    int i;

    if (percent < 0) {
        snprintf(line, TASK_PROGRESS_LINE, "%.*s", TASK_PROGRESS_LINE - 1, label);
        return;
    }
    for (i = 0; i < BAR; i++) {
        bar[i] = i < percent * BAR / 100 ? '#' : '.';
    }
    bar[BAR] = '\0';
    snprintf(line, TASK_PROGRESS_LINE, "[%s] %3d %% %.*s", bar, percent, LABEL, label);
}

void task_progress_show(task_progress_t *progress, const char *label, int percent)
{
    char line[TASK_PROGRESS_LINE];

    if (progress->out == NULL) {
        return;
    }
    task_progress_format(line, label, percent);
    if (strcmp(line, progress->shown) != 0) {
        memcpy(progress->shown, line, sizeof(line));
        fprintf(progress->out, ERASE "%s", line);
        fflush(progress->out);
    }
}

void task_progress_clear(task_progress_t *progress)
{
    if (progress->out != NULL && progress->shown[0] != '\0') {
        progress->shown[0] = '\0';
        fputs(ERASE, progress->out);
        fflush(progress->out);
    }
}
