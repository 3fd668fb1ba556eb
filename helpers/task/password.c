/* SPDX-License-Identifier: Apache-2.0 */
/* See password.h. */
#include "helpers/task/password.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/options.h"
#include "helpers/task/text.h"

#define LINE_MAX_BYTES (TASK_PASSWORD_MAX + 2) /* with a line end of either kind */

/* Until the end, or until there is one byte more than a line may have. */
static apr_status_t read_some(char *line, apr_size_t *plength, int fd, const char *path,
                              retrace_error_t *err)
{
    apr_size_t used = 0;
    ssize_t got;

    while (used < LINE_MAX_BYTES + 1
           && (got = read(fd, line + used, LINE_MAX_BYTES + 1 - used)) != 0) {
        if (got < 0) {
            return retrace_fail(err, errno, "read %s", path);
        }
        used += (apr_size_t)got;
    }
    *plength = used;
    return APR_SUCCESS;
}

apr_status_t task_password_read(const char **ppassword, const char *path, retrace_error_t *err,
                                apr_pool_t *p)
{
    char line[LINE_MAX_BYTES + 2] = { 0 };
    apr_size_t length = 0;
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", path);
    }
    rv = read_some(line, &length, fd, path, err);
    if (!is_input) {
        (void)close(fd);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (length > 0 && line[length - 1] == '\n') {
        line[--length] = '\0';
    }
    if (length > 0 && line[length - 1] == '\r') {
        line[--length] = '\0';
    }
    if (strlen(line) != length || !task_text_is_word(line, TASK_PASSWORD_MAX)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_USAGE),
                            "%s holds no password: 1 to 128 printable characters without blanks",
                            path);
    }
    *ppassword = apr_pstrdup(p, line);
    return APR_SUCCESS;
}
