/* SPDX-License-Identifier: Apache-2.0 */
/* See cache_entries.h. Whoever removes something holds the entry alone, and whoever adds something
 * holds it, too: no directory is removed under anybody's feet. The directories of the first two
 * digits are not held: who needs one that has just been removed makes it again. */
#include "worker/resolve/cache_entries.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/elf_decode.h"

#define PREFIX         2 /* digits that name the upper directory */
#define PREFIXES       256
#define BLOCK          512 /* what st_blocks counts in */
#define NS             INT64_C(1000000000)
#define TEMPORARY_NAME ".new-"

typedef struct walk_t {
    int top;
    int upper;                         /* directory of the first two digits */
    const char *prefix;                /* its name */
    const apr_array_header_t *holders; /* as it began */
    worker_cache_listing_t *listing;
    apr_pool_t *pool;
} walk_t;

typedef struct look_t {
    int fd;
    worker_cache_entry_t *entry;
    apr_array_header_t *unknown;
    apr_pool_t *pool;
} look_t;

/* --- Names --------------------------------------------------------------------------------- */

static const char *const suffixes[] = { "", ".lock", ".new" };

enum { FILE_ITSELF, FILE_LOCK, FILE_UNFINISHED, FILE_PARTS };

static bool is_hexadecimal(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

bool worker_cache_is_build_id(const char *text)
{
    size_t length = strlen(text);

    return is_hexadecimal(text) && length % 2 == 0 && length >= 2 * WORKER_BUILD_ID_MIN
        && length <= 2 * WORKER_BUILD_ID_MAX;
}

/* @return false when it is not a name of ours */
static bool parse_name(worker_file_kind_t *pkind, int *ppart, const char *name)
{
    int kind;
    int part;

    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        const char *word = worker_file_kind_name((worker_file_kind_t)kind);

        for (part = 0; strncmp(name, word, strlen(word)) == 0 && part < FILE_PARTS; part++) {
            if (strcmp(name + strlen(word), suffixes[part]) == 0) {
                *pkind = (worker_file_kind_t)kind;
                *ppart = part;
                return true;
            }
        }
    }
    return false;
}

/* What else is in CacheDir. */
static bool is_known_name(const char *name)
{
    static const char *const names[] = { WORKER_CACHE_INDEX, WORKER_CACHE_MISSES, "fetching",
                                         "use.lock",         "trim.lock",         "size",
                                         "size.lock",        ".size.new" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, TEMPORARY_NAME, strlen(TEMPORARY_NAME)) == 0;
}

const char *worker_cache_entry_path(const char *cache_dir, const char *build_id, apr_pool_t *p)
{
    return apr_psprintf(p, "%s/%.*s/%s", cache_dir, PREFIX, build_id, build_id + PREFIX);
}

apr_status_t worker_cache_require_owner(const char *cache_dir, retrace_error_t *err)
{
    struct stat info;

    if (stat(cache_dir, &info) != 0) {
        return retrace_fail(err, errno, "look at %s", cache_dir);
    }
    if (info.st_uid != geteuid()) {
        return retrace_fail(err, APR_EINVAL, "%s is not yours: run this as its owner", cache_dir);
    }
    return APR_SUCCESS;
}

/* --- Looking ------------------------------------------------------------------------------- */

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * NS + time->tv_nsec;
}

bool worker_cache_entry_has_file(const worker_cache_entry_t *entry)
{
    int kind;

    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        if (entry->kind_bytes[kind] != WORKER_CACHE_NO_FILE) {
            return true;
        }
    }
    return false;
}

void worker_cache_entry_touch(const char *cache_dir, const char *build_id, apr_pool_t *p)
{
    (void)utimensat(AT_FDCWD, worker_cache_entry_path(cache_dir, build_id, p), NULL, 0);
}

static void add_unknown(apr_array_header_t *unknown, const char *path)
{
    if (unknown != NULL && unknown->nelts < WORKER_CACHE_MAX_UNKNOWN) {
        APR_ARRAY_PUSH(unknown, const char *) = path;
    }
}

static bool look_at_file(void *baton, const char *name)
{
    look_t *look = baton;
    worker_cache_entry_t *entry = look->entry;
    worker_file_kind_t kind;
    struct stat info;
    int part;

    if (!parse_name(&kind, &part, name)) {
        add_unknown(look->unknown,
                    apr_pstrcat(look->pool,
                                worker_cache_entry_path("", entry->build_id, look->pool) + 1, "/",
                                name, NULL));
        return true;
    }
    if (part == FILE_LOCK || fstatat(look->fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return true;
    }
    entry->bytes += (int64_t)info.st_blocks * BLOCK;
    if (part == FILE_UNFINISHED) {
        entry->has_leftovers = true;
    }
    else {
        entry->kind_bytes[kind] = (int64_t)info.st_blocks * BLOCK;
    }
    return true;
}

static apr_status_t look_at_entry(worker_cache_entry_t *entry, int fd, const char *build_id,
                                  bool in_use, apr_array_header_t *unknown, retrace_error_t *err,
                                  apr_pool_t *p)
{
    look_t look = { fd, entry, unknown, p };
    struct stat info;
    int kind;

    memset(entry, 0, sizeof(*entry));
    entry->build_id = build_id;
    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        entry->kind_bytes[kind] = WORKER_CACHE_NO_FILE;
    }
    if (fstat(fd, &info) != 0) {
        return retrace_fail(err, errno, "look at %s in the cache", build_id);
    }
    entry->bytes = (int64_t)info.st_blocks * BLOCK;
    entry->used_at_ns = ns_of(&info.st_mtim);
    entry->in_use = in_use;
    return retrace_fs_each(fd, look_at_file, &look, err);
}

static bool walk_entry(void *baton, const char *name)
{
    walk_t *walk = baton;
    const char *build_id = apr_pstrcat(walk->pool, walk->prefix, name, NULL);
    worker_cache_entry_t entry = { 0 };
    int fd = -1;

    if (!worker_cache_is_build_id(build_id)
        || retrace_fs_open_dir(&fd, walk->upper, name, NULL) != APR_SUCCESS) {
        if (retrace_fs_exists(walk->upper, name)) { /* not removed just now */
            add_unknown(walk->listing->unknown,
                        apr_pstrcat(walk->pool, walk->prefix, "/", name, NULL));
        }
        return true;
    }
    if (look_at_entry(&entry, fd, build_id, worker_cache_holders_have(walk->holders, build_id),
                      walk->listing->unknown, NULL, walk->pool)
        == APR_SUCCESS) {
        APR_ARRAY_PUSH(walk->listing->entries, worker_cache_entry_t) = entry;
    }
    (void)close(fd);
    return true;
}

static bool walk_top(void *baton, const char *name)
{
    walk_t *walk = baton;

    if (is_known_name(name)) {
        return true;
    }
    if (strlen(name) != PREFIX || !is_hexadecimal(name)
        || retrace_fs_open_dir(&walk->upper, walk->top, name, NULL) != APR_SUCCESS) {
        if (retrace_fs_exists(walk->top, name)) {
            add_unknown(walk->listing->unknown, apr_pstrdup(walk->pool, name));
        }
        return true;
    }
    walk->prefix = apr_pstrdup(walk->pool, name);
    (void)retrace_fs_each(walk->upper, walk_entry, walk, NULL);
    (void)close(walk->upper);
    return true;
}

apr_status_t worker_cache_list(worker_cache_listing_t *plisting, int top,
                               const worker_cache_hold_t *hold, retrace_error_t *err, apr_pool_t *p)
{
    worker_cache_listing_t listing = { apr_array_make(p, 64, sizeof(worker_cache_entry_t)),
                                       apr_array_make(p, 4, sizeof(const char *)) };
    walk_t walk = { .top = top,
                    .upper = -1,
                    .holders = worker_cache_holders(hold, p),
                    .listing = &listing,
                    .pool = p };
    apr_status_t rv = retrace_fs_each(top, walk_top, &walk, err);

    if (rv == APR_SUCCESS) {
        *plisting = listing;
    }
    return rv;
}

static int compare_use(const void *left, const void *right)
{
    const worker_cache_entry_t *a = left;
    const worker_cache_entry_t *b = right;

    if (a->used_at_ns != b->used_at_ns) {
        return a->used_at_ns < b->used_at_ns ? -1 : 1;
    }
    return strcmp(a->build_id, b->build_id);
}

void worker_cache_sort(apr_array_header_t *entries)
{
    qsort(entries->elts, (size_t)entries->nelts, sizeof(worker_cache_entry_t), compare_use);
}

static apr_status_t open_entry(int *pfd, int top, const char *build_id, retrace_error_t *err)
{
    char path[2 * WORKER_BUILD_ID_MAX + 2];
    int fd;

    (void)snprintf(path, sizeof(path), "%.*s/%s", PREFIX, build_id, build_id + PREFIX);
    fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return retrace_fail(err, errno, errno == ENOENT ? "%s is not in the cache" : "open %s",
                            build_id);
    }
    *pfd = fd;
    return APR_SUCCESS;
}

apr_status_t worker_cache_entry_read(worker_cache_entry_t *pentry, int top,
                                     const worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err, apr_pool_t *p)
{
    int fd = -1;
    apr_status_t rv = open_entry(&fd, top, build_id, err);

    if (rv == APR_SUCCESS) {
        rv = look_at_entry(pentry, fd, build_id, worker_cache_hold_is_shared(hold, build_id), NULL,
                           err, p);
        (void)close(fd);
    }
    return rv;
}

/* --- Removing ------------------------------------------------------------------------------ */

/* Opens an entry that the caller may remove from, and holds it alone. */
static apr_status_t open_alone(int *pfd, const worker_cache_entry_t *entry, int top,
                               worker_cache_hold_t *hold, retrace_error_t *err)
{
    struct stat info;
    int fd = -1;
    apr_status_t rv = worker_cache_hold_alone(hold, entry->build_id, NULL);

    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "%s is in use", entry->build_id);
    }
    rv = open_entry(&fd, top, entry->build_id, err);
    if (rv == APR_SUCCESS && (fstat(fd, &info) != 0 || ns_of(&info.st_mtim) != entry->used_at_ns)) {
        (void)close(fd);
        rv = retrace_fail(err, APR_EBUSY, "%s was used just now", entry->build_id);
    }
    if (rv != APR_SUCCESS) {
        worker_cache_hold_drop(hold, entry->build_id);
        return rv;
    }
    *pfd = fd;
    return APR_SUCCESS;
}

static void remove_part(int fd, int kind, int part)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%s%s", worker_file_kind_name((worker_file_kind_t)kind),
                   suffixes[part]);
    (void)unlinkat(fd, name, 0);
}

static void remove_directory(int top, const char *build_id)
{
    char path[2 * WORKER_BUILD_ID_MAX + 2];

    (void)snprintf(path, sizeof(path), "%.*s/%s", PREFIX, build_id, build_id + PREFIX);
    (void)unlinkat(top, path, AT_REMOVEDIR);
    path[PREFIX] = '\0';
    (void)unlinkat(top, path, AT_REMOVEDIR);
}

apr_status_t worker_cache_entry_remove(const worker_cache_entry_t *entry, int top,
                                       worker_cache_hold_t *hold, retrace_error_t *err)
{
    int fd = -1;
    int kind;
    int part;
    apr_status_t rv = open_alone(&fd, entry, top, hold, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        for (part = 0; part < FILE_PARTS; part++) {
            remove_part(fd, kind, part);
        }
    }
    (void)close(fd);
    remove_directory(top, entry->build_id);
    worker_cache_hold_drop(hold, entry->build_id);
    return APR_SUCCESS;
}

apr_status_t worker_cache_entry_remove_file(const worker_cache_entry_t *entry,
                                            worker_file_kind_t kind, int top,
                                            worker_cache_hold_t *hold, retrace_error_t *err)
{
    int fd = -1;
    apr_status_t rv = open_alone(&fd, entry, top, hold, err);

    if (rv == APR_SUCCESS) {
        remove_part(fd, (int)kind, FILE_ITSELF);
        (void)close(fd);
        worker_cache_hold_drop(hold, entry->build_id);
    }
    return rv;
}

/* It was not used: its time stays. */
void worker_cache_entry_tidy(const worker_cache_entry_t *entry, int top, worker_cache_hold_t *hold)
{
    const struct timespec times[] = { { .tv_nsec = UTIME_OMIT },
                                      { .tv_sec = (time_t)(entry->used_at_ns / NS),
                                        .tv_nsec = (long)(entry->used_at_ns % NS) } };
    int fd = -1;
    int kind;

    if (open_alone(&fd, entry, top, hold, NULL) != APR_SUCCESS) {
        return;
    }
    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        remove_part(fd, kind, FILE_UNFINISHED);
    }
    (void)futimens(fd, times);
    (void)close(fd);
    worker_cache_hold_drop(hold, entry->build_id);
}

typedef struct strays_t {
    int top;
    time_t now;
} strays_t;

/* They have a name for the moment between two system calls only (worker_cache_temporary). */
static bool remove_stray(void *baton, const char *name)
{
    const strays_t *strays = baton;
    struct stat info;

    if (strncmp(name, TEMPORARY_NAME, strlen(TEMPORARY_NAME)) == 0
        && fstatat(strays->top, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)
        && strays->now - info.st_mtime >= WORKER_CACHE_STRAY_S) {
        (void)unlinkat(strays->top, name, 0);
    }
    return true;
}

void worker_cache_tidy(int top, time_t now)
{
    strays_t strays = { top, now };
    char name[PREFIX + 1];
    int i;

    (void)retrace_fs_each(top, remove_stray, &strays, NULL);
    for (i = 0; i < PREFIXES; i++) {
        (void)snprintf(name, sizeof(name), "%02x", (unsigned int)i);
        (void)unlinkat(top, name, AT_REMOVEDIR); /* fails unless it is empty */
    }
}
