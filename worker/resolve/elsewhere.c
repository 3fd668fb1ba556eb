/* SPDX-License-Identifier: Apache-2.0 */
/* See elsewhere.h: what both sides need. */
#include "worker/resolve/elsewhere.h"

#include <string.h>

int worker_elsewhere_split(const char *fields[WORKER_ELSEWHERE_FIELDS], char *line)
{
    int count = 0;
    int i;

    line[strcspn(line, "\n")] = '\0';
    while (line != NULL && count < WORKER_ELSEWHERE_FIELDS) {
        fields[count++] = strsep(&line, "\t");
    }
    for (i = count; i < WORKER_ELSEWHERE_FIELDS; i++) {
        fields[i] = "";
    }
    return line == NULL ? count : 0;
}
