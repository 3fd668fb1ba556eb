/* SPDX-License-Identifier: Apache-2.0 */
/* See releases.h. */
#include "mod_retrace/releases.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/fs.h"
#include "lib/release.h"
#include "mod_retrace/packages.h"

#define OS_RELEASE     "/etc/os-release"
#define OS_RELEASE_MAX 8192 /* bytes */

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
    return retrace_release_is_name(id) ? id : NULL;
}

/* Newest first. */
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

/* Releases of which no package can be used are not told: their clients would send crashes in vain.
 * Unless their files may come from elsewhere. */
static apr_array_header_t *list_usable(const retrace_config_t *config, apr_pool_t *p)
{
    const apr_array_header_t *releases = retrace_release_names(config->repo_dir, p);
    apr_array_header_t *usable = apr_array_make(p, releases->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < releases->nelts; i++) {
        const char *release = APR_ARRAY_IDX(releases, i, const char *);

        if (config->debuginfod_urls[0] != '\0'
            || mr_packages_has_any(config, release, p) != MR_PACKAGES_NO) {
            APR_ARRAY_PUSH(usable, const char *) = release;
        }
    }
    return usable;
}

apr_array_header_t *mr_releases_list(const retrace_config_t *config, apr_pool_t *p)
{
    apr_array_header_t *releases = list_usable(config, p);
    const char *own = config->host_dirs[0] != '\0' ? own_release(p) : NULL;

    if (own != NULL && !contains(releases, own)) {
        APR_ARRAY_PUSH(releases, const char *) = own;
    }
    qsort(releases->elts, (size_t)releases->nelts, sizeof(const char *), compare_names);
    return releases;
}

void mr_releases_add_aliases(apr_array_header_t *releases, apr_pool_t *p)
{
    apr_array_header_t *aliases = apr_array_make(p, 32, sizeof(const char *));
    int i;

    for (i = 0; i < releases->nelts; i++) {
        retrace_release_add_aliases(aliases, APR_ARRAY_IDX(releases, i, const char *));
    }
    for (i = 0; i < aliases->nelts; i++) {
        if (!contains(releases, APR_ARRAY_IDX(aliases, i, const char *))) {
            APR_ARRAY_PUSH(releases, const char *) = APR_ARRAY_IDX(aliases, i, const char *);
        }
    }
}
