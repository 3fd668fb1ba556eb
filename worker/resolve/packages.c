/* SPDX-License-Identifier: Apache-2.0 */
/* See packages.h. */
#include "worker/resolve/packages.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>
#include <unistd.h>

#include "lib/key_file.h"
#include "lib/nevra.h"
#include "lib/release.h"
#include "worker/resolve/choice.h"
#include "worker/resolve/rpm_keys.h"

/* --- The choice ------------------------------------------------------------------------------ */

/* A package, its place among the choices, and how many of its files nobody has been chosen for. */
typedef struct offer_t {
    const worker_candidate_t *package;
    int place;
    int open;
} offer_t;

static offer_t *find_offer(apr_hash_t *offers, apr_array_header_t *choices,
                           const worker_candidate_t *package, apr_pool_t *p)
{
    offer_t *offer = apr_hash_get(offers, package->file, APR_HASH_KEY_STRING);

    if (offer == NULL) {
        offer = apr_pcalloc(p, sizeof(*offer));
        offer->package = package;
        offer->place = choices->nelts;
        apr_hash_set(offers, package->file, APR_HASH_KEY_STRING, offer);
        APR_ARRAY_PUSH(choices, worker_choice_t) =
            (worker_choice_t){ .name = package->name,
                               .epoch = package->epoch,
                               .version = package->version,
                               .release = package->release,
                               .arch = package->arch,
                               .source = package->source != NULL ? package->source : "",
                               .is_remote = package->remote != NULL,
                               .wants = apr_array_make(p, 4, sizeof(int)) };
    }
    return offer;
}

/* Also what is chosen: its group goes on, or debug information would be of another version. */
static void add_offers(apr_hash_t *offers, apr_array_header_t *choices,
                       const apr_array_header_t *wishes, int number, apr_pool_t *p)
{
    const worker_wish_t *wish = &APR_ARRAY_IDX(wishes, number, worker_wish_t);
    int i;

    for (i = 0; i < wish->candidates->nelts; i++) {
        offer_t *offer =
            find_offer(offers, choices, &APR_ARRAY_IDX(wish->candidates, i, worker_candidate_t), p);

        APR_ARRAY_PUSH(APR_ARRAY_IDX(choices, offer->place, worker_choice_t).wants, int) = number;
        offer->open += wish->package == NULL;
    }
}

static bool is_better(const offer_t *a, const offer_t *b, const apr_array_header_t *choices)
{
    int order = APR_ARRAY_IDX(choices, b->place, worker_choice_t).rank
        - APR_ARRAY_IDX(choices, a->place, worker_choice_t).rank;

    if (order == 0) {
        order = a->open - b->open;
    }
    return order != 0 ? order > 0 : strcmp(a->package->file, b->package->file) < 0;
}

const worker_candidate_t *worker_packages_next(const apr_array_header_t *wishes, apr_pool_t *p)
{
    apr_hash_t *offers = apr_hash_make(p); /* file → offer_t */
    apr_array_header_t *choices = apr_array_make(p, 16, sizeof(worker_choice_t));
    const offer_t *best = NULL;
    apr_hash_index_t *at;
    int i;

    for (i = 0; i < wishes->nelts; i++) {
        add_offers(offers, choices, wishes, i, p);
    }
    worker_choose(choices, wishes->nelts, p);
    for (at = apr_hash_first(p, offers); at != NULL; at = apr_hash_next(at)) {
        const offer_t *offer = apr_hash_this_val(at);

        if (offer->open > 0 && (best == NULL || is_better(offer, best, choices))) {
            best = offer;
        }
    }
    return best != NULL ? best->package : NULL;
}

static worker_candidate_t *find_candidate(const worker_wish_t *wish, const char *file)
{
    int i;

    for (i = 0; i < wish->candidates->nelts; i++) {
        worker_candidate_t *one = &APR_ARRAY_IDX(wish->candidates, i, worker_candidate_t);

        if (strcmp(one->file, file) == 0) {
            return one;
        }
    }
    return NULL;
}

void worker_packages_take(apr_array_header_t *wishes, const char *file)
{
    int i;

    for (i = 0; i < wishes->nelts; i++) {
        worker_wish_t *wish = &APR_ARRAY_IDX(wishes, i, worker_wish_t);
        const worker_candidate_t *one = find_candidate(wish, file);

        if (wish->package == NULL && one != NULL) {
            wish->package = one->file;
            wish->path = one->path;
        }
    }
}

void worker_packages_drop(apr_array_header_t *wishes, const char *file)
{
    int i;

    for (i = 0; i < wishes->nelts; i++) {
        const worker_wish_t *wish = &APR_ARRAY_IDX(wishes, i, worker_wish_t);
        worker_candidate_t *one;

        while ((one = find_candidate(wish, file)) != NULL) {
            *one = *(worker_candidate_t *)apr_array_pop(wish->candidates);
        }
    }
}

/* --- Names ----------------------------------------------------------------------------------- */

static bool is_arch(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

bool worker_packages_name(worker_needed_t *pneeded, const worker_package_t *package, apr_pool_t *p)
{
    const char *colon = package->epoch[0] != '\0' ? ":" : "";
    const char *nevr = apr_pstrcat(p, package->name, "-", package->epoch, colon, package->version,
                                   "-", package->release, NULL);
    retrace_nevra_t parts;

    /* A part that is not what it seems ends in another one when the whole is taken apart again. */
    if (!retrace_nevra_parse(&parts, nevr) || strcmp(parts.name, package->name) != 0
        || strcmp(parts.version, package->version) != 0
        || strcmp(parts.release, package->release) != 0 || !is_arch(package->arch)
        || strlen(nevr) + strlen(package->arch) + 2 > WORKER_NEVRA_MAX) {
        return false;
    }
    pneeded->name = apr_pstrcat(p, package->name, ".", package->arch, NULL);
    pneeded->nevra = apr_pstrcat(p, nevr, ".", package->arch, NULL);
    return true;
}

/* --- One repository --------------------------------------------------------------------------- */

static void tell(const worker_errand_t *errand, char level, const char *text)
{
    if (errand->tell != NULL) {
        errand->tell(errand->baton, level, text);
    }
}

/* @return true when some package has it */
static bool add_wish(worker_selection_t *choice, const worker_module_t *module,
                     worker_file_kind_t kind, apr_pool_t *p)
{
    worker_wish_t *wish = apr_array_push(choice->wishes);

    memset(wish, 0, sizeof(*wish));
    wish->module = module;
    wish->kind = kind;
    wish->candidates = apr_array_make(p, 2, sizeof(worker_candidate_t));
    (void)worker_index_find(wish->candidates, choice->repo->index, kind, module->build_id, NULL, p);
    return wish->candidates->nelts > 0;
}

/* @param pfound  how many of the files some package has */
static worker_selection_t *wish_for(int *pfound, const worker_repo_t *repo,
                                    const worker_core_t *core, apr_pool_t *p)
{
    worker_selection_t *choice = apr_pcalloc(p, sizeof(*choice));
    int i;

    choice->repo = repo;
    choice->repository = repo->name;
    choice->wishes = apr_array_make(p, 32, sizeof(worker_wish_t));
    choice->packages = apr_array_make(p, 16, sizeof(worker_needed_t));
    *pfound = 0;
    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            *pfound += add_wish(choice, module, WORKER_FILE_EXECUTABLE, p);
            *pfound += add_wish(choice, module, WORKER_FILE_DEBUGINFO, p);
        }
    }
    return choice;
}

#define SOURCE_SUFFIX ".src.rpm"

bool worker_packages_dwz(const char **pname, const char *source, const char *arch, apr_pool_t *p)
{
    size_t length = strlen(source);
    size_t suffix = strlen(SOURCE_SUFFIX);

    if (length <= suffix || strcmp(source + length - suffix, SOURCE_SUFFIX) != 0) {
        return false;
    }
    *pname = apr_pstrcat(p, apr_pstrmemdup(p, source, length - suffix), ".", arch, NULL);
    return true;
}

/* Its header, once more verified. */
static apr_status_t read_name(worker_needed_t *pneeded, const worker_repo_t *repo, const char *file,
                              retrace_error_t *err, apr_pool_t *p)
{
    worker_package_t *package = NULL;
    worker_index_entry_t entry;
    int fd = -1;
    apr_status_t rv = worker_repo_open_package(&fd, &entry, repo, file, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = worker_rpm_read(&package, repo->rpm, apr_psprintf(p, "/proc/self/fd/%d", fd), err, p);
    if (rv == APR_SUCCESS && !worker_packages_name(pneeded, package, p)) {
        rv = retrace_fail(err, APR_EINVAL, "its name has characters that no package's name has");
    }
    if (rv == APR_SUCCESS && package->source != NULL) {
        (void)worker_packages_dwz(&pneeded->dwz, package->source, package->arch, p);
    }
    (void)close(fd);
    pneeded->file = file;
    return rv;
}

static apr_status_t check_alone(const worker_selection_t *choice, const worker_needed_t *needed,
                                retrace_error_t *err)
{
    int i;

    for (i = 0; i < choice->packages->nelts; i++) {
        const worker_needed_t *other = &APR_ARRAY_IDX(choice->packages, i, worker_needed_t);

        if (strcmp(other->name, needed->name) == 0) {
            return retrace_fail(err, APR_EINVAL, "%s is needed too, and only one can be installed",
                                other->nevra);
        }
    }
    return APR_SUCCESS;
}

static void choose_one(worker_selection_t *choice, const char *file, const worker_errand_t *errand,
                       apr_pool_t *p)
{
    worker_needed_t needed = { 0 };
    retrace_error_t err;
    apr_status_t rv = read_name(&needed, choice->repo, file, &err, p);

    if (rv == APR_SUCCESS) {
        rv = check_alone(choice, &needed, &err);
    }
    if (rv == APR_SUCCESS) {
        worker_packages_take(choice->wishes, file);
        APR_ARRAY_PUSH(choice->packages, worker_needed_t) = needed;
    }
    else {
        tell(errand, 'W',
             apr_psprintf(p, "Package %s/%s is not used: %s", choice->repo->name, file, err.text));
        worker_packages_drop(choice->wishes, file);
    }
}

static bool is_chosen(const worker_selection_t *choice, const apr_array_header_t *candidates)
{
    int i;
    int j;

    for (i = 0; i < candidates->nelts; i++) {
        const char *file = APR_ARRAY_IDX(candidates, i, worker_candidate_t).file;

        for (j = 0; j < choice->packages->nelts; j++) {
            if (strcmp(APR_ARRAY_IDX(choice->packages, j, worker_needed_t).file, file) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool has_debuginfo(const worker_selection_t *choice, const char *file)
{
    int i;

    for (i = 0; i < choice->wishes->nelts; i++) {
        const worker_wish_t *wish = &APR_ARRAY_IDX(choice->wishes, i, worker_wish_t);

        if (wish->kind == WORKER_FILE_DEBUGINFO && wish->package != NULL
            && strcmp(wish->package, file) == 0) {
            return true;
        }
    }
    return false;
}

/* What several files of debug information share is in one of the packages of their source package.
 * Without it gdb drops all symbols of a file, and unwinds wrongly. */
static void choose_dwz(worker_selection_t *choice, const worker_errand_t *errand, apr_pool_t *p)
{
    int count = choice->packages->nelts;
    int i;

    for (i = 0; i < count; i++) {
        const worker_needed_t needed = APR_ARRAY_IDX(choice->packages, i, worker_needed_t);
        apr_array_header_t *candidates = apr_array_make(p, 1, sizeof(worker_candidate_t));

        if (needed.dwz == NULL || !has_debuginfo(choice, needed.file)) {
            continue;
        }
        (void)worker_index_find(candidates, choice->repo->index, WORKER_FILE_DWZ, needed.dwz, NULL,
                                p);
        if (candidates->nelts > 0 && !is_chosen(choice, candidates)) {
            choose_one(choice, APR_ARRAY_IDX(candidates, 0, worker_candidate_t).file, errand, p);
        }
    }
}

static apr_status_t choose(worker_selection_t *choice, const worker_errand_t *errand,
                           retrace_error_t *err, apr_pool_t *p)
{
    const worker_candidate_t *best;
    apr_pool_t *scratch = NULL;
    apr_status_t rv = apr_pool_create(&scratch, p);

    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "choose packages");
    }
    while ((best = worker_packages_next(choice->wishes, scratch)) != NULL
           && choice->packages->nelts < WORKER_PACKAGES_MAX) {
        choose_one(choice, best->file, errand, p);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
    choose_dwz(choice, errand, p);
    return APR_SUCCESS;
}

/* --- All of them ------------------------------------------------------------------------------ */

static bool is_of_release(const char *name, const char *release)
{
    return release != NULL && strncmp(name, release, strlen(release)) == 0
        && name[strlen(release)] == '-';
}

apr_status_t worker_packages_choose(worker_selection_t **pchoice, const worker_core_t *core,
                                    const retrace_config_t *config, const worker_errand_t *errand,
                                    retrace_error_t *err, apr_pool_t *p)
{
    const apr_array_header_t *names = worker_repo_select(retrace_release_names(config->repo_dir, p),
                                                         errand->release, core->arch, p);
    worker_selection_t *best = NULL;
    apr_status_t rv;
    int most = -1;
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        worker_repo_t *repo = NULL;
        worker_selection_t *choice;
        retrace_error_t why;
        int found = 0;

        if (worker_repo_open(&repo, config, name, false, &why, p) != APR_SUCCESS) {
            tell(errand, 'W',
                 apr_psprintf(p, "The packages of %s are not used: %s", name, why.text));
            continue;
        }
        choice = wish_for(&found, repo, core, p);
        if (found > most && (found > 0 || is_of_release(name, errand->release))) {
            best = choice;
            most = found;
        }
    }
    if (best == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "no repository below %s has packages of the crash",
                            config->repo_dir);
    }
    *pchoice = best;
    rv = worker_keys_are_required(config, best->repository)
        ? retrace_key_file_find(&best->keys, config->gpg_key_dir, best->repository, err, p)
        : APR_SUCCESS;
    return rv == APR_SUCCESS ? choose(best, errand, err, p) : rv;
}
