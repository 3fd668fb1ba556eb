/* SPDX-License-Identifier: Apache-2.0 */
/* See rsync.h. Neither times nor modes are taken over: when a package came is when it came here. What an
 * interrupted run has got whole is told by its size, and checked like all else. */
#include "helpers/reposync/rsync.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/task/process.h"
#include "lib/fs.h"

#define STAGE      "rsync"
#define LIST       "rsync.list"
#define KEEP_PARTS "--partial-dir=.partial" /* below the stage */
#define LIST_MODE  0600

typedef struct run_t {
    reposync_t *sync;
    const reposync_place_t *place;
    int files; /* that are asked for; 0: one, not counted */
} run_t;

typedef struct tally_t {
    int count;
} tally_t;

static bool count_one(void *baton, const char *name)
{
    ((tally_t *)baton)->count += name[0] != '.';
    return true;
}

static bool may_go_on(void *baton)
{
    run_t *run = baton;
    tally_t tally = { 0 };
    char label[TASK_PROGRESS_LINE];
    int fd = -1;

    if (run->files > 0 && run->sync->progress.out != NULL
        && retrace_fs_open_dir(&fd, run->place->work, STAGE, NULL) == APR_SUCCESS) {
        (void)retrace_fs_each(fd, count_one, &tally, NULL);
        (void)close(fd);
        snprintf(label, sizeof(label), "rsync: %d of %d files", tally.count, run->files);
        task_progress_show(&run->sync->progress, label,
                           task_progress_percent(tally.count, run->files));
    }
    return !reposync_is_over(run->sync);
}

/* @param more  arguments of this run, NULL at its end */
static apr_status_t run_rsync(run_t *run, const char *const *more, retrace_error_t *err,
                              apr_pool_t *p)
{
    const char *const common[] = { "rsync",
                                   "--no-motd",
                                   "--copy-links",
                                   "--quiet",
                                   apr_psprintf(p, "--timeout=%ld", (long)run->sync->timeout_s),
                                   apr_psprintf(p, "--contimeout=%ld", (long)run->sync->timeout_s),
                                   NULL };
    apr_array_header_t *argv = apr_array_make(p, 16, sizeof(const char *));
    task_process_t process = { .out = -1,
                               .keeps_complaints = true,
                               .max_ms = REPOSYNC_RSYNC_MAX_S * INT64_C(1000),
                               .may_go_on = may_go_on,
                               .baton = run };
    const char *kept = "";
    apr_status_t rv;
    size_t i;

    for (i = 0; common[i] != NULL; i++) {
        APR_ARRAY_PUSH(argv, const char *) = common[i];
    }
    for (i = 0; more[i] != NULL; i++) {
        APR_ARRAY_PUSH(argv, const char *) = more[i];
    }
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    process.argv = (const char *const *)argv->elts;
    rv = task_process_run(&kept, &process, err, p);
    /* A terminal's signal ends rsync by itself. */
    if (rv == APR_EINTR || (rv != APR_SUCCESS && reposync_is_over(run->sync))) {
        return retrace_fail(err, REPOSYNC_INTERRUPTED, "rsync");
    }
    if (rv == APR_INCOMPLETE) {
        return retrace_fail(err, APR_TIMEUP, "rsync was killed");
    }
    if (rv == APR_EGENERAL) {
        return retrace_fail(err, APR_TIMEUP, "rsync: %.*s", (int)strcspn(kept, "\n"), kept);
    }
    return rv;
}

apr_status_t reposync_rsync_file(reposync_t *sync, const reposync_place_t *place,
                                 const reposync_url_t *url, const char *href, const char *name,
                                 int64_t max_bytes, retrace_error_t *err, apr_pool_t *scratch)
{
    run_t run = { sync, place, 0 };
    const char *const more[] = { "--append",
                                 apr_psprintf(scratch, "--max-size=%ld", (long)max_bytes),
                                 "--",
                                 reposync_url_join(url, href, scratch),
                                 apr_pstrcat(scratch, place->work_path, "/", name, NULL),
                                 NULL };

    return run_rsync(&run, more, err, scratch);
}

apr_status_t reposync_rsync_files(reposync_t *sync, const reposync_place_t *place,
                                  const reposync_url_t *url, const apr_array_header_t *hrefs,
                                  int64_t max_bytes, retrace_error_t *err, apr_pool_t *scratch)
{
    run_t run = { sync, place, hrefs->nelts };
    const char *list = apr_pstrcat(scratch, apr_array_pstrcat(scratch, hrefs, '\n'), "\n", NULL);
    const char *const more[] = { KEEP_PARTS,
                                 "--size-only",
                                 "--no-relative",
                                 apr_pstrcat(scratch, "--files-from=", place->work_path, "/" LIST,
                                             NULL),
                                 apr_psprintf(scratch, "--max-size=%ld", (long)max_bytes),
                                 "--",
                                 apr_pstrcat(scratch, url->text, "/", NULL),
                                 apr_pstrcat(scratch, place->work_path, "/" STAGE "/", NULL),
                                 NULL };
    int fd = -1;
    apr_status_t rv =
        retrace_fs_replace(place->work, LIST, list, strlen(list), LIST_MODE, false, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&fd, place->work, STAGE, 0700, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    (void)close(fd);
    return run_rsync(&run, more, err, scratch);
}

bool reposync_rsync_take(const reposync_place_t *place, const char *name, const char *part,
                         apr_pool_t *scratch)
{
    const char *staged = apr_pstrcat(scratch, STAGE "/", name, NULL);
    struct stat info;

    if (fstatat(place->work, staged, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    /* A directory, say, which no later run could get rid of under the other name. */
    if (!S_ISREG(info.st_mode)) {
        (void)retrace_fs_remove(place->work, staged, NULL);
        return false;
    }
    return renameat(place->work, staged, place->work, part) == 0;
}
