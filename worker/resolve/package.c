/* SPDX-License-Identifier: Apache-2.0 */
/* See package.h. */
#include "worker/resolve/package.h"

#include <apr_strings.h>
#include <rpm/rpmlib.h>
#include <stdlib.h>
#include <string.h>

#include "worker/path.h"

#define LINKS        "/usr/lib/.build-id/"
#define DEBUG_LINKS  "/usr/lib/debug/.build-id/"
#define DWZ_FILES    "/usr/lib/debug/.dwz/"
#define DEBUG_SUFFIX ".debug"
#define ID_MAX       128 /* digits of a build-id */

static bool is_hexadecimal(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

/* `/usr/lib/.build-id/ab/` and `cdef…`: the build-id abcdef…; a suffix must follow it. */
static const char *build_id_of(const char *root, const char *directory, const char *name,
                               const char *suffix, apr_pool_t *p)
{
    const char *digits = directory + strlen(root);
    size_t length = strlen(name);

    if (strlen(digits) != 3 || digits[2] != '/' || !is_hexadecimal(digits, 2)
        || length <= strlen(suffix) || strcmp(name + length - strlen(suffix), suffix) != 0) {
        return NULL;
    }
    length -= strlen(suffix);
    if (length > ID_MAX || !is_hexadecimal(name, length)) {
        return NULL;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, digits, 2), apr_pstrmemdup(p, name, length), NULL);
}

static const char *linked_path(const char *directory, const char *link, apr_pool_t *p)
{
    const char *path = link;

    if (link[0] == '\0') {
        return NULL;
    }
    if (link[0] != '/') {
        path = worker_path_join(apr_pstrmemdup(p, directory, strlen(directory) - 1), link, p);
    }
    return worker_path_is_plain(path) ? path : NULL;
}

static bool is_below(const char *directory, const char *root)
{
    return strncmp(directory, root, strlen(root)) == 0;
}

bool worker_package_file(worker_package_file_t *pfile, const char *directory, const char *name,
                         const char *link, apr_pool_t *p)
{
    worker_package_file_t file = { WORKER_FILE_EXECUTABLE, NULL, NULL };

    if (strcmp(directory, DWZ_FILES) == 0 && link[0] == '\0') {
        file.kind = WORKER_FILE_DWZ;
        file.key = apr_pstrdup(p, name);
        file.path = apr_pstrcat(p, directory, name, NULL);
    }
    else if (is_below(directory, LINKS)) {
        file.key = build_id_of(LINKS, directory, name, "", p);
        file.path = linked_path(directory, link, p);
    }
    else if (is_below(directory, DEBUG_LINKS)) {
        file.key = build_id_of(DEBUG_LINKS, directory, name, DEBUG_SUFFIX, p);
        file.path = link[0] != '\0' ? linked_path(directory, link, p)
                                    : apr_pstrcat(p, directory, name, NULL);
        file.kind = file.path != NULL && is_below(file.path, DWZ_FILES) ? WORKER_FILE_DWZ
                                                                        : WORKER_FILE_DEBUGINFO;
    }
    if (file.key == NULL || file.path == NULL || !worker_path_is_plain(file.path)) {
        return false;
    }
    *pfile = file;
    return true;
}

bool worker_package_may_be_listed(const char *path)
{
    return is_below(path, "/usr/lib/") && strstr(path, "/.") != NULL;
}

bool worker_package_listed(worker_file_kind_t *pkind, const char **pkey, const char *path,
                           apr_pool_t *p)
{
    const char *name = worker_path_name(path);
    const char *directory = apr_pstrmemdup(p, path, (size_t)(name - path));
    const char *key = NULL;
    worker_file_kind_t kind = WORKER_FILE_EXECUTABLE;

    if (!worker_path_is_plain(path)) {
        return false;
    }
    if (strcmp(directory, DWZ_FILES) == 0) {
        kind = WORKER_FILE_DWZ;
        key = apr_pstrdup(p, name);
    }
    else if (is_below(directory, DEBUG_LINKS)) {
        kind = WORKER_FILE_DEBUGINFO;
        key = build_id_of(DEBUG_LINKS, directory, name, DEBUG_SUFFIX, p);
    }
    else if (is_below(directory, LINKS)) {
        key = build_id_of(LINKS, directory, name, "", p);
    }
    if (key == NULL) {
        return false;
    }
    *pkind = kind;
    *pkey = key;
    return true;
}

/* Newer ones first. */
static int compare_versions(const worker_candidate_t *a, const worker_candidate_t *b)
{
    int order =
        rpmvercmp(b->epoch[0] != '\0' ? b->epoch : "0", a->epoch[0] != '\0' ? a->epoch : "0");

    if (order == 0) {
        order = rpmvercmp(b->version, a->version);
    }
    return order != 0 ? order : rpmvercmp(b->release, a->release);
}

static int compare(const void *first, const void *second)
{
    const worker_candidate_t *a = first;
    const worker_candidate_t *b = second;
    int order = (a->rank > b->rank) - (a->rank < b->rank);

    if (order == 0) {
        order = compare_versions(a, b);
    }
    return order != 0 ? order : strcmp(a->file, b->file);
}

void worker_candidates_sort(apr_array_header_t *candidates)
{
    qsort(candidates->elts, (size_t)candidates->nelts, sizeof(worker_candidate_t), compare);
}
