/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files and the directories of files that are its arguments, so that
 * every finding of the fuzzer stays fixed without a fuzzer. Fails when there was nothing to run:
 * a moved directory of seeds must not look like success. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAX_SEED (64 * 1024 * 1024) /* bytes; larger files are an error */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Run one file; its bytes are on the heap in their exact size, so that a sanitizer sees overreads.
 */
static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data;
    bool is_read;

    if (file == NULL || fstat(fileno(file), &status) != 0 || status.st_size > MAX_SEED) {
        fprintf(stderr, "cannot read seed %s\n", path);
        if (file != NULL) {
            fclose(file);
        }
        return false;
    }
    data = malloc((size_t)status.st_size + (status.st_size == 0));
    is_read =
        data != NULL && fread(data, 1, (size_t)status.st_size, file) == (size_t)status.st_size;
    if (is_read) {
        LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
    }
    else {
        fprintf(stderr, "cannot read seed %s\n", path);
    }
    free(data);
    fclose(file);
    return is_read;
}

static bool replay_directory(const char *path, DIR *directory, int *pcount)
{
    char name[4096];
    struct dirent *entry;

    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name)
            || !replay_file(name)) {
            return false;
        }
        (*pcount)++;
    }
    return true;
}

static bool replay(const char *path, int *pcount)
{
    DIR *directory = opendir(path);
    bool is_done;

    if (directory == NULL) {
        (*pcount)++;
        return replay_file(path);
    }
    is_done = replay_directory(path, directory, pcount);
    closedir(directory);
    return is_done;
}

int main(int argc, char *argv[])
{
    int count = 0;
    int i;

    for (i = 1; i < argc; i++) {
        if (!replay(argv[i], &count)) {
            return 1;
        }
    }
    printf("%d seeds replayed\n", count);
    return count == 0;
}
