/* SPDX-License-Identifier: Apache-2.0 */
/* See source.h. */
#include "helpers/reposync/source.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "helpers/reposync/rsync.h"
#include "lib/curl.h"
#include "lib/fs.h"

#define PART_MODE 0600
#define LIST_PART "mirrors" /* a mirrorlist or metalink under way */

/* --- Which mirrors ------------------------------------------------------------------------- */

static apr_status_t open_part(int *pfd, const reposync_place_t *place, const char *part,
                              retrace_error_t *err)
{
    int fd = openat(place->work, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, PART_MODE);

    if (fd < 0) {
        return retrace_fail(err, errno, "write %s/%s", place->work_path, part);
    }
    *pfd = fd;
    return APR_SUCCESS;
}

/* A mirrorlist or metalink, always anew. */
static apr_status_t fetch_list(const char **ptext, const reposync_source_t *source,
                               const char *text, const retrace_repo_variables_t *variables,
                               retrace_error_t *err, apr_pool_t *p)
{
    const char *address = NULL;
    reposync_url_t url = { NULL, REPOSYNC_HTTPS, false };
    int fd = -1;
    apr_status_t rv = retrace_repo_substitute(&address, text, variables, err, p);

    if (rv == APR_SUCCESS) {
        rv = reposync_url_parse(&url, address, err, p);
    }
    if (rv == APR_SUCCESS && url.scheme == REPOSYNC_RSYNC) {
        rv = retrace_fail(err, APR_EINVAL, "a list of mirrors does not come by rsync");
    }
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_remove(source->place->work, LIST_PART, err);
    }
    if (rv == APR_SUCCESS) {
        rv = open_part(&fd, source->place, LIST_PART, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    url.text = address; /* a '/' at its end may matter */
    url.is_configured = true;
    rv = reposync_download(&source->download, fd, &url, REPOSYNC_MIRRORS_MAX_BYTES, err);
    (void)close(fd);
    return rv == APR_SUCCESS ? retrace_fs_read(ptext, NULL, source->place->work, LIST_PART,
                                               REPOSYNC_MIRRORS_MAX_BYTES, err, p)
                             : rv;
}

static apr_status_t add_baseurls(reposync_source_t *source,
                                 const retrace_repo_variables_t *variables, retrace_error_t *err,
                                 apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < source->section->baseurls->nelts && rv == APR_SUCCESS; i++) {
        const char *text = APR_ARRAY_IDX(source->section->baseurls, i, const char *);
        reposync_url_t url = { NULL, REPOSYNC_HTTPS, false };

        rv = retrace_repo_substitute(&text, text, variables, err, p);
        if (rv == APR_SUCCESS) {
            rv = reposync_url_parse(&url, text, err, p);
        }
        if (rv == APR_SUCCESS) {
            url.is_configured = true;
            APR_ARRAY_PUSH(source->mirrors->urls, reposync_url_t) = url;
        }
    }
    return rv;
}

/* What is left may be used, but the user must know that repomd.xml is whatever a mirror says. */
static void note_unchecked(reposync_source_t *source, const char *reason)
{
    const retrace_repo_section_t *section = source->section;

    source->is_unchecked = source->mirrors->checksums->nelts == 0;
    if (source->is_unchecked && (section->baseurls->nelts > 0 || section->mirrorlist != NULL)) {
        reposync_tell(source->sync,
                      "%s %s: repomd.xml is not checked, the metalink cannot be used: %s",
                      source->place->release, section->id, reason);
    }
}

/* A list that cannot be had matters only when there is nothing else. */
static apr_status_t add_lists(reposync_source_t *source, const retrace_repo_variables_t *variables,
                              retrace_error_t *err, apr_pool_t *p)
{
    const retrace_repo_section_t *section = source->section;
    const char *text = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (section->metalink != NULL) {
        rv = fetch_list(&text, source, section->metalink, variables, err, p);
        rv = rv == APR_SUCCESS ? reposync_mirrors_add_metalink(source->mirrors, text, err, p) : rv;
        if (rv != APR_SUCCESS && rv != REPOSYNC_INTERRUPTED) {
            note_unchecked(source, err->text);
        }
    }
    if (section->mirrorlist != NULL && (section->metalink == NULL || rv != APR_SUCCESS)
        && rv != REPOSYNC_INTERRUPTED) {
        rv = fetch_list(&text, source, section->mirrorlist, variables, err, p);
        rv = rv == APR_SUCCESS ? reposync_mirrors_add_list(source->mirrors, text, err, p) : rv;
    }
    return rv;
}

static apr_status_t find_mirrors(reposync_source_t *source, retrace_error_t *err, apr_pool_t *p)
{
    retrace_repo_variables_t variables;
    apr_status_t rv;

    if (!retrace_repo_variables(&variables, source->place->release, p)) {
        return retrace_fail(err, APR_EINVAL, "%s is no name of a release", source->place->release);
    }
    rv = add_baseurls(source, &variables, err, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = add_lists(source, &variables, err, p);
    if (rv == REPOSYNC_INTERRUPTED || (rv != APR_SUCCESS && source->mirrors->urls->nelts == 0)) {
        return rv;
    }
    return source->mirrors->urls->nelts > 0
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL, "it has neither baseurl nor mirrorlist nor metalink");
}

apr_status_t reposync_source_open(reposync_source_t **psource, reposync_t *sync,
                                  const reposync_place_t *place,
                                  const retrace_repo_section_t *section, retrace_error_t *err,
                                  apr_pool_t *p)
{
    reposync_source_t *source = apr_pcalloc(p, sizeof(*source));
    apr_status_t rv = retrace_curl_make(&source->download.curl, err, p);

    source->sync = sync;
    source->place = place;
    source->section = section;
    source->mirrors = reposync_mirrors_make(p);
    source->download.sync = sync;
    source->download.section = section;
    source->download.label = section->id;
    if (rv == APR_SUCCESS) {
        rv = find_mirrors(source, err, p);
    }
    if (rv == APR_SUCCESS) {
        source->failures = apr_pcalloc(p, sizeof(int) * (size_t)source->mirrors->urls->nelts);
        source->refusals = apr_pcalloc(p, sizeof(int) * (size_t)source->mirrors->urls->nelts);
        *psource = source;
    }
    return rv;
}

/* --- One file ------------------------------------------------------------------------------ */

static apr_status_t check(const reposync_want_t *want, int fd, retrace_error_t *err)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    if (want->is_exact && lseek(fd, 0, SEEK_END) != want->max_bytes) {
        return retrace_fail(err, APR_EINVAL, "its size is not the one that is told");
    }
    for (i = 0; i < want->checksum_count; i++) {
        rv = retrace_checksum_verify(&want->checksums[i], fd, err);
        if (rv != APR_EINVAL) {
            return rv;
        }
    }
    return rv;
}

static apr_status_t transfer(const reposync_source_t *source, int fd, const reposync_url_t *url,
                             const reposync_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    reposync_url_t whole = *url;

    if (url->scheme == REPOSYNC_RSYNC) {
        return reposync_rsync_file(source->sync, source->place, url, want->href, want->part,
                                   want->max_bytes, err, p);
    }
    whole.text = reposync_url_join(url, want->href, p);
    return reposync_download(&source->download, fd, &whole, want->max_bytes, err);
}

static apr_status_t empty(int fd, retrace_error_t *err)
{
    return ftruncate(fd, 0) == 0 ? APR_SUCCESS : retrace_fail(err, errno, "empty a file");
}

static apr_status_t fetch(const reposync_source_t *source, int fd, const reposync_url_t *url,
                          const reposync_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = transfer(source, fd, url, want, err, p);

    return rv == APR_SUCCESS ? check(want, fd, err) : rv;
}

/* What an interrupted run has left may be all of it, or of another file of this name: then all of it
 * once more. */
static apr_status_t get_whole(const reposync_source_t *source, int fd, const reposync_url_t *url,
                              const reposync_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    off_t had = lseek(fd, 0, SEEK_END);
    apr_status_t rv = APR_SUCCESS;

    if (had > want->max_bytes) {
        rv = empty(fd, err);
        had = 0;
    }
    if (rv != APR_SUCCESS
        || (had > 0 && want->checksum_count > 0 && check(want, fd, NULL) == APR_SUCCESS)) {
        return rv;
    }
    rv = fetch(source, fd, url, want, err, p);
    if (rv == APR_EINVAL && had > 0) {
        rv = empty(fd, err);
        rv = rv == APR_SUCCESS ? fetch(source, fd, url, want, err, p) : rv;
    }
    if (rv == APR_EINVAL) {
        (void)empty(fd, NULL);
    }
    return rv;
}

static apr_status_t get_from(const reposync_source_t *source, const reposync_url_t *url,
                             const reposync_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    retrace_error_t why = { .text = "" };
    int fd = -1;
    apr_status_t rv = open_part(&fd, source->place, want->part, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = want->checksum_count == 0 ? empty(fd, &why) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = get_whole(source, fd, url, want, &why, p);
    }
    if (rv == APR_SUCCESS && fsync(fd) != 0) {
        rv = retrace_fail(&why, errno, "write %s", want->part);
    }
    (void)close(fd);
    if (rv != APR_SUCCESS) {
        /* The status's own text is in the sentence already. */
        (void)retrace_fail(err, APR_EINVAL, "%s: %s", retrace_repo_show(url->text, p), why.text);
        err->status = rv;
    }
    return rv;
}

/* --- One after the other ------------------------------------------------------------------- */

/* The first one from `at` on that is not left out; -1: none. */
static int next_mirror(const reposync_source_t *source, int at)
{
    int count = source->mirrors->urls->nelts;
    int i;

    for (i = 0; i < count; i++) {
        if (source->failures[(at + i) % count] < REPOSYNC_MIRROR_TRIES) {
            return (at + i) % count;
        }
    }
    return -1;
}

const reposync_url_t *reposync_source_current(const reposync_source_t *source)
{
    int index = next_mirror(source, source->current);

    return index < 0 ? NULL : &APR_ARRAY_IDX(source->mirrors->urls, index, reposync_url_t);
}

static bool is_final(apr_status_t rv)
{
    return rv != APR_EINVAL && rv != APR_NOTFOUND && rv != APR_TIMEUP;
}

/* The one that is asked first is so no more. */
static void move_on(reposync_source_t *source, int index)
{
    if (index == next_mirror(source, source->current)) {
        source->current = (index + 1) % source->mirrors->urls->nelts;
    }
}

/* One that fails is asked again only when all others have been asked. */
apr_status_t reposync_source_get(reposync_source_t *source, const reposync_want_t *want,
                                 retrace_error_t *err, apr_pool_t *scratch)
{
    int count = source->mirrors->urls->nelts;
    int left = count > REPOSYNC_MIRROR_TRIES ? count : REPOSYNC_MIRROR_TRIES;
    int at = source->current;
    bool *is_asked = apr_pcalloc(scratch, sizeof(bool) * (size_t)count);
    apr_status_t rv = retrace_fail(err, APR_TIMEUP, "all mirrors were given up after failures");

    for (; left > 0; left--) {
        int index = next_mirror(source, at);

        if (index < 0) {
            break;
        }
        at = index + 1;
        if (is_asked[index]) {
            continue; /* it answered, but does not have it */
        }
        rv = get_from(source, &APR_ARRAY_IDX(source->mirrors->urls, index, reposync_url_t), want,
                      err, scratch);
        if (rv == APR_TIMEUP) {
            move_on(source, index);
            source->failures[index]++;
            continue;
        }
        source->failures[index] = 0;
        if (rv == APR_SUCCESS || is_final(rv)) {
            source->refusals[index] = rv == APR_SUCCESS ? 0 : source->refusals[index];
            return rv;
        }
        if (++source->refusals[index] >= REPOSYNC_MIRROR_REFUSALS) {
            move_on(source, index);
        }
        is_asked[index] = true;
    }
    return rv;
}
