/* SPDX-License-Identifier: Apache-2.0 */
/* See metadata.h. */
#include "helpers/reposync/metadata.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/process.h"
#include "lib/fs.h"

#define MAX_MS (INT64_C(86400) * 1000)

/* A createrepo_c that was killed leaves this, and the next one takes it for another instance. */
#define LEFT_OVER ".repodata"
#define NOT_THESE "*.sync/*" /* REPOSYNC_WORK_DIR: what rsync has got may be there for long */

static bool may_go_on(void *baton)
{
    return !reposync_is_over(baton);
}

static bool is_there(const reposync_place_t *place, const char *path)
{
    return faccessat(place->fd, path, F_OK, 0) == 0;
}

/* Without a package there is nothing to tell: the first run may have failed altogether. */
static bool is_needed(const reposync_place_t *place)
{
    return reposync_place_is_changed(place)
        || (is_there(place, "Packages") && !is_there(place, "repodata/repomd.xml"));
}

apr_status_t reposync_metadata_make(bool *pis_made, reposync_t *sync, const reposync_place_t *place,
                                    retrace_error_t *err, apr_pool_t *p)
{
    const char *argv[] = { "createrepo_c",   "--quiet", "--excludes", NOT_THESE,
                           place->directory, NULL,      NULL };
    const task_process_t process = { .argv = argv,
                                     .out = -1,
                                     .keeps_complaints = true,
                                     .max_ms = MAX_MS,
                                     .may_go_on = may_go_on,
                                     .baton = sync };
    const char *kept = "";
    apr_status_t rv;

    *pis_made = false;
    if (!is_needed(place)) {
        return APR_SUCCESS;
    }
    if (sync->config->use_createrepo_update) {
        argv[5] = "--update";
    }
    task_progress_show(&sync->progress, "createrepo_c", -1);
    rv = retrace_fs_remove(place->fd, LEFT_OVER, err);
    if (rv == APR_SUCCESS) {
        rv = task_process_run(&kept, &process, err, p);
    }
    /* A terminal's signal ends createrepo_c by itself. */
    if (rv == APR_EINTR || (rv != APR_SUCCESS && reposync_is_over(sync))) {
        return retrace_fail(err, REPOSYNC_INTERRUPTED, "createrepo_c");
    }
    if (rv == APR_EGENERAL) {
        return retrace_fail(err, rv, "createrepo_c: %.*s", (int)strcspn(kept, "\n"), kept);
    }
    if (rv == APR_SUCCESS) {
        *pis_made = true;
        reposync_place_clear_changed(place);
    }
    return rv;
}
