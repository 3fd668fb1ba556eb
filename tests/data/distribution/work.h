/* SPDX-License-Identifier: Apache-2.0 */
/* What the library, the plugin and the program share. */
#ifndef WORK_H
#define WORK_H

struct item {
    const char *name;
    int weight;
};

struct job {
    int number;
    const char *name;
};

typedef int (*order_fn)(const void *left, const void *right);

int arrange(struct item *items, int count, order_fn order);

#endif
