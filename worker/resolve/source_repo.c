/* SPDX-License-Identifier: Apache-2.0 */
/* Packages below RepoDir. The index says which package has a file; one that is not here is fetched first,
 * with FetchOnDemand. */
#include <apr_strings.h>
#include <string.h>

#include "lib/release.h"
#include "worker/resolve/mirror.h"
#include "worker/resolve/preference.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/repo_matches.h"
#include "worker/resolve/repo_unpack.h"
#include "worker/resolve/source.h"

#define NAME          "repo"
#define REFUSALS_TOLD 10 /* lines about one release */
#define UNKNOWN_TOLD  10 /* names of packages */
#define ASKED_TOLD    4  /* names of repositories */

typedef struct opened_t {
    worker_repo_t *repo;
    worker_matches_t *matches;
    apr_hash_t *refused;     /* package → why it is not used, found out just now */
    apr_hash_t *asked;       /* repo_unpack.h */
    bool is_refreshed;       /* a package was not what the index said */
    bool is_mended;          /* its index was damaged, and has been made anew */
    worker_mirror_t *mirror; /* NULL: none yet */
    const char *no_mirror;   /* why there is none; NULL: not tried */
} opened_t;

typedef struct worker_repositories_t {
    apr_array_header_t *opened;      /* of opened_t * */
    apr_array_header_t *preferences; /* of worker_preference_t */
    const char *names; /* whom a question goes to: "repo fedora-36-x86_64"; "" nobody */
} worker_repositories_t;

/* One question: what all functions about it pass on. */
typedef struct quest_t {
    const retrace_config_t *config;
    const worker_repositories_t *repositories;
    const worker_want_t *want;
    apr_pool_t *pool;
} quest_t;

/* --- Opening ------------------------------------------------------------------------------- */

static void tell_refusals(const worker_search_t *search, const worker_repo_t *repo, apr_pool_t *p)
{
    apr_array_header_t *refused = NULL;
    int i;

    if (worker_index_refused(&refused, repo->index, REFUSALS_TOLD + 1, NULL, p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < refused->nelts && i < REFUSALS_TOLD; i++) {
        const worker_index_entry_t *entry = &APR_ARRAY_IDX(refused, i, worker_index_entry_t);

        worker_search_tell(search, 'W',
                           apr_psprintf(p, "Package %s/%s is not used: %s", repo->name, entry->file,
                                        entry->refusal));
    }
    if (refused->nelts > REFUSALS_TOLD) {
        worker_search_tell(
            search, 'W',
            apr_psprintf(p, "More packages of %s are not used: see retrace-server-index(8)",
                         repo->name));
    }
}

static void tell_stale(const worker_search_t *search, const worker_repo_t *repo, apr_pool_t *p)
{
    if (repo->stale.status != APR_SUCCESS) {
        worker_search_tell(
            search, 'W',
            apr_psprintf(p, "The index of %s is used as it is: %s", repo->name, repo->stale.text));
    }
}

static void tell_complaint(const worker_search_t *search, const worker_repo_t *repo, apr_pool_t *p)
{
    const char *metadata = "";
    const char *complaint = "";

    if (worker_index_metadata(&metadata, &complaint, repo->index, NULL, p) == APR_SUCCESS
        && complaint[0] != '\0') {
        worker_search_tell(search, 'W',
                           apr_psprintf(p, "The metadata of %s: %s", repo->name, complaint));
    }
}

static void make_matches(opened_t *opened, const worker_search_t *search,
                         apr_array_header_t *preferences, apr_pool_t *p)
{
    opened->matches = worker_matches_make(opened->repo->index, search->core, preferences, p);
}

/* Has a question to the index failed? Told each time; a damaged index is made anew, once.
 * @return whether it is worth asking again */
static bool mend(opened_t *opened, const worker_search_t *search, apr_array_header_t *preferences,
                 apr_pool_t *p)
{
    const char *name = opened->repo->name;
    const retrace_error_t trouble = worker_index_trouble(opened->repo->index);
    retrace_error_t err;

    if (trouble.status == APR_SUCCESS) {
        return false;
    }
    worker_search_tell(search, 'W',
                       apr_psprintf(p, "The index of %s cannot be read: %s", name, trouble.text));
    if (trouble.status != WORKER_INDEX_DAMAGED || opened->is_mended) {
        return false;
    }
    opened->is_mended = true;
    if (worker_repo_mend(opened->repo, &err, p) != APR_SUCCESS) {
        worker_search_tell(search, 'W',
                           apr_psprintf(p, "The index of %s is not mended: %s", name, err.text));
        return false;
    }
    make_matches(opened, search, preferences, p);
    return true;
}

static void open_one(worker_repositories_t *repositories, const retrace_config_t *config,
                     const worker_search_t *search, const char *name, apr_pool_t *p)
{
    opened_t *opened = apr_pcalloc(p, sizeof(*opened));
    retrace_error_t err;

    opened->refused = apr_hash_make(p);
    opened->asked = apr_hash_make(p);
    if (worker_repo_open(&opened->repo, config, name, false, &err, p) != APR_SUCCESS) {
        worker_search_tell(search, 'W',
                           apr_psprintf(p, "The packages of %s are not used: %s", name, err.text));
        return;
    }
    tell_stale(search, opened->repo, p);
    tell_complaint(search, opened->repo, p);
    tell_refusals(search, opened->repo, p);
    make_matches(opened, search, repositories->preferences, p);
    (void)mend(opened, search, repositories->preferences, p);
    APR_ARRAY_PUSH(repositories->opened, opened_t *) = opened;
}

static void tell_unknown(const worker_search_t *search, const worker_repositories_t *repositories,
                         apr_pool_t *p)
{
    const char *names = "";
    int count = 0;
    int i;

    for (i = 0; i < repositories->preferences->nelts; i++) {
        const worker_preference_t *preference =
            &APR_ARRAY_IDX(repositories->preferences, i, worker_preference_t);

        if (!preference->is_known && ++count <= UNKNOWN_TOLD) {
            names = apr_pstrcat(p, names, count > 1 ? ", " : "", preference->text, NULL);
        }
    }
    if (count > 0) {
        worker_search_tell(search, 'I',
                           apr_psprintf(p, "No repository knows %d packages of the upload: %s%s",
                                        count, names, count > UNKNOWN_TOLD ? ", ..." : ""));
    }
}

static const char *names_of(const apr_array_header_t *opened, apr_pool_t *p)
{
    const char *names = opened->nelts > 0 ? NAME : "";
    int i;

    for (i = 0; i < opened->nelts && i < ASKED_TOLD; i++) {
        names = apr_pstrcat(p, names, " ", APR_ARRAY_IDX(opened, i, opened_t *)->repo->name, NULL);
    }
    return opened->nelts > ASKED_TOLD
        ? apr_psprintf(p, "%s and %d more", names, opened->nelts - ASKED_TOLD)
        : names;
}

static const worker_repositories_t *open_all(const retrace_config_t *config,
                                             worker_search_t *search, apr_pool_t *p)
{
    worker_repositories_t *repositories = search->repositories;
    const apr_array_header_t *names;
    int i;

    if (repositories != NULL) {
        return repositories;
    }
    repositories = apr_palloc(p, sizeof(*repositories));
    repositories->opened = apr_array_make(p, 4, sizeof(opened_t *));
    repositories->preferences = worker_preferences(search->errand->packages, p);
    names = worker_repo_select(retrace_release_names(config->repo_dir, p), search->errand->release,
                               search->core->arch, p);
    for (i = 0; i < names->nelts; i++) {
        open_one(repositories, config, search, APR_ARRAY_IDX(names, i, const char *), p);
    }
    if (repositories->opened->nelts > 0) {
        tell_unknown(search, repositories, p);
    }
    repositories->names = names_of(repositories->opened, p);
    search->repositories = repositories;
    return repositories;
}

/* --- Packages that are not used ------------------------------------------------------------- */

static bool is_refused(const opened_t *opened, const worker_candidate_t *candidate)
{
    return apr_hash_get(opened->refused, candidate->file, APR_HASH_KEY_STRING) != NULL;
}

/* Told once, whatever else is wanted of the package. */
static void refuse(const quest_t *quest, opened_t *opened, const worker_candidate_t *candidate,
                   char level, const char *reason)
{
    if (is_refused(opened, candidate)) {
        return;
    }
    apr_hash_set(opened->refused, candidate->file, APR_HASH_KEY_STRING, "");
    worker_search_tell(quest->want->search, level,
                       apr_psprintf(quest->pool, "Package %s/%s is not used: %s",
                                    opened->repo->name, candidate->file, reason));
}

static apr_status_t fail(const opened_t *opened, const worker_candidate_t *candidate,
                         const char *what, retrace_error_t *err)
{
    return retrace_fail(err, APR_EGENERAL, "package %s/%s %s", opened->repo->name, candidate->file,
                        what);
}

/* --- Packages that are not here ------------------------------------------------------------- */

static void tell_search(void *baton, char level, const char *text)
{
    worker_search_tell(baton, level, text);
}

static apr_status_t open_mirror(const quest_t *quest, opened_t *opened, retrace_error_t *err)
{
    retrace_error_t why;

    if (opened->mirror == NULL && opened->no_mirror == NULL
        && worker_mirror_open(&opened->mirror, quest->config, opened->repo->name, tell_search,
                              quest->want->search, &why, quest->pool)
            != APR_SUCCESS) {
        opened->no_mirror = apr_pstrdup(quest->pool, why.text);
    }
    return opened->mirror != NULL
        ? APR_SUCCESS
        : retrace_fail(err, APR_EGENERAL, "it cannot be fetched: %s", opened->no_mirror);
}

static apr_status_t fetch(const quest_t *quest, opened_t *opened,
                          const worker_candidate_t *candidate, retrace_error_t *err)
{
    apr_status_t rv = open_mirror(quest, opened, err);

    if (rv == APR_SUCCESS) {
        rv = worker_mirror_get(opened->mirror, opened->repo, candidate, err, quest->pool);
    }
    if (rv == APR_SUCCESS) {
        make_matches(opened, quest->want->search, quest->repositories->preferences, quest->pool);
    }
    return rv;
}

/* @param pis_fetched  a package is here that was not: who has the file must be asked again */
static apr_status_t try_remote(bool *pis_fetched, const quest_t *quest, opened_t *opened,
                               const worker_candidate_t *candidate, retrace_error_t *err)
{
    retrace_error_t why;

    if (!quest->config->fetch_on_demand) {
        refuse(quest, opened, candidate, 'I', "it is not here (FetchOnDemand = 0)");
        return fail(opened, candidate, "would have it (FetchOnDemand = 0)", err);
    }
    if (!is_refused(opened, candidate)) {
        if (fetch(quest, opened, candidate, &why) == APR_SUCCESS) {
            *pis_fetched = true;
            return APR_NOTFOUND;
        }
        refuse(quest, opened, candidate, 'W', why.text);
    }
    return fail(opened, candidate, "is not used", err);
}

/* --- The question --------------------------------------------------------------------------- */

/* A package has been replaced since the repository was opened. @return whether to ask again, once */
static bool refresh(const quest_t *quest, opened_t *opened)
{
    if (opened->is_refreshed
        || worker_repo_refresh(opened->repo, NULL, quest->pool) != APR_SUCCESS) {
        return false;
    }
    opened->is_refreshed = true;
    make_matches(opened, quest->want->search, quest->repositories->preferences, quest->pool);
    return true;
}

/* @param pis_new  who has the file must be asked again */
static apr_status_t try_here(worker_found_t **pfound, bool *pis_new, const quest_t *quest,
                             opened_t *opened, const worker_candidate_t *candidate,
                             retrace_error_t *err)
{
    const worker_repo_unpack_t from = { opened->repo, opened->matches, opened->asked };
    retrace_error_t why;
    apr_status_t rv = APR_SUCCESS;

    if (!is_refused(opened, candidate)) {
        rv = worker_repo_unpack(&from, candidate, quest->want, quest->config, &why, quest->pool);
    }
    if (rv == WORKER_REPO_CHANGED && refresh(quest, opened)) {
        *pis_new = true;
        return APR_NOTFOUND;
    }
    if (rv != APR_SUCCESS) {
        refuse(quest, opened, candidate, 'W', why.text);
    }
    if (is_refused(opened, candidate)) {
        return fail(opened, candidate, "is not used", err);
    }
    if (worker_source_cache.find(pfound, quest->config, quest->want, NULL, quest->pool)
        != APR_SUCCESS) {
        return fail(opened, candidate, "does not have it", err);
    }
    (*pfound)->source = NAME;
    (*pfound)->origin = candidate->path;
    return APR_SUCCESS;
}

static apr_array_header_t *candidates_of(const quest_t *quest, const opened_t *opened)
{
    const worker_want_t *want = quest->want;

    return worker_matches_candidates(opened->matches, opened->repo->index, want->kind,
                                     want->build_id, want->altlink, quest->pool);
}

static apr_status_t try_all(worker_found_t **pfound, bool *pis_fetched, const quest_t *quest,
                            opened_t *opened, retrace_error_t *err)
{
    const apr_array_header_t *candidates = candidates_of(quest, opened);
    apr_status_t rv = APR_NOTFOUND;
    int i;

    if (mend(opened, quest->want->search, quest->repositories->preferences, quest->pool)) {
        candidates = candidates_of(quest, opened);
    }
    for (i = 0; i < candidates->nelts && rv != APR_SUCCESS && !*pis_fetched; i++) {
        const worker_candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, worker_candidate_t);

        rv = candidate->remote == NULL
            ? try_here(pfound, pis_fetched, quest, opened, candidate, err)
            : try_remote(pis_fetched, quest, opened, candidate, err);
    }
    return rv;
}

/* Each package that is fetched is remote no longer, and each that is not is refused: it ends. */
static apr_status_t look_in(worker_found_t **pfound, const quest_t *quest, opened_t *opened,
                            retrace_error_t *err)
{
    bool is_fetched;
    apr_status_t rv;

    do {
        is_fetched = false;
        rv = try_all(pfound, &is_fetched, quest, opened, err);
    }
    while (is_fetched);
    return rv;
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    quest_t quest = { .config = config, .want = want, .pool = p };
    const apr_array_header_t *opened;
    apr_status_t rv = APR_NOTFOUND;
    int i;

    if (want->search == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "no core wants it");
    }
    quest.repositories = open_all(config, want->search, p);
    opened = quest.repositories->opened;
    want->search->servers = quest.repositories->names;
    if (opened->nelts > 0) {
        (void)retrace_fail(err, APR_NOTFOUND, "no package has it");
    }
    for (i = 0; i < opened->nelts && rv != APR_SUCCESS; i++) {
        rv = look_in(pfound, &quest, APR_ARRAY_IDX(opened, i, opened_t *), err);
    }
    return rv;
}

const worker_source_t worker_source_repo = { NAME, find };
