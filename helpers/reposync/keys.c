/* SPDX-License-Identifier: Apache-2.0 */
/* See keys.h. */
#include "helpers/reposync/keys.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/process.h"
#include "lib/fs.h"
#include "lib/key_file.h"

#define DATABASE "keys"
#define MAX_MS   (INT64_C(600) * 1000) /* of one run of rpmkeys */

/* Without this a package without a signature passes: "digests OK". */
#define DEMAND "_pkgverify_level all"

apr_status_t reposync_keys_open(reposync_keys_t **pkeys, const reposync_t *sync,
                                const reposync_place_t *place, retrace_error_t *err, apr_pool_t *p)
{
    reposync_keys_t *keys = apr_palloc(p, sizeof(*keys));
    const char *kept = "";
    int fd = -1;
    apr_status_t rv =
        retrace_key_file_find(&keys->file, sync->config->gpg_key_dir, place->release, err, p);

    keys->sync = sync;
    keys->place = place;
    /* A relative one is taken for something else, and passes. */
    keys->database = apr_pstrcat(p, place->work_path, "/" DATABASE, NULL);
    if (rv == APR_SUCCESS) {
        /* Keys that were there the last time need not be there now. */
        rv = retrace_fs_remove(place->work, DATABASE, err);
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&fd, place->work, DATABASE, 0700, err);
    }
    if (rv == APR_SUCCESS) {
        const char *const argv[] = { "rpmkeys",  "--dbpath", keys->database,
                                     "--import", keys->file, NULL };
        const task_process_t process = {
            .argv = argv, .out = -1, .is_silent = true, .max_ms = MAX_MS
        };

        (void)close(fd);
        rv = task_process_run(&kept, &process, err, p);
        if (rv == APR_EGENERAL) {
            rv = retrace_fail(err, rv, "%s holds no key that rpmkeys takes", keys->file);
        }
    }
    if (rv == APR_SUCCESS) {
        *pkeys = keys;
    }
    return rv;
}

apr_status_t reposync_keys_verify(const reposync_keys_t *keys, const char *name,
                                  retrace_error_t *err, apr_pool_t *scratch)
{
    const char *path = apr_pstrcat(scratch, keys->place->work_path, "/", name, NULL);
    const char *const argv[] = { "rpmkeys",    "--dbpath",  keys->database, "--define", DEMAND,
                                 "--checksig", "--verbose", path,           NULL };
    const task_process_t process = { .argv = argv, .out = -1, .is_silent = true, .max_ms = MAX_MS };
    const char *kept = "";
    apr_status_t rv = task_process_run(&kept, &process, err, scratch);

    /* A terminal's signal ends rpmkeys, too: that says nothing of the package. */
    if (rv != APR_SUCCESS && reposync_is_over(keys->sync)) {
        return retrace_fail(err, REPOSYNC_INTERRUPTED, "verify a signature");
    }
    if (rv != APR_EGENERAL) {
        return rv;
    }
    return strstr(kept, "ignature, key") != NULL
        ? retrace_fail(err, APR_EINVAL, "it is not signed with a key of %s", keys->file)
        : retrace_fail(err, APR_EINVAL, "it is not signed");
}
