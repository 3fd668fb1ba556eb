/* SPDX-License-Identifier: Apache-2.0 */
/* See core.h. */
#include "helpers/task/core.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/temporary.h"
#include "lib/config.h"
#include "lib/fs.h"

typedef struct packing_rule_t {
    const char *suffix;
    const char *magic;
    apr_size_t length;
} packing_rule_t;

static const packing_rule_t packings[TASK_PACKINGS] = {
    [TASK_PACKING_NONE] = { "", "", 0 },
    [TASK_PACKING_GZIP] = { ".gz", "\x1f\x8b", 2 },
    [TASK_PACKING_XZ] = { ".xz",
                          "\xfd"
                          "7zXZ\0",
                          6 },
    [TASK_PACKING_ZSTD] = { ".zst", "\x28\xb5\x2f\xfd", 4 },
    [TASK_PACKING_LZ4] = { ".lz4", "\x04\x22\x4d\x18", 4 },
};

const char *task_packing_suffix(task_packing_t packing)
{
    return packings[packing].suffix;
}

task_packing_t task_packing_find(const unsigned char *bytes, apr_size_t length)
{
    int i;

    for (i = TASK_PACKING_NONE + 1; i < TASK_PACKINGS; i++) {
        if (length >= packings[i].length
            && memcmp(bytes, packings[i].magic, packings[i].length) == 0) {
            return (task_packing_t)i;
        }
    }
    return TASK_PACKING_NONE;
}

bool task_core_is_elf(const unsigned char *bytes, apr_size_t length)
{
    unsigned int type;

    if (length < TASK_MAGIC_MAX || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    type = bytes[EI_DATA] == ELFDATA2MSB ? bytes[EI_NIDENT] * 256U + bytes[EI_NIDENT + 1]
                                         : bytes[EI_NIDENT] + bytes[EI_NIDENT + 1] * 256U;
    return type == ET_CORE;
}

/* --- Reading what is packed ---------------------------------------------------------------- */

static apr_status_t refuse(retrace_error_t *err, struct archive *in)
{
    const char *reason = archive_error_string(in);

    return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE), "unpack the core: %s",
                        reason != NULL ? reason : "it is broken");
}

/* The only entry is the content of the one file. */
static apr_status_t open_packed(struct archive *in, int fd, retrace_error_t *err)
{
    struct archive_entry *entry = NULL;

    if (lseek(fd, 0, SEEK_SET) != 0 || archive_read_support_format_raw(in) < ARCHIVE_OK
        || archive_read_support_filter_gzip(in) < ARCHIVE_WARN
        || archive_read_support_filter_xz(in) < ARCHIVE_WARN
        || archive_read_support_filter_zstd(in) < ARCHIVE_WARN
        || archive_read_support_filter_lz4(in) < ARCHIVE_WARN
        || archive_read_open_fd(in, fd, TASK_BLOCK) != ARCHIVE_OK
        || archive_read_next_header(in, &entry) != ARCHIVE_OK) {
        return refuse(err, in);
    }
    return APR_SUCCESS;
}

/* Do something with the plain content of a packed file. */
static apr_status_t
with_packed(int fd, retrace_error_t *err,
            apr_status_t (*use)(struct archive *in, void *baton, retrace_error_t *err), void *baton)
{
    struct archive *in = archive_read_new();
    apr_status_t rv;

    if (in == NULL) {
        return retrace_fail(err, APR_ENOMEM, "unpack the core");
    }
    rv = open_packed(in, fd, err);
    if (rv == APR_SUCCESS) {
        rv = use(in, baton, err);
    }
    archive_read_free(in);
    return rv;
}

static apr_status_t peek_packed(struct archive *in, void *baton, retrace_error_t *err)
{
    la_ssize_t got = archive_read_data(in, baton, TASK_MAGIC_MAX);

    return got < 0 ? refuse(err, in) : APR_SUCCESS;
}

/* --- Looking into it ----------------------------------------------------------------------- */

static apr_status_t check_magic(task_packing_t *ppacking, int fd, const char *name,
                                retrace_error_t *err)
{
    unsigned char bytes[TASK_MAGIC_MAX] = { 0 };
    ssize_t got = pread(fd, bytes, sizeof(bytes), 0);
    apr_status_t rv = APR_SUCCESS;
    task_packing_t packing;

    if (got < 0) {
        rv = retrace_fail(err, errno, "read %s", name);
        return task_exit_as(TASK_EXIT_SOURCE, rv, err);
    }
    packing = task_packing_find(bytes, (apr_size_t)got);
    if (packing != TASK_PACKING_NONE) {
        memset(bytes, 0, sizeof(bytes));
        rv = with_packed(fd, err, peek_packed, bytes);
        (void)lseek(fd, 0, SEEK_SET);
    }
    if (rv == APR_SUCCESS && !task_core_is_elf(bytes, sizeof(bytes))) {
        rv = retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE), "%s is no core file", name);
    }
    if (rv == APR_SUCCESS) {
        *ppacking = packing;
    }
    return rv;
}

apr_status_t task_core_inspect(task_packing_t *ppacking, int64_t *pbytes, int fd, const char *name,
                               retrace_error_t *err)
{
    struct stat info;
    apr_status_t rv;

    if (fstat(fd, &info) != 0) {
        rv = retrace_fail(err, errno, "look at %s", name);
        return task_exit_as(TASK_EXIT_SOURCE, rv, err);
    }
    if (!S_ISREG(info.st_mode)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE), "%s is no regular file", name);
    }
    rv = check_magic(ppacking, fd, name, err);
    if (rv == APR_SUCCESS) {
        *pbytes = info.st_size;
    }
    return rv;
}

apr_status_t task_core_open(int *pfd, task_packing_t *ppacking, int64_t *pbytes, int at,
                            const char *name, retrace_error_t *err)
{
    /* O_NONBLOCK: nobody may ever write into a fifo. */
    int fd = openat(
        at, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (at == AT_FDCWD ? 0 : O_NOFOLLOW));
    apr_status_t rv;

    if (fd < 0) {
        rv = retrace_fail(err, errno, "open %s", name);
        return task_exit_as(TASK_EXIT_SOURCE, rv, err);
    }
    rv = task_core_inspect(ppacking, pbytes, fd, name, err);
    if (rv != APR_SUCCESS) {
        (void)close(fd);
        return rv;
    }
    *pfd = fd;
    return APR_SUCCESS;
}

/* --- Unpacking it -------------------------------------------------------------------------- */

typedef struct unpacking_t {
    int out;
    int64_t bytes;
    int64_t max_bytes;
} unpacking_t;

static apr_status_t copy_packed(struct archive *in, void *baton, retrace_error_t *err)
{
    char block[TASK_BLOCK];
    unpacking_t *unpacking = baton;
    la_ssize_t got;

    while ((got = archive_read_data(in, block, sizeof(block))) > 0) {
        apr_status_t rv;

        unpacking->bytes += got;
        if (unpacking->max_bytes >= 0 && unpacking->bytes > unpacking->max_bytes) {
            return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE),
                                "the core is larger than the %" APR_INT64_T_FMT
                                " MB that the server takes",
                                unpacking->max_bytes / RETRACE_MIB);
        }
        rv = retrace_fs_write_all(unpacking->out, block, (apr_size_t)got);
        if (rv != APR_SUCCESS) {
            return retrace_fail(err, rv, "store the unpacked core");
        }
    }
    return got < 0 ? refuse(err, in) : APR_SUCCESS;
}

apr_status_t task_core_unpack(int *pfd, int64_t *pbytes, int fd, int64_t max_bytes,
                              retrace_error_t *err)
{
    unpacking_t unpacking = { .out = -1, .max_bytes = max_bytes };
    apr_status_t rv = task_temporary_open(&unpacking.out, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = with_packed(fd, err, copy_packed, &unpacking);
    if (rv == APR_SUCCESS && lseek(unpacking.out, 0, SEEK_SET) != 0) {
        rv = retrace_fail(err, errno, "read the unpacked core");
    }
    if (rv != APR_SUCCESS) {
        (void)close(unpacking.out);
        return rv;
    }
    *pfd = unpacking.out;
    *pbytes = unpacking.bytes;
    return APR_SUCCESS;
}
