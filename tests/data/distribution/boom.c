/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin: what crashes in the end, called by the C library, called by libwork. */
#include "work.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left;
    int surplus = a->weight - 2;
    int *nowhere = NULL;

    *nowhere = surplus;
    return right != NULL;
}

static int fall(const struct job *job, int left)
{
    struct item items[] = { { "first", 42 }, { "second", 2 }, { job->name, 3 } };
    int step = left * 10;

    if (left > 0) {
        return fall(job, left - 1) + step;
    }
    return arrange(items, 3, compare_items);
}

int boom(const struct job *job, int depth)
{
    return fall(job, depth) + 1;
}
