/* SPDX-License-Identifier: Apache-2.0 */
/* See release.h. */
#include "helpers/reposync/release.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/reposync/metadata.h"
#include "helpers/reposync/place.h"
#include "helpers/reposync/rawhide.h"
#include "helpers/reposync/repository.h"
#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/release.h"
#include "lib/repo_config.h"

#define SUFFIX ".repo"

/* --- Names --------------------------------------------------------------------------------- */

typedef struct listing_t {
    reposync_t *sync;
    apr_array_header_t *names;
    int wrong;
    apr_pool_t *pool;
} listing_t;

static bool take_file(void *baton, const char *file)
{
    listing_t *listing = baton;
    size_t length = strlen(file);
    const char *name;

    if (file[0] == '.' || length <= strlen(SUFFIX)
        || strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0) {
        return true;
    }
    name = apr_pstrmemdup(listing->pool, file, length - strlen(SUFFIX));
    if (retrace_release_is_name(name)) {
        APR_ARRAY_PUSH(listing->names, const char *) = name;
    }
    else {
        reposync_tell(listing->sync,
                      "%s/%s: its name is no <distribution>-<version>-<architecture>" SUFFIX,
                      listing->sync->config->repo_config_dir, file);
        listing->wrong++;
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

apr_status_t reposync_release_list(apr_array_header_t **pnames, int *pwrong, reposync_t *sync,
                                   retrace_error_t *err, apr_pool_t *p)
{
    listing_t listing = { sync, apr_array_make(p, 8, sizeof(const char *)), 0, p };
    int fd = open(sync->config->repo_config_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    apr_status_t rv;

    if (fd < 0) {
        return retrace_fail(err, errno, "open RepoConfigDir %s", sync->config->repo_config_dir);
    }
    rv = retrace_fs_each(fd, take_file, &listing, err);
    (void)close(fd);
    if (rv == APR_SUCCESS) {
        qsort(listing.names->elts, (size_t)listing.names->nelts, sizeof(const char *),
              compare_names);
        *pnames = listing.names;
        *pwrong = listing.wrong;
    }
    return rv;
}

/* --- One repository ------------------------------------------------------------------------ */

static void sum_up(reposync_t *sync, const char *release, const char *repository,
                   const reposync_tally_t *tally)
{
    char skipped[64] = "";

    if (sync->config->strip_packages) {
        snprintf(skipped, sizeof(skipped), "%d of no use, ", tally->skipped);
    }
    reposync_tell(
        sync, "%s %s: %d new, %d kept, %s%d refused, %d failed, %.1f MB, %.1f s%s%s", release,
        repository, tally->fresh, tally->kept, skipped, tally->refused, tally->failed,
        (double)tally->bytes / (double)RETRACE_MIB, (double)tally->took_ms / 1000.0,
        tally->is_unchecked ? ", repomd.xml unchecked" : "", sync->is_dry_run ? " (dry run)" : "");
}

static apr_status_t mirror_one(bool *pis_whole, reposync_work_t *work,
                               const retrace_repo_section_t *section, apr_pool_t *p)
{
    reposync_t *sync = work->sync;
    reposync_tally_t tally = { 0 };
    int64_t start_ms = retrace_clock_ms();
    retrace_error_t err = { .text = "" };
    apr_status_t rv = reposync_repository_mirror(&tally, work, section, &err, p);

    tally.took_ms = retrace_clock_ms() - start_ms;
    *pis_whole = rv == APR_SUCCESS && tally.refused == 0 && tally.failed == 0;
    if (rv != APR_SUCCESS && rv != REPOSYNC_INTERRUPTED) {
        reposync_tell(sync, "%s %s failed: %s", work->place->release, section->id, err.text);
    }
    if (!sync->is_quiet || !*pis_whole) {
        sum_up(sync, work->place->release, section->id, &tally);
    }
    return rv;
}

/* --- What is left in .sync ----------------------------------------------------------------- */

static bool has_ending(const char *name, const char *ending)
{
    size_t length = strlen(name);

    return length > strlen(ending) && strcmp(name + length - strlen(ending), ending) == 0;
}

static bool remove_if_useless(void *baton, const char *name)
{
    const reposync_work_t *work = baton;

    if (has_ending(name, ".part") || strcmp(name, "rsync") == 0
        || (has_ending(name, ".list")
            && apr_hash_get(work->lists, name, APR_HASH_KEY_STRING) == NULL)) {
        (void)retrace_fs_remove(work->place->work, name, NULL);
    }
    return true;
}

/* --- All of a release ---------------------------------------------------------------------- */

/* @return whether all is well; *prv tells a signal */
static bool mirror_all(apr_status_t *prv, reposync_work_t *work, const apr_array_header_t *sections,
                       apr_pool_t *pool)
{
    bool is_well = true;
    int i;

    for (i = 0; i < sections->nelts && *prv != REPOSYNC_INTERRUPTED; i++) {
        const retrace_repo_section_t *section =
            APR_ARRAY_IDX(sections, i, const retrace_repo_section_t *);
        apr_pool_t *p = NULL;
        bool is_whole = false;

        if (section->is_enabled && apr_pool_create(&p, pool) == APR_SUCCESS) {
            *prv = mirror_one(&is_whole, work, section, p);
            apr_pool_destroy(p);
            is_well = is_well && is_whole;
        }
    }
    return is_well;
}

/* Only when all is well is it known what repositories still offer, and which parts are of no use. When none
 * has been asked, or all are empty, nothing is superseded. */
static apr_status_t tidy(reposync_work_t *work, retrace_error_t *err, apr_pool_t *p)
{
    int removed = 0;
    apr_status_t rv = APR_SUCCESS;

    if (reposync_rawhide_is(work->place->release, p) && work->place->fd >= 0
        && apr_hash_count(work->named) > 0) {
        rv = reposync_rawhide_remove(&removed, work->sync, work->place, work->named, err, p);
    }
    if (removed > 0) {
        reposync_tell(work->sync, "%s: %d superseded packages %s", work->place->release, removed,
                      work->sync->is_dry_run ? "would go" : "removed");
    }
    (void)retrace_fs_each(work->place->work, remove_if_useless, work, NULL);
    return rv;
}

static reposync_exit_t finish(reposync_work_t *work, bool is_well, apr_pool_t *p)
{
    retrace_error_t err = { .text = "" };
    bool is_made = false;
    apr_status_t rv = is_well ? tidy(work, &err, p) : APR_SUCCESS;

    if (rv == APR_SUCCESS && !work->sync->is_dry_run) {
        rv = reposync_metadata_make(&is_made, work->sync, work->place, &err, p);
    }
    if (rv == REPOSYNC_INTERRUPTED) {
        return REPOSYNC_EXIT_INTERRUPTED;
    }
    if (rv != APR_SUCCESS) {
        reposync_tell(work->sync, "%s failed: %s", work->place->release, err.text);
        return REPOSYNC_EXIT_FAILED;
    }
    return is_well ? REPOSYNC_EXIT_OK : REPOSYNC_EXIT_FAILED;
}

static reposync_exit_t mirror_sections(reposync_t *sync, const reposync_place_t *place,
                                       const apr_array_header_t *sections, apr_pool_t *p)
{
    reposync_work_t work = { .sync = sync,
                             .place = place,
                             .named = apr_hash_make(p),
                             .lists = apr_hash_make(p),
                             .pool = p };
    apr_status_t rv = APR_SUCCESS;
    bool is_well = mirror_all(&rv, &work, sections, p);
    reposync_exit_t code =
        rv == REPOSYNC_INTERRUPTED ? REPOSYNC_EXIT_INTERRUPTED : finish(&work, is_well, p);

    if (code == REPOSYNC_EXIT_INTERRUPTED) {
        reposync_tell(sync, "%s: interrupted; what was downloaded stays", place->release);
    }
    return code;
}

reposync_exit_t reposync_release_mirror(reposync_t *sync, const char *release, apr_pool_t *p)
{
    apr_array_header_t *sections = NULL;
    reposync_place_t *place = NULL;
    retrace_error_t err = { .text = "" };
    apr_status_t rv =
        retrace_repo_config_read(&sections, sync->config->repo_config_dir, release, &err, p);

    if (rv == APR_SUCCESS) {
        rv = reposync_place_open(&place, sync, release, &err, p);
    }
    if (rv == APR_SUCCESS) {
        return mirror_sections(sync, place, sections, p);
    }
    reposync_tell(sync, "%s", err.text);
    return rv == APR_EBUSY ? REPOSYNC_EXIT_BUSY : REPOSYNC_EXIT_FAILED;
}
