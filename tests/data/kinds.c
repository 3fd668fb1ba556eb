/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes of one kind, and of nothing else: the argument says which. The wild address is even, because
 * some processors refuse to jump to others. */
#include <stdlib.h>
#include <string.h>
#include <assert.h>
#include <signal.h>
#include <unistd.h>
static volatile long one = 1;
__attribute__((noinline)) static long recurse(long n)
{
    volatile char room[512];
    room[0] = 1;
    return n + recurse(n + one) + room[0];
}
__attribute__((noinline)) static void overflow(long n)
{
    char room[16];
    memset(room, 65, n);
    one = room[3];
}
int main(int argc, char **argv)
{
    volatile char *wild = (char *)(0x4141413f + one);
    switch (argv[1][0]) {
    case 'n':
        return *(volatile int *)(one - 1);
    case 'w':
        *wild = 1;
        break;
    case 'r':
        return *wild;
    case 'j':
        ((void (*)(void))wild)();
        break;
    case 'c':
        ((void (*)(void))(one - 1))();
        break;
    case 'a':
        abort();
    case 's':
        assert(one == 2);
        break;
    case 'd':
        return 7 / (int)(one - 1);
    case 'o':
        recurse(1);
        break;
    case 'b':
        overflow(200 * one);
        break;
    case 'u':
        __builtin_trap();
    case 'f': {
        char *p = malloc(100 * one);
        free(p);
        free(p);
        break;
    }
    case 'k':
        kill(getpid(), SIGSEGV);
        break;
    }
    return 0;
}
