/* SPDX-License-Identifier: Apache-2.0 */
/* See releases.h. */
#include "mod_retrace/releases.h"

#include <apr_strings.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/fs.h"

#define ID_MAX         100 /* characters of a release's id */
#define OS_RELEASE     "/etc/os-release"
#define OS_RELEASE_MAX 8192 /* bytes */

bool mr_releases_is_id(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *dash = strchr(text, '-');

    return text[0] != '.' && text[0] != '-' && strlen(text) <= ID_MAX
        && strspn(text, allowed) == strlen(text) && dash != NULL && strchr(dash + 1, '-') != NULL;
}

static bool is_repository(int repo_dir, const char *name, apr_pool_t *p)
{
    return mr_releases_is_id(name)
        && faccessat(repo_dir, apr_pstrcat(p, name, "/repodata", NULL), F_OK, 0) == 0;
}

apr_array_header_t *mr_releases_of_repositories(const retrace_config_t *config, apr_pool_t *p)
{
    apr_array_header_t *releases = apr_array_make(p, 32, sizeof(const char *));
    int fd = open(config->repo_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (listing == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return releases;
    }
    while ((entry = readdir(listing)) != NULL) {
        if (is_repository(dirfd(listing), entry->d_name, p)) {
            APR_ARRAY_PUSH(releases, const char *) = apr_pstrdup(p, entry->d_name);
        }
    }
    (void)closedir(listing);
    return releases;
}

/* The value of NAME=value or NAME="value"; NULL when there is no such line. */
static const char *find_value(const char *text, const char *name, apr_pool_t *p)
{
    size_t length = strlen(name);
    const char *line;

    for (line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, length) == 0 && line[length] == '=') {
            const char *value = line + length + 1;

            value += strspn(value, "\"'");
            return apr_pstrmemdup(p, value, strcspn(value, "\"'\n"));
        }
    }
    return NULL;
}

/* os-release(5) names it, and uname(2) its architecture as packages do. */
static const char *own_release(apr_pool_t *p)
{
    const char *text = "";
    const char *name;
    const char *version;
    const char *id;
    struct utsname machine;
    char *real = realpath(OS_RELEASE, NULL);

    if (real == NULL) {
        return NULL;
    }
    (void)retrace_fs_read(&text, NULL, AT_FDCWD, real, OS_RELEASE_MAX, NULL, p);
    free(real);
    name = find_value(text, "ID", p);
    version = find_value(text, "VERSION_ID", p);
    if (name == NULL || version == NULL || uname(&machine) != 0) {
        return NULL;
    }
    id = apr_pstrcat(p, name, "-", version, "-", machine.machine, NULL);
    return mr_releases_is_id(id) ? id : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return -strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static bool contains(const apr_array_header_t *releases, const char *id)
{
    int i;

    for (i = 0; i < releases->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(releases, i, const char *), id) == 0) {
            return true;
        }
    }
    return false;
}

apr_array_header_t *mr_releases_list(const retrace_config_t *config, apr_pool_t *p)
{
    apr_array_header_t *releases = mr_releases_of_repositories(config, p);
    const char *own = config->host_dirs[0] != '\0' ? own_release(p) : NULL;

    if (own != NULL && !contains(releases, own)) {
        APR_ARRAY_PUSH(releases, const char *) = own;
    }
    qsort(releases->elts, (size_t)releases->nelts, sizeof(const char *), compare_names);
    return releases;
}
