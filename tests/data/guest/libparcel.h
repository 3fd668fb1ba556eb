/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RETRACE_TESTS_LIBPARCEL_H
#define RETRACE_TESTS_LIBPARCEL_H

struct parcel {
    int weight;
    const char *label;
    double price;
};

/* Crashes for a parcel whose label begins with 'f'. */
int parcel_weigh(const struct parcel *parcel, int rounds);

#endif
