/* SPDX-License-Identifier: Apache-2.0 */
/* See python_helper.h. The helper is code that gdb runs: nothing of a crash has a say in it but the
 * version, and a file that is not root's could be anybody's. */
#include "worker/python_helper.h"

#include <apr_strings.h>
#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/path.h"

#define ABI_FLAGS "dmtu" /* of a build: debug, pymalloc, free-threaded, wide characters */

static const char *skip_word(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0 ? text + strlen(word) : text;
}

static const char *skip_digits(const char *text)
{
    while (isdigit((unsigned char)*text)) {
        text++;
    }
    return text;
}

const char *worker_python_version_of(const char *name, apr_pool_t *p)
{
    const char *word = skip_word(skip_word(name, "platform-"), "lib");
    const char *version = skip_word(word, "python");
    const char *dot = skip_digits(version);
    const char *end = *dot == '.' ? skip_digits(dot + 1) : dot;
    const char *behind = end + strspn(end, ABI_FLAGS);

    if (version == word || dot == version || end <= dot + 1) {
        return NULL;
    }
    return *behind == '\0' || *behind == '.' || *behind == '-'
        ? apr_pstrndup(p, version, (apr_size_t)(end - version))
        : NULL;
}

const char *worker_python_version(const worker_core_t *core, apr_pool_t *p)
{
    const char *version = NULL;
    int i;

    for (i = 0; i < core->modules->nelts && version == NULL; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf) {
            version = worker_python_version_of(worker_path_name(module->path), p);
        }
    }
    return version;
}

/* Where others may write, but not remove what is not theirs, root's file stays root's. */
static bool is_roots(const char *path, bool is_file)
{
    struct stat info;

    if (lstat(path, &info) != 0 || info.st_uid != 0
        || !(is_file ? S_ISREG(info.st_mode) : S_ISDIR(info.st_mode))) {
        return false;
    }
    return (info.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (!is_file && (info.st_mode & S_ISVTX) != 0);
}

/* @param path  real: no link in it */
static bool is_trusted(const char *path, apr_pool_t *p)
{
    char *above = apr_pstrdup(p, path);
    char *slash;

    if (!is_roots(path, true)) {
        return false;
    }
    while ((slash = strrchr(above, '/')) != above) {
        *slash = '\0';
        if (!is_roots(above, false)) {
            return false;
        }
    }
    return is_roots("/", false);
}

static apr_status_t choose(const char **ppath, const glob_t *matches, const char *version,
                           retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv =
        retrace_fail(err, APR_NOTFOUND, "PythonHelpers has none for Python %s", version);
    size_t i;

    for (i = matches->gl_pathc; i-- > 0 && rv != APR_SUCCESS;) {
        const char *match = matches->gl_pathv[i];
        const char *its = worker_python_version_of(worker_path_name(match), p);
        char real[PATH_MAX];

        if (its == NULL || strcmp(its, version) != 0 || realpath(match, real) == NULL) {
            continue;
        }
        if (is_trusted(real, p)) {
            *ppath = apr_pstrdup(p, real);
            rv = APR_SUCCESS;
        }
        else {
            rv = retrace_fail(err, APR_EINVAL, "%s is not root's alone to write", match);
        }
    }
    return rv;
}

apr_status_t worker_python_helper(const char **ppath, const char *pattern, const char *version,
                                  retrace_error_t *err, apr_pool_t *p)
{
    glob_t matches = { 0 };
    apr_status_t rv;

    (void)glob(pattern, GLOB_BRACE, NULL, &matches);
    rv = choose(ppath, &matches, version, err, p);
    globfree(&matches);
    return rv;
}
