/* SPDX-License-Identifier: Apache-2.0 */
/* See temporary.h. */
#include "helpers/task/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_PLACE "/var/tmp"

/* Where the file system cannot make a file without a name: one that loses it at once. */
static int open_unlinked(const char *place)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/retrace-server-task.XXXXXX", place);
    int fd;

    if (length < 0 || (size_t)length >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0 && unlink(path) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

apr_status_t task_temporary_open(int *pfd, retrace_error_t *err)
{
    const char *place = getenv("TMPDIR");
    int fd;

    if (place == NULL || place[0] != '/') {
        place = DEFAULT_PLACE;
    }
    fd = open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        fd = open_unlinked(place);
    }
    if (fd < 0) {
        return retrace_fail(err, errno, "make a temporary file in %s", place);
    }
    *pfd = fd;
    return APR_SUCCESS;
}
