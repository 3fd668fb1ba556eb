/* SPDX-License-Identifier: Apache-2.0 */
/* See plan.h. */
#include "helpers/reposync/plan.h"

#include <apr_strings.h>
#include <string.h>

void reposync_plan_tell(reposync_plan_t *plan, const char *name, const char *reason)
{
    if (plan->told < REPOSYNC_MAX_TOLD) {
        reposync_tell(plan->sync, "%s %s: %.*s: %s", plan->place->release, plan->repository,
                      RETRACE_REPODATA_HREF_LENGTH, name, reason);
    }
    if (plan->told == REPOSYNC_MAX_TOLD) {
        reposync_tell(plan->sync, "%s %s: more packages are not told", plan->place->release,
                      plan->repository);
    }
    plan->told++;
}

/* @return NULL, or what is wrong with it */
static const char *check(const retrace_repodata_package_t *package, const char *name)
{
    if (package->href == NULL) {
        return "it is at no place below the repository";
    }
    if (!reposync_place_is_name(name)) {
        return "its name is no name of a package's file";
    }
    if (package->checksum.type == NULL) {
        return "it has no SHA checksum";
    }
    if (package->size <= 0 || package->size > REPOSYNC_MAX_PACKAGE) {
        return "its size is missing, or too large";
    }
    return NULL;
}

static bool is_source(const retrace_repodata_package_t *package)
{
    return strcmp(package->arch, "src") == 0 || strcmp(package->arch, "nosrc") == 0;
}

static void push(reposync_plan_t *plan, const retrace_repodata_package_t *package, const char *name)
{
    reposync_package_t *wanted = apr_array_push(plan->packages);

    wanted->name = name;
    wanted->href = apr_pstrdup(plan->pool, package->href);
    wanted->size = package->size;
    wanted->checksum = package->checksum;
    plan->bytes += package->size;
}

apr_status_t reposync_plan_add(void *baton, const retrace_repodata_package_t *package,
                               retrace_error_t *err)
{
    reposync_plan_t *plan = baton;
    const char *slash = package->href != NULL ? strrchr(package->href, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : package->href;
    const char *wrong = check(package, name);

    (void)err;
    if (is_source(package)) {
        return APR_SUCCESS;
    }
    if (wrong != NULL) {
        plan->tally->refused++;
        reposync_plan_tell(plan, package->href != NULL ? package->href : package->name, wrong);
        return APR_SUCCESS;
    }
    if (apr_hash_get(plan->named, name, APR_HASH_KEY_STRING) != NULL) {
        return APR_SUCCESS;
    }
    name = apr_pstrdup(apr_hash_pool_get(plan->named), name);
    apr_hash_set(plan->named, name, APR_HASH_KEY_STRING, name);
    if (reposync_place_has(plan->place, name, package->size)) {
        plan->tally->kept++;
    }
    else if (plan->useful != NULL
             && apr_hash_get(plan->useful, package->checksum.digits, APR_HASH_KEY_STRING) == NULL) {
        plan->tally->skipped++;
    }
    else {
        push(plan, package, name);
    }
    return APR_SUCCESS;
}

apr_status_t reposync_plan_note_file(void *baton, const char *digits, const char *path,
                                     retrace_error_t *err)
{
    static const char *const places[] = { "/usr/lib/.build-id/", "/usr/lib/debug/" };
    reposync_plan_t *plan = baton;
    size_t i;

    (void)err;
    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (strncmp(path, places[i], strlen(places[i])) == 0
            && apr_hash_get(plan->useful, digits, APR_HASH_KEY_STRING) == NULL) {
            apr_hash_set(plan->useful, apr_pstrdup(plan->pool, digits), APR_HASH_KEY_STRING, "");
        }
    }
    return APR_SUCCESS;
}
