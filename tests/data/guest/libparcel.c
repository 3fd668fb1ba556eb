/* SPDX-License-Identifier: Apache-2.0 */
/* A library of its own for parcel.c: the crash happens in it. */
#include "libparcel.h"

static int *find_scale(const struct parcel *parcel)
{
    static int scale;

    return parcel->label[0] == 'f' ? (int *)0x10 : &scale;
}

static int put_on_scale(const struct parcel *parcel, int left)
{
    int *scale = find_scale(parcel);
    int twice = parcel->weight * 2;

    if (left > 0) {
        return put_on_scale(parcel, left - 1) + left;
    }
    *scale = twice; /* the crash */
    return twice;
}

int parcel_weigh(const struct parcel *parcel, int rounds)
{
    return put_on_scale(parcel, rounds) + 1;
}
