/* SPDX-License-Identifier: Apache-2.0 */
/* See path.h. */
#include "worker/path.h"

#include <apr_strings.h>
#include <string.h>

#define PATH_MAX_BYTES 4096

static bool is_plain_component(const char *component, size_t length)
{
    return length > 0 && !(length == 1 && component[0] == '.')
        && !(length == 2 && component[0] == '.' && component[1] == '.');
}

bool worker_path_is_plain(const char *path)
{
    const char *at;
    size_t length;

    if (path[0] != '/' || strlen(path) >= PATH_MAX_BYTES) {
        return false;
    }
    for (at = path; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return false;
        }
    }
    for (at = path; *at == '/'; at += length) {
        at++;
        length = strcspn(at, "/");
        if (!is_plain_component(at, length)) {
            return false;
        }
    }
    return true;
}

bool worker_path_is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    while (length > 0 && directory[length - 1] == '/') {
        length--;
    }
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

const char *worker_path_directory(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL || slash == path ? "/" : apr_pstrmemdup(p, path, (size_t)(slash - path));
}

const char *worker_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

const char *worker_path_join(const char *directory, const char *relative, apr_pool_t *p)
{
    char *result = apr_pstrdup(p, directory);
    char *rest = apr_pstrdup(p, relative);
    char *component;
    char *slash;

    while ((component = strsep(&rest, "/")) != NULL) {
        if (component[0] == '\0' || strcmp(component, ".") == 0) {
            continue;
        }
        if (strcmp(component, "..") != 0) {
            result = apr_pstrcat(p, strcmp(result, "/") == 0 ? "" : result, "/", component, NULL);
            continue;
        }
        slash = strrchr(result, '/');
        if (slash == NULL || strcmp(result, "/") == 0) {
            return "..";
        }
        *slash = '\0';
        if (result[0] == '\0') {
            result = apr_pstrdup(p, "/");
        }
    }
    return result;
}
