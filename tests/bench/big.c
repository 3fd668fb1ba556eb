/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose core is about 200 MB (or three times its argument): zeros, text and random bytes, a megabyte of each in turn,
 * so that no part of the upload is much faster or slower to decode than another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLICE  ((size_t)1024 * 1024)
#define SLICES 198

static void fill_with_text(char *slice, int number)
{
    size_t at = 0;
    unsigned int line = (unsigned int)number << 16;

    while (at + 80 < SLICE) {
        at += (size_t)sprintf(slice + at, "line %u: the quick brown fox jumps, %x\n", line,
                              line * 2654435761U);
        line++;
    }
}

static void fill_with_random(char *slice)
{
    size_t at;

    for (at = 0; at < SLICE; at += 65536) {
        if (getrandom(slice + at, 65536, 0) != 65536) {
            abort();
        }
    }
}

static int crash(const char *data, const char *nothing)
{
    return *(const volatile char *)nothing + data[0];
}

int main(int argc, char *argv[])
{
    int slices = argc > 1 ? atoi(argv[1]) * 3 : SLICES;
    char *data = malloc((size_t)slices * SLICE);
    int i;

    memset(data, 0, (size_t)slices * SLICE);
    for (i = 0; i < slices; i += 3) {
        fill_with_text(data + (size_t)(i + 1) * SLICE, i);
        fill_with_random(data + (size_t)(i + 2) * SLICE);
    }
    return crash(data, NULL);
}
