/* SPDX-License-Identifier: Apache-2.0 */
/* A program of two threads that waits in one and crashes in the other, deep in a library. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "libparcel.h"

static atomic_int is_waiting;

static void *deliver(void *data)
{
    const struct parcel *parcel = data;
    int rounds = 2;

    while (!is_waiting) {
        sched_yield();
    }
    printf("%d\n", parcel_weigh(parcel, rounds));
    return NULL;
}

static int wait_for(pthread_t courier, const struct parcel *parcel)
{
    int result = 0;

    is_waiting = 1;
    result = pthread_join(courier, NULL);
    return result + parcel->weight;
}

int main(int argc, char *argv[])
{
    struct parcel parcel = { 21, argc > 1 ? argv[1] : "solid", 4.5 };
    pthread_t courier;

    pthread_create(&courier, NULL, deliver, &parcel);
    return wait_for(courier, &parcel);
}
