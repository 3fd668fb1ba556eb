/* SPDX-License-Identifier: Apache-2.0 */
/* See repo_matches.h. */
#include "worker/resolve/repo_matches.h"

#include <apr_strings.h>
#include <string.h>

#include "worker/path.h"
#include "worker/resolve/choice.h"
#include "worker/resolve/preference.h"

static void find_both(apr_array_header_t *candidates, worker_index_t *index,
                      worker_file_kind_t kind, const char *key, apr_pool_t *p)
{
    (void)worker_index_find(candidates, index, kind, key, NULL, p);
    (void)worker_index_find_remote(candidates, index, kind, key, NULL, p);
}

static void add_matches(worker_matches_t *matches, worker_index_t *index, worker_file_kind_t kind,
                        const char *build_id, apr_pool_t *p)
{
    apr_array_header_t *candidates = apr_array_make(p, 2, sizeof(worker_candidate_t));
    int i;

    find_both(candidates, index, kind, build_id, p);
    for (i = 0; i < candidates->nelts; i++) {
        APR_ARRAY_PUSH(matches->all, worker_match_t) =
            (worker_match_t){ APR_ARRAY_IDX(candidates, i, worker_candidate_t), kind, build_id };
    }
}

static bool is_preferred(const worker_candidate_t *candidate, apr_array_header_t *preferences)
{
    bool is = false;
    int i;

    for (i = 0; i < preferences->nelts; i++) {
        worker_preference_t *preference = &APR_ARRAY_IDX(preferences, i, worker_preference_t);

        is = is || (preference->is_known && worker_preference_is(preference, candidate));
    }
    return is;
}

/* Also of packages that have nothing that is wanted: the upload may know more than it needs. */
static void mark_known(apr_array_header_t *preferences, worker_index_t *index, apr_pool_t *p)
{
    apr_array_header_t *named = apr_array_make(p, 16, sizeof(worker_candidate_t));
    apr_array_header_t *names = apr_array_make(p, 16, sizeof(const char *));
    int i;
    int j;

    for (i = 0; i < preferences->nelts; i++) {
        APR_ARRAY_PUSH(names, const char *) =
            APR_ARRAY_IDX(preferences, i, worker_preference_t).nevra.name;
    }
    if (names->nelts > 0) {
        (void)worker_index_find_named(named, index, names, NULL, p);
    }
    for (i = 0; i < preferences->nelts; i++) {
        worker_preference_t *preference = &APR_ARRAY_IDX(preferences, i, worker_preference_t);

        for (j = 0; j < named->nelts && !preference->is_known; j++) {
            preference->is_known =
                worker_preference_is(preference, &APR_ARRAY_IDX(named, j, worker_candidate_t));
        }
    }
}

static worker_choice_t *find_choice(apr_array_header_t *choices, apr_hash_t *places,
                                    const worker_candidate_t *candidate,
                                    apr_array_header_t *preferences, apr_pool_t *p)
{
    const int *place = apr_hash_get(places, candidate->file, APR_HASH_KEY_STRING);
    worker_choice_t *choice;
    int *new_place;

    if (place != NULL) {
        return &APR_ARRAY_IDX(choices, *place, worker_choice_t);
    }
    new_place = apr_palloc(p, sizeof(*new_place));
    *new_place = choices->nelts;
    apr_hash_set(places, candidate->file, APR_HASH_KEY_STRING, new_place);
    choice = apr_array_push(choices);
    *choice = (worker_choice_t){ .name = candidate->name,
                                 .epoch = candidate->epoch,
                                 .version = candidate->version,
                                 .release = candidate->release,
                                 .arch = candidate->arch,
                                 .source = candidate->source,
                                 .is_remote = candidate->remote != NULL,
                                 .is_preferred = is_preferred(candidate, preferences),
                                 .wants = apr_array_make(p, 4, sizeof(int)) };
    return choice;
}

/* A wanted file gets its number when it is first met. */
static int number_of(apr_hash_t *numbers, const worker_match_t *match, apr_pool_t *p)
{
    const char *key = apr_pstrcat(p, worker_file_kind_name(match->kind), match->build_id, NULL);
    int *number = apr_hash_get(numbers, key, APR_HASH_KEY_STRING);

    if (number == NULL) {
        number = apr_palloc(p, sizeof(*number));
        *number = (int)apr_hash_count(numbers);
        apr_hash_set(numbers, key, APR_HASH_KEY_STRING, number);
    }
    return *number;
}

static void choose(worker_matches_t *matches, apr_array_header_t *preferences, apr_pool_t *p)
{
    apr_array_header_t *choices = apr_array_make(p, 16, sizeof(worker_choice_t));
    apr_hash_t *places = apr_hash_make(p);
    apr_hash_t *numbers = apr_hash_make(p);
    apr_hash_index_t *at;
    int i;

    for (i = 0; i < matches->all->nelts; i++) {
        const worker_match_t *match = &APR_ARRAY_IDX(matches->all, i, worker_match_t);
        worker_choice_t *choice = find_choice(choices, places, &match->candidate, preferences, p);

        APR_ARRAY_PUSH(choice->wants, int) = number_of(numbers, match, p);
    }
    worker_choose(choices, (int)apr_hash_count(numbers), p);
    for (at = apr_hash_first(p, places); at != NULL; at = apr_hash_next(at)) {
        const int *place = apr_hash_this_val(at);

        apr_hash_set(matches->ranks, apr_hash_this_key(at), APR_HASH_KEY_STRING,
                     &APR_ARRAY_IDX(choices, *place, worker_choice_t).rank);
    }
    matches->worst_rank = choices->nelts;
}

worker_matches_t *worker_matches_make(worker_index_t *index, const worker_core_t *core,
                                      apr_array_header_t *preferences, apr_pool_t *p)
{
    worker_matches_t *matches = apr_pcalloc(p, sizeof(*matches));
    int i;

    matches->all = apr_array_make(p, 64, sizeof(worker_match_t));
    matches->ranks = apr_hash_make(p);
    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            add_matches(matches, index, WORKER_FILE_EXECUTABLE, module->build_id, p);
            add_matches(matches, index, WORKER_FILE_DEBUGINFO, module->build_id, p);
        }
    }
    mark_known(preferences, index, p);
    choose(matches, preferences, p);
    return matches;
}

apr_array_header_t *worker_matches_candidates(const worker_matches_t *matches,
                                              worker_index_t *index, worker_file_kind_t kind,
                                              const char *build_id, const char *altlink,
                                              apr_pool_t *p)
{
    apr_array_header_t *candidates = apr_array_make(p, 4, sizeof(worker_candidate_t));
    int i;

    find_both(candidates, index, kind, build_id, p);
    if (kind == WORKER_FILE_DWZ && altlink != NULL) {
        find_both(candidates, index, kind, worker_path_name(altlink), p);
    }
    for (i = 0; i < candidates->nelts; i++) {
        worker_candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, worker_candidate_t);
        const int *rank = apr_hash_get(matches->ranks, candidate->file, APR_HASH_KEY_STRING);

        /* Of those that have nothing else the ones here come before the remote ones, too. */
        candidate->rank =
            rank != NULL ? *rank : matches->worst_rank + (candidate->remote != NULL ? 1 : 0);
    }
    worker_candidates_sort(candidates);
    return candidates;
}
