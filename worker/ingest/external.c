/* SPDX-License-Identifier: Apache-2.0 */
/* See external.h. The path is a client's, and whoever may write below an ExternalDir can exchange
 * what is there at any moment: only the kernel can keep both within it. */
#include "worker/ingest/external.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/ingest/decode.h"
#include "worker/ingest/head.h"

static int open_beneath(int at, const char *path, uint64_t flags)
{
    struct open_how how = { .flags = flags | O_CLOEXEC,
                            .resolve =
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

static bool refuse_open(ingest_refusal_t *refusal, int error, const char *what)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        return ingest_refuse(refusal, 404, "there is no such directory on this server");
    case ELOOP:
    case EXDEV:
        return ingest_refuse(refusal, 403, "a symbolic link is on the way to %s", what);
    case EACCES:
        return ingest_refuse(refusal, 403, "the server may not read %s", what);
    default: /* ENOSYS, say: without openat2 nothing is opened */
        return ingest_refuse(refusal, 500, "open %s: %s", what, strerror(error));
    }
}

/* The rest of the path behind this root, NULL when it is not below it. */
static const char *below(const char *path, const char *root, size_t root_length)
{
    while (root_length > 0 && root[root_length - 1] == '/') {
        root_length--;
    }
    if (strncmp(path, root, root_length) != 0 || path[root_length] != '/') {
        return NULL;
    }
    path += root_length;
    path += strspn(path, "/");
    return *path != '\0' ? path : NULL;
}

static int open_directory(ingest_refusal_t *refusal, const char *path, const char *roots)
{
    const char *root = roots;
    const char *rest = NULL;
    char name[PATH_MAX];
    size_t length = 0;
    int at;
    int fd;

    for (; rest == NULL && *root != '\0'; root += length + (root[length] == ':')) {
        length = strcspn(root, ":");
        rest = below(path, root, length);
        if (rest != NULL) {
            break;
        }
    }
    if (rest == NULL || length >= sizeof(name)) {
        (void)ingest_refuse(refusal, 403, "the directory is not below one of the ExternalDirs");
        return -1;
    }
    snprintf(name, sizeof(name), "%.*s", (int)length, root);
    at = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = at < 0 ? -1 : open_beneath(at, rest, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        (void)refuse_open(refusal, errno, "the directory");
    }
    if (at >= 0) {
        (void)close(at);
    }
    return fd;
}

/* Takes the descriptor. */
static bool find_only_entry(char name[NAME_MAX + 1], ingest_refusal_t *refusal, int directory)
{
    DIR *listing = fdopendir(directory);
    struct dirent *entry;
    int entries = 0;

    if (listing == NULL) {
        (void)close(directory);
        return ingest_refuse(refusal, 500, "list the directory: %s", strerror(errno));
    }
    while (entries < 2 && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
            entries++;
        }
    }
    (void)closedir(listing);
    return entries == 1
        || ingest_refuse(refusal, 501, "the directory must hold one file and nothing else");
}

static bool is_regular(int fd, struct stat *info)
{
    return fstat(fd, info) == 0 && S_ISREG(info->st_mode);
}

/* Looked at before it is opened, since opening a device may do something; and afterwards, since it
 * may be another one then. */
static int open_file(ingest_refusal_t *refusal, struct stat *info, int directory, const char *name)
{
    int fd = -1;

    if (fstatat(directory, name, info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info->st_mode)) {
        fd = open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) {
            (void)refuse_open(refusal, errno, "the file in the directory");
            return -1;
        }
    }
    if (fd >= 0 && is_regular(fd, info)) {
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)ingest_refuse(refusal, 501, "what the directory holds is not a regular file");
    return -1;
}

static int open_only_file(ingest_refusal_t *refusal, struct stat *info, int directory)
{
    int listed = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[NAME_MAX + 1];

    if (listed < 0) {
        (void)refuse_open(refusal, errno, "the directory");
        return -1;
    }
    return find_only_entry(name, refusal, listed) ? open_file(refusal, info, directory, name) : -1;
}

/* Nobody types the label of such an upload: one that contradicts the file means the wrong file. */
static bool check_content(ingest_refusal_t *refusal, int fd, const char *content)
{
    const retrace_content_type_t *type = retrace_content_type_find(content);
    unsigned char head[INGEST_HEAD_MAX];
    ssize_t length = pread(fd, head, sizeof(head), 0);
    const char *packing;
    bool fits;

    if (length < 0) {
        return ingest_refuse(refusal, 500, "read the file in the directory: %s", strerror(errno));
    }
    packing = ingest_decode_codec(head, (size_t)length);
    if (type != NULL && type->form == RETRACE_FORM_CORE) {
        fits = packing != NULL || ingest_head_is_core(head, (size_t)length);
    }
    else {
        fits = type != NULL && strcmp(packing != NULL ? packing : "", type->packing) == 0
            && !ingest_head_is_core(head, (size_t)length);
    }
    return fits
        || ingest_refuse(refusal, 409, "the file in the directory is not what Content-Type says");
}

bool ingest_external_open(int *pfd, int64_t *plength, ingest_refusal_t *refusal,
                          const ingest_request_t *request, const retrace_config_t *config)
{
    const char *roots = config->allow_external_dir ? config->external_dirs : "";
    int64_t limit = config->max_packed_mb * RETRACE_MIB;
    int directory = open_directory(refusal, request->directory, roots);
    struct stat info;
    char size[32];
    int fd;

    if (directory < 0) {
        return false;
    }
    fd = open_only_file(refusal, &info, directory);
    (void)close(directory);
    if (fd < 0) {
        return false;
    }
    if (info.st_size > limit) {
        (void)ingest_refuse(refusal, 413,
                            "the file in the directory is larger than the limit of %s",
                            ingest_say_size(size, limit));
    }
    else if (check_content(refusal, fd, request->content)) {
        *pfd = fd;
        *plength = info.st_size;
        return true;
    }
    (void)close(fd);
    return false;
}
