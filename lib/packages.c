/* SPDX-License-Identifier: Apache-2.0 */
/* See packages.h. */
#include "lib/packages.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/release.h"
#include "lib/spool.h"

#define GAVE_UP   ".gave_up" /* the state in which nothing could be done; no name of a release */
#define STATE_MAX 32         /* bytes of that state */
#define HASH_BASE UINT64_C(14695981039346656037) /* FNV-1a */
#define HASH_STEP UINT64_C(1099511628211)

static int open_lists(const retrace_config_t *config, apr_pool_t *p)
{
    return open(apr_pstrcat(p, config->save_dir, "/" RETRACE_DIR_PACKAGES, NULL),
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

retrace_package_state_t retrace_packages_state_of(const retrace_config_t *config,
                                                  const char *release, apr_pool_t *p)
{
    retrace_package_state_t state;
    int fd = open(apr_pstrcat(p, config->repo_dir, "/", release, NULL),
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    state = retrace_package_state(fd, config->fetch_on_demand);
    if (fd >= 0) {
        (void)close(fd);
    }
    return state;
}

/* In both directions: somebody may have set the clock back. */
static bool is_older(apr_time_t when, apr_time_t now, int seconds)
{
    return llabs((long long)(now - when)) > apr_time_from_sec(seconds);
}

static bool is_due(const retrace_config_t *config, int lists, const char *release, apr_time_t now,
                   apr_pool_t *p)
{
    retrace_package_list_t list;

    if (retrace_package_list_open(&list, lists, release, NULL) != APR_SUCCESS) {
        return true;
    }
    (void)close(list.fd);
    return is_older(list.checked, now, RETRACE_PACKAGES_RECHECK_S)
        || strcmp(list.state.text, retrace_packages_state_of(config, release, p).text) != 0;
}

/* --- Lists of releases that are gone ------------------------------------------------------- */

typedef struct leftovers_t {
    const apr_array_header_t *releases;
    apr_array_header_t *names; /* of lists that none of the releases has */
} leftovers_t;

static bool take_leftover(void *baton, const char *name)
{
    leftovers_t *leftovers = baton;
    int i;

    for (i = 0; i < leftovers->releases->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(leftovers->releases, i, const char *), name) == 0) {
            return true;
        }
    }
    if (retrace_release_is_name(name)) {
        APR_ARRAY_PUSH(leftovers->names, const char *) = apr_pstrdup(leftovers->names->pool, name);
    }
    return leftovers->names->nelts < RETRACE_RELEASES_MAX;
}

static apr_array_header_t *list_leftovers(int lists, const apr_array_header_t *releases,
                                          apr_pool_t *p)
{
    leftovers_t leftovers = { releases, apr_array_make(p, 4, sizeof(const char *)) };

    (void)retrace_fs_each(lists, take_leftover, &leftovers, NULL);
    return leftovers.names;
}

apr_status_t retrace_packages_sweep(const retrace_config_t *config, retrace_error_t *err,
                                    apr_pool_t *p)
{
    const apr_array_header_t *names;
    apr_status_t rv = APR_SUCCESS;
    int lists = open_lists(config, p);
    int i;

    if (lists < 0) {
        return APR_SUCCESS;
    }
    names = list_leftovers(lists, retrace_release_names(config->repo_dir, p), p);
    for (i = 0; i < names->nelts && rv == APR_SUCCESS; i++) {
        rv = retrace_fs_remove(lists, APR_ARRAY_IDX(names, i, const char *), err);
    }
    (void)close(lists);
    return rv;
}

/* --- What is due --------------------------------------------------------------------------- */

static apr_uint64_t add_text(apr_uint64_t hash, const char *text)
{
    size_t i;

    for (i = 0; i <= strlen(text); i++) {
        hash = (hash ^ (unsigned char)text[i]) * HASH_STEP;
    }
    return hash;
}

const char *retrace_packages_state(const retrace_config_t *config, apr_pool_t *p)
{
    const apr_array_header_t *releases = retrace_release_names(config->repo_dir, p);
    apr_uint64_t hash = HASH_BASE;
    int i;

    for (i = 0; i < releases->nelts; i++) {
        const char *release = APR_ARRAY_IDX(releases, i, const char *);

        hash =
            add_text(add_text(hash, release), retrace_packages_state_of(config, release, p).text);
    }
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, hash);
}

apr_status_t retrace_packages_open(int *pfd, const retrace_config_t *config, retrace_error_t *err)
{
    int spool = -1;
    apr_status_t rv = retrace_fs_open_dir(&spool, AT_FDCWD, config->save_dir, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(pfd, spool, RETRACE_DIR_PACKAGES, 0750, err);
        (void)close(spool);
    }
    return rv;
}

apr_status_t retrace_packages_give_up(const retrace_config_t *config, const char *state,
                                      retrace_error_t *err)
{
    int lists = -1;
    apr_status_t rv = retrace_packages_open(&lists, config, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_replace(lists, GAVE_UP, state, strlen(state), 0640, false, err);
        (void)close(lists);
    }
    return rv;
}

static bool has_given_up(const retrace_config_t *config, int lists, apr_time_t now, apr_pool_t *p)
{
    const char *state = "";
    struct stat info;

    if (fstatat(lists, GAVE_UP, &info, AT_SYMLINK_NOFOLLOW) != 0
        || is_older(apr_time_from_sec(info.st_mtime), now, RETRACE_PACKAGES_GIVE_UP_S)) {
        return false;
    }
    (void)retrace_fs_read(&state, NULL, lists, GAVE_UP, STATE_MAX, NULL, p);
    return strcmp(state, retrace_packages_state(config, p)) == 0;
}

static bool is_any_due(const retrace_config_t *config, int lists, apr_time_t now, apr_pool_t *p)
{
    const apr_array_header_t *releases = retrace_release_names(config->repo_dir, p);
    int i;

    for (i = 0; i < releases->nelts; i++) {
        if (is_due(config, lists, APR_ARRAY_IDX(releases, i, const char *), now, p)) {
            return true;
        }
    }
    return lists >= 0 && list_leftovers(lists, releases, p)->nelts > 0;
}

bool retrace_packages_are_due(const retrace_config_t *config, apr_time_t now, apr_pool_t *p)
{
    int lists = open_lists(config, p);
    bool due;

    if (lists < 0 && access(config->save_dir, X_OK) != 0) {
        return false; /* nobody could make them there */
    }
    due = is_any_due(config, lists, now, p) && !has_given_up(config, lists, now, p);
    if (lists >= 0) {
        (void)close(lists);
    }
    return due;
}
