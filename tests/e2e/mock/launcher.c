/* SPDX-License-Identifier: Apache-2.0 */
/* What consolehelper is to mock: lets the users of one group become root for one script, and tells
 * it who called. Compiled by the tests, with SCRIPT, into a directory of their own. */
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define MAX_WORDS 32768

int main(int argc, char *argv[])
{
    static char *words[MAX_WORDS] = { "/usr/bin/python3", "-I", "-B", SCRIPT };
    char caller[64];
    char *environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", caller, NULL };

    snprintf(caller, sizeof(caller), "USERHELPER_UID=%ld", (long)getuid());
    if (argc < 1 || argc + 4 > MAX_WORDS || setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0
        || setresuid(0, 0, 0) != 0) {
        return 1;
    }
    /* Mounts are there while a call runs, and for nobody else. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return 1;
    }
    memcpy(words + 4, argv + 1, (size_t)argc * sizeof(char *));
    execve(words[0], words, environment);
    return 1;
}
