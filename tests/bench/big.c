/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose core is about 200 MB: a third zeros, a third text, a third random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PART ((size_t)66 * 1024 * 1024)

static char *make_text(void)
{
    char *text = malloc(PART);
    size_t at = 0;
    int line = 0;

    while (at + 64 < PART) {
        at += (size_t)sprintf(text + at, "line %d: the quick brown fox jumps, %x\n", line,
                              (unsigned int)line * 2654435761U);
        line++;
    }
    return text;
}

static char *make_random(void)
{
    char *bytes = malloc(PART);
    size_t at;

    for (at = 0; at < PART; at += 65536) {
        if (getrandom(bytes + at, 65536, 0) != 65536) {
            abort();
        }
    }
    return bytes;
}

static int crash(const char *zeros, const char *text, const char *bytes)
{
    const volatile char *nothing = zeros[0] == 0 ? NULL : zeros;

    return *nothing + text[0] + bytes[0];
}

int main(void)
{
    char *zeros = malloc(PART);

    memset(zeros, 0, PART);
    return crash(zeros, make_text(), make_random());
}
