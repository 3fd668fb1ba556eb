/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for a program that the helper starts: writes all that it has inherited into the file
 * dumps/state beside the settings, as `key value` lines and copies of files of /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void show_descriptors(FILE *out, int except)
{
    DIR *listing = opendir("/proc/self/fd");
    const struct dirent *entry;
    char path[64];
    char target[4096];
    ssize_t length;

    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == except || fd == dirfd(listing)) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        fprintf(out, "fd %d %s\n", fd, target);
    }
    if (listing != NULL) {
        closedir(listing);
    }
}

static void show_file(FILE *out, const char *name)
{
    char path[64];
    char line[512];
    FILE *in;

    snprintf(path, sizeof(path), "/proc/self/%s", name);
    in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        fprintf(out, "%s %s", name, line);
    }
    if (in != NULL) {
        fclose(in);
    }
}

/* Each of these must fail. */
static void show_ways_back(FILE *out)
{
    const gid_t root = 0;

    fprintf(out, "back setgid %d\n", setgid(0));
    fprintf(out, "back setegid %d\n", setegid(0));
    fprintf(out, "back setgroups %d\n", setgroups(1, &root));
    fprintf(out, "back setuid %d\n", setuid(0));
    fprintf(out, "back seteuid %d\n", seteuid(0));
}

int main(int argc, char *argv[])
{
    char path[4096];
    char directory[4096];
    FILE *out;
    int i;

    snprintf(path, sizeof(path), "%s/dumps/state", argc > 1 ? dirname(strdup(argv[1])) : "");
    out = fopen(path, "we");
    if (out == NULL || getcwd(directory, sizeof(directory)) == NULL) {
        return errno;
    }
    show_descriptors(out, fileno(out));
    for (i = 0; i < argc; i++) {
        fprintf(out, "argument %s\n", argv[i]);
    }
    for (i = 0; environ[i] != NULL; i++) {
        fprintf(out, "environment %s\n", environ[i]);
    }
    fprintf(out, "directory %s\n", directory);
    fprintf(out, "dumpable %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    show_file(out, "status");
    show_file(out, "limits");
    show_ways_back(out);
    return fclose(out);
}
