/* SPDX-License-Identifier: Apache-2.0 */
/* gdb's own files on this machine, whatever the distribution: the loader is asked for the
 * libraries, and their names and places tell where the rest is. */
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/capture.h"
#include "worker/elf_file.h"
#include "worker/gdb_private.h"

#define PYTHON_LIBRARY "libpython"
#define UTF8_LOCALE    "C.utf8"

static void add_bind(apr_array_header_t *binds, const char *source, const char *target)
{
    APR_ARRAY_PUSH(binds, worker_bind_t) = (worker_bind_t){ source, target };
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The directory part of an absolute path, "" for "/x". */
static const char *parent_of(const char *path, apr_pool_t *p)
{
    return apr_pstrndup(p, path, (apr_size_t)(strrchr(path, '/') - path));
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* The loader of a program; NULL when it is a script, static or not there. */
static const char *loader_of(const char *program, apr_pool_t *p)
{
    worker_elf_file_t *file = NULL;
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    apr_status_t rv;

    if (fd < 0) {
        return NULL;
    }
    rv = worker_elf_file_read(&file, fd, NULL, p);
    close(fd);
    return rv == APR_SUCCESS ? file->interpreter : NULL;
}

/* Where gdb is a script that chooses one of several, the program of that name is in libexec. */
static apr_status_t find_program(const char **pprogram, const char **ploader, const char *gdb,
                                 retrace_error_t *err, apr_pool_t *p)
{
    const char *program = gdb;

    if (gdb[0] != '/' || access(gdb, R_OK | X_OK) != 0) {
        return retrace_fail(err, APR_ENOENT, "find gdb at %s", gdb);
    }
    *ploader = loader_of(program, p);
    if (*ploader == NULL) {
        program = apr_pstrcat(p, parent_of(parent_of(gdb, p), p), "/libexec/", name_of(gdb), NULL);
        *ploader = loader_of(program, p);
    }
    if (*ploader == NULL) {
        return retrace_fail(err, APR_ENOENT, "find the loader of %s", gdb);
    }
    *pprogram = program;
    return APR_SUCCESS;
}

/* `NAME => PATH (ADDRESS)`; the loader itself and the vdso have no arrow. */
static bool parse_library(const char **pname, const char **ppath, const char *line,
                          apr_size_t length, apr_pool_t *p)
{
    static const char arrow[] = " => /";
    const char *copy = apr_pstrndup(p, line, length);
    const char *at = strstr(copy, arrow);
    const char *end = at != NULL ? strstr(at, " (0x") : NULL;

    copy += strspn(copy, " \t");
    if (end == NULL || at <= copy) {
        return false;
    }
    *pname = apr_pstrndup(p, copy, (apr_size_t)(at - copy));
    at += sizeof(arrow) - 2;
    *ppath = apr_pstrndup(p, at, (apr_size_t)(end - at));
    return strchr(*pname, '/') == NULL;
}

/* The next library of a list; NULL at its end. */
static const char *next_library(const char **pname, const char **ppath, const char *list,
                                apr_pool_t *p)
{
    while (*list != '\0') {
        apr_size_t length = strcspn(list, "\n");
        bool found = parse_library(pname, ppath, list, length, p);

        list += length + (list[length] == '\n');
        if (found) {
            return list;
        }
    }
    return NULL;
}

void worker_gdb_libraries(apr_array_header_t *binds, const char *list, apr_pool_t *p)
{
    const char *name;
    const char *path;

    while ((list = next_library(&name, &path, list, p)) != NULL) {
        add_bind(binds, path, apr_pstrcat(p, WORKER_GDB_AT_LIBRARIES "/", name, NULL));
    }
}

const char *worker_gdb_python_version(const char *list, const char **pdirectory, apr_pool_t *p)
{
    static const apr_size_t prefix = sizeof(PYTHON_LIBRARY) - 1;
    const char *name;
    const char *path;

    while ((list = next_library(&name, &path, list, p)) != NULL) {
        apr_size_t length;

        if (strncmp(name, PYTHON_LIBRARY, prefix) != 0) {
            continue;
        }
        length = strspn(name + prefix, "0123456789.");
        while (length > 0 && name[prefix + length - 1] == '.') {
            length--;
        }
        *pdirectory = parent_of(path, p);
        return apr_pstrndup(p, name + prefix, length);
    }
    return NULL;
}

/* Beside the library or above it: /usr/lib64/python3.12, or /usr/lib/python3.11 for a library in
 * /usr/lib/x86_64-linux-gnu. It is shown at both places where a Python may look in its home. */
static void add_python(apr_array_header_t *binds, const char *list, apr_pool_t *p)
{
    const char *directory = NULL;
    const char *version = worker_gdb_python_version(list, &directory, p);
    const char *name;
    const char *found = NULL;

    if (version == NULL) {
        return;
    }
    name = apr_pstrcat(p, "/python", version, NULL);
    while (found == NULL && directory[0] != '\0') {
        const char *candidate = apr_pstrcat(p, directory, name, NULL);

        if (access(apr_pstrcat(p, candidate, "/encodings", NULL), R_OK) == 0) {
            found = candidate;
        }
        directory = parent_of(directory, p);
    }
    if (found != NULL) {
        add_bind(binds, found, apr_pstrcat(p, WORKER_GDB_AT_PYTHON "/lib", name, NULL));
        add_bind(binds, found, apr_pstrcat(p, WORKER_GDB_AT_PYTHON "/lib64", name, NULL));
    }
}

/* What only makes text look better: strings of the program that are not ASCII. */
static void add_text_files(apr_array_header_t *binds, const char *list, apr_pool_t *p)
{
    static const char *const locales[] = { "/usr/lib/locale/" UTF8_LOCALE,
                                           "/usr/lib64/locale/" UTF8_LOCALE, NULL };
    const char *name;
    const char *path;
    int i;

    for (i = 0; locales[i] != NULL; i++) {
        if (is_directory(locales[i])) {
            add_bind(binds, locales[i], WORKER_GDB_AT_LOCALES "/" UTF8_LOCALE);
            break;
        }
    }
    while ((list = next_library(&name, &path, list, p)) != NULL) {
        const char *charsets = apr_pstrcat(p, parent_of(path, p), "/gconv", NULL);

        if (strncmp(name, "libc.so.", 8) == 0 && is_directory(charsets)) {
            add_bind(binds, charsets, WORKER_GDB_AT_CHARSETS);
            break;
        }
    }
}

static apr_status_t add_data(apr_array_header_t *binds, const char *gdb, retrace_error_t *err,
                             apr_pool_t *p)
{
    const char *beside = apr_pstrcat(p, parent_of(parent_of(gdb, p), p), "/share/gdb", NULL);
    const char *data = is_directory(beside) ? beside : "/usr/share/gdb";

    if (!is_directory(data)) {
        return retrace_fail(err, APR_ENOENT, "find the data directory of %s", gdb);
    }
    add_bind(binds, data, WORKER_GDB_AT_DATA);
    return APR_SUCCESS;
}

apr_status_t worker_gdb_files(apr_array_header_t *binds, const char *gdb, retrace_error_t *err,
                              apr_pool_t *p)
{
    const char *program = NULL;
    const char *loader = NULL;
    const char *list = NULL;
    apr_status_t rv;

    rv = find_program(&program, &loader, gdb, err, p);
    if (rv == APR_SUCCESS) {
        const char *const ask[] = { loader, "--list", program, NULL };

        rv = worker_capture(&list, ask, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = add_data(binds, gdb, err, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_bind(binds, loader, WORKER_GDB_AT_LOADER);
    add_bind(binds, program, WORKER_GDB_AT_PROGRAM);
    worker_gdb_libraries(binds, list, p);
    add_python(binds, list, p);
    add_text_files(binds, list, p);
    return APR_SUCCESS;
}
