/* SPDX-License-Identifier: Apache-2.0 */
/* libwork: calls the C library, which calls back. Functions that MINOR is part of have another name
 * in each version. */
#include "work.h"

#include <stdlib.h>

static int put_in_order(struct item *items, int count, order_fn order)
{
    int last = count - 1;

    qsort(items, (size_t)count, sizeof(items[0]), order);
    return items[last].weight;
}

int arrange(struct item *items, int count, order_fn order)
{
    int heaviest = put_in_order(items, count, order);

    return heaviest + count;
}
