/* SPDX-License-Identifier: Apache-2.0 */
/* See key_file.h. */
#include "lib/key_file.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Cuts the last part off `fedora-36-x86_64`; false when there is none. */
static bool cut_part(char *release)
{
    char *dash = strrchr(release, '-');

    if (dash == NULL) {
        return false;
    }
    *dash = '\0';
    return true;
}

apr_status_t retrace_key_file_find(const char **ppath, const char *gpg_key_dir, const char *release,
                                   retrace_error_t *err, apr_pool_t *p)
{
    char *name = apr_pstrdup(p, release);

    while (cut_part(name)) {
        const char *path = apr_pstrcat(p, gpg_key_dir, "/", name, NULL);

        if (access(path, F_OK) == 0) {
            *ppath = path;
            return APR_SUCCESS;
        }
        if (errno != ENOENT && errno != ENOTDIR) {
            return retrace_fail(err, errno, "look at %s", path);
        }
    }
    return retrace_fail(err, APR_ENOENT, "there is no file of keys for %s in %s", release,
                        gpg_key_dir);
}
