/* SPDX-License-Identifier: Apache-2.0 */
/* The check that every found file passes, whatever its source. */
#include "worker/resolve/source.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *worker_file_kind_name(worker_file_kind_t kind)
{
    static const char *const names[] = { "executable", "debuginfo", "dwz" };

    return names[kind];
}

void worker_search_tell(const worker_search_t *search, char level, const char *text)
{
    if (search->errand->tell != NULL) {
        search->errand->tell(search->errand->baton, level, text);
    }
}

/* A stripped library offered as its own debug information would only hide what is missing. */
static bool is_of_kind(const worker_elf_file_t *elf, worker_file_kind_t kind)
{
    return kind == WORKER_FILE_EXECUTABLE ? elf->has_code : elf->has_debug_info;
}

apr_status_t worker_source_check_open(worker_elf_file_t **pelf, int fd, const char *name,
                                      const worker_want_t *want, retrace_error_t *err,
                                      apr_pool_t *p)
{
    worker_elf_file_t *elf = NULL;
    struct stat info;
    apr_status_t rv;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return retrace_fail(err, APR_NOTFOUND, "%s is not a regular file", name);
    }
    rv = worker_elf_file_read(&elf, fd, err, p);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, APR_NOTFOUND, "%s is not a sound ELF file", name);
    }
    if (elf->build_id == NULL || strcmp(elf->build_id, want->build_id) != 0) {
        return retrace_fail(err, APR_NOTFOUND, "%s has build-id %s", name,
                            elf->build_id != NULL ? elf->build_id : "(none)");
    }
    if (!is_of_kind(elf, want->kind)) {
        return retrace_fail(err, APR_NOTFOUND, "%s holds no %s", name,
                            worker_file_kind_name(want->kind));
    }
    *pelf = elf;
    return APR_SUCCESS;
}

apr_status_t worker_source_check(worker_found_t **pfound, const char *path,
                                 const worker_want_t *want, const char *source,
                                 retrace_error_t *err, apr_pool_t *p)
{
    worker_found_t *found;
    worker_elf_file_t *elf = NULL;
    apr_status_t rv;
    /* O_NONBLOCK: what looks like a library could be a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return retrace_fail(err, APR_NOTFOUND, "%s cannot be opened", path);
    }
    rv = worker_source_check_open(&elf, fd, path, want, err, p);
    (void)close(fd);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    found = apr_palloc(p, sizeof(*found));
    found->path = apr_pstrdup(p, path);
    found->elf = elf;
    found->source = source;
    found->origin = found->path;
    *pfound = found;
    return APR_SUCCESS;
}
