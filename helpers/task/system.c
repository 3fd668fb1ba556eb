/* SPDX-License-Identifier: Apache-2.0 */
/* See system.h. */
#include "helpers/task/system.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define OS_RELEASE_MAX 4096 /* bytes; the rest is not looked at */

const char *task_system_value(const char *text, const char *key, apr_pool_t *p)
{
    size_t length = strlen(key);
    const char *line = text;

    while (line != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            const char *value = line + length + 1;
            size_t end = strcspn(value, "\n");

            if (end >= 2 && (value[0] == '"' || value[0] == '\'') && value[end - 1] == value[0]) {
                return apr_pstrmemdup(p, value + 1, end - 2);
            }
            return apr_pstrmemdup(p, value, end);
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return NULL;
}

const char *task_system_release(apr_pool_t *p)
{
    char text[OS_RELEASE_MAX + 1];
    int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC); /* often a symbolic link */
    ssize_t got;

    if (fd < 0) {
        return NULL;
    }
    got = read(fd, text, OS_RELEASE_MAX);
    (void)close(fd);
    if (got <= 0) {
        return NULL;
    }
    text[got] = '\0';
    return task_system_value(text, "PRETTY_NAME", p);
}
