/* SPDX-License-Identifier: Apache-2.0 */
/* See cache_hold.h. OFD locks: they belong to the descriptor, so that two holds of one process are
 * two holders. The file is never removed, and its content is empty. */
#include "worker/resolve/cache_hold.h"

#include <apr_time.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"

#define NAME    "use.lock"
#define DIGITS  15 /* of a build-id: 60 bits, which fit an offset */
#define LAST    ((off_t)(INT64_C(1) << (4 * DIGITS)) - 1)
#define STEP_MS 5

struct worker_cache_hold_t {
    int fd;
};

/* What is held: both ends included. */
typedef struct range_t {
    off_t from;
    off_t to;
} range_t;

static apr_status_t close_hold(void *data)
{
    worker_cache_hold_close(data);
    return APR_SUCCESS;
}

apr_status_t worker_cache_hold_open(worker_cache_hold_t **phold, const char *cache_dir,
                                    retrace_error_t *err, apr_pool_t *p)
{
    worker_cache_hold_t *hold;
    int top = -1;
    int fd;
    apr_status_t rv = retrace_fs_open_dir(&top, AT_FDCWD, cache_dir, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    fd = openat(top, NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    rv = fd < 0 ? retrace_fail(err, errno, "open %s of the cache", NAME) : APR_SUCCESS;
    (void)close(top);
    if (rv == APR_SUCCESS) {
        hold = apr_palloc(p, sizeof(*hold));
        hold->fd = fd;
        apr_pool_cleanup_register(p, hold, close_hold, apr_pool_cleanup_null);
        *phold = hold;
    }
    return rv;
}

void worker_cache_hold_close(worker_cache_hold_t *hold)
{
    if (hold->fd >= 0) {
        (void)close(hold->fd);
        hold->fd = -1;
    }
}

static struct flock lock_of(const char *build_id, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };
    char digits[DIGITS + 1] = "";

    strncpy(digits, build_id, DIGITS);
    lock.l_start = (off_t)strtoull(digits, NULL, 16);
    return lock;
}

static apr_status_t take(worker_cache_hold_t *hold, const char *build_id, short type,
                         retrace_error_t *err)
{
    struct flock lock = lock_of(build_id, type);
    int rc;

    do {
        rc = fcntl(hold->fd, F_OFD_SETLK, &lock);
    }
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        return retrace_fail(err, errno == EACCES || errno == EAGAIN ? APR_EBUSY : errno,
                            "hold %s in the cache", build_id);
    }
    return APR_SUCCESS;
}

apr_status_t worker_cache_hold_share(worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err)
{
    int64_t deadline_ms = retrace_clock_ms() + WORKER_CACHE_HOLD_WAIT_MS;
    apr_status_t rv;

    while ((rv = take(hold, build_id, F_RDLCK, err)) == APR_EBUSY
           && retrace_clock_ms() < deadline_ms) {
        apr_sleep(apr_time_from_msec(STEP_MS));
    }
    return rv;
}

apr_status_t worker_cache_hold_alone(worker_cache_hold_t *hold, const char *build_id,
                                     retrace_error_t *err)
{
    return take(hold, build_id, F_WRLCK, err);
}

void worker_cache_hold_drop(worker_cache_hold_t *hold, const char *build_id)
{
    (void)take(hold, build_id, F_UNLCK, NULL);
}

bool worker_cache_hold_is_shared(const worker_cache_hold_t *hold, const char *build_id)
{
    struct flock lock = lock_of(build_id, F_WRLCK);

    return fcntl(hold->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* The first lock in a range that the kernel happens to find. */
static int find_held(range_t *pheld, int fd, const range_t *within)
{
    struct flock lock = { .l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = within->from,
                          .l_len = within->to - within->from + 1 };

    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
        return -1;
    }
    if (lock.l_type == F_UNLCK) {
        return 0;
    }
    pheld->from = lock.l_start > within->from ? lock.l_start : within->from;
    pheld->to = lock.l_len > 0 && lock.l_start + lock.l_len - 1 < within->to
        ? lock.l_start + lock.l_len - 1
        : within->to;
    return 1;
}

/* In order: what is before it, it, what is behind it. The kernel keeps the locks of each holder in
 * order, so that there is little before it. */
static bool collect(apr_array_header_t *holders, int fd, range_t within)
{
    range_t held;
    int found = 0;

    while (within.from <= within.to && (found = find_held(&held, fd, &within)) == 1) {
        if (!collect(holders, fd, (range_t){ within.from, held.from - 1 })) {
            return false;
        }
        APR_ARRAY_PUSH(holders, range_t) = held;
        within.from = held.to + 1;
    }
    return found >= 0;
}

apr_array_header_t *worker_cache_holders(const worker_cache_hold_t *hold, apr_pool_t *p)
{
    apr_array_header_t *holders = apr_array_make(p, 64, sizeof(range_t));

    return collect(holders, hold->fd, (range_t){ 0, LAST }) ? holders : NULL;
}

static int compare_place(const void *key, const void *element)
{
    const off_t *place = key;
    const range_t *range = element;

    if (*place < range->from) {
        return -1;
    }
    return *place > range->to;
}

bool worker_cache_holders_have(const apr_array_header_t *holders, const char *build_id)
{
    const off_t place = lock_of(build_id, F_WRLCK).l_start;

    return holders == NULL
        || (holders->nelts > 0
            && bsearch(&place, holders->elts, (size_t)holders->nelts, sizeof(range_t),
                       compare_place)
                != NULL);
}
