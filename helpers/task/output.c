/* SPDX-License-Identifier: Apache-2.0 */
/* See output.h. */
#include "helpers/task/output.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/text.h"
#include "lib/fs.h"

#define MODE 0600 /* a backtrace holds what the program had in its memory */

static apr_status_t replace(const char *path, const char *text, apr_size_t length,
                            retrace_error_t *err, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *parent = slash != NULL ? apr_pstrmemdup(p, path, (apr_size_t)(name - path)) : ".";
    struct stat info;
    int dir = -1;
    apr_status_t rv = retrace_fs_open_dir(&dir, AT_FDCWD, parent, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* As root, -o /dev/null would put a file in its place. */
    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(info.st_mode)) {
        rv = retrace_fail(err, APR_EINVAL, "%s is no regular file", path);
    }
    else {
        rv = retrace_fs_replace(dir, name, text, length, MODE, false, err);
    }
    (void)close(dir);
    return rv;
}

apr_status_t task_output_write(const char *path, const char *text, apr_size_t length,
                               retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv;

    if (path != NULL) {
        return replace(path, text, length, err, p);
    }
    if (isatty(STDOUT_FILENO)) {
        text = task_text_clean(text, length, TASK_TEXT_LINES, p);
        length = strlen(text);
    }
    rv = retrace_fs_write_all(STDOUT_FILENO, text, length);
    return rv == APR_SUCCESS ? APR_SUCCESS : retrace_fail(err, rv, "write to standard output");
}
