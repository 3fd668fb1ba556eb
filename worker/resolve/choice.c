/* SPDX-License-Identifier: Apache-2.0 */
/* See choice.h. */
#include "worker/resolve/choice.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <rpm/rpmlib.h>
#include <string.h>

typedef struct group_t {
    apr_array_header_t *members; /* of worker_choice_t * */
    const worker_choice_t *first;
    bool is_remote;
    bool is_preferred;
    bool is_ranked;
} group_t;

int worker_compare_evr(const char *const a[3], const char *const b[3])
{
    int order = rpmvercmp(a[0][0] != '\0' ? a[0] : "0", b[0][0] != '\0' ? b[0] : "0");

    if (order == 0) {
        order = rpmvercmp(a[1], b[1]);
    }
    return order != 0 ? order : rpmvercmp(a[2], b[2]);
}

/* --- Groups -------------------------------------------------------------------------------- */

static const char *base_name(const char *name, apr_pool_t *p)
{
    static const char *const endings[] = { "-debuginfo-common", "-debuginfo", "-debugsource" };
    size_t i;

    for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        const char *ending = strstr(name, endings[i]);

        if (ending != NULL && ending[strlen(endings[i])] == '\0') {
            return apr_pstrmemdup(p, name, (size_t)(ending - name));
        }
    }
    return name;
}

static const char *key_of(const worker_choice_t *package, apr_pool_t *p)
{
    const char *place = package->is_remote ? "remote" : "here";

    if (package->source[0] != '\0') {
        return apr_pstrcat(p, place, " ", package->source, " ", package->arch, NULL);
    }
    return apr_pstrcat(p, place, " ", base_name(package->name, p), " ", package->epoch, ":",
                       package->version, "-", package->release, ".", package->arch, NULL);
}

static group_t *make_group(apr_array_header_t *groups, const worker_choice_t *first, apr_pool_t *p)
{
    group_t *group = apr_pcalloc(p, sizeof(*group));

    group->members = apr_array_make(p, 4, sizeof(worker_choice_t *));
    group->first = first;
    group->is_remote = first->is_remote;
    APR_ARRAY_PUSH(groups, group_t *) = group;
    return group;
}

static apr_array_header_t *make_groups(const apr_array_header_t *packages, apr_pool_t *p)
{
    apr_array_header_t *groups = apr_array_make(p, 16, sizeof(group_t *));
    apr_hash_t *by_key = apr_hash_make(p);
    int i;

    for (i = 0; i < packages->nelts; i++) {
        worker_choice_t *package = &APR_ARRAY_IDX(packages, i, worker_choice_t);
        const char *key = key_of(package, p);
        group_t *group = apr_hash_get(by_key, key, APR_HASH_KEY_STRING);

        if (group == NULL) {
            group = make_group(groups, package, p);
            apr_hash_set(by_key, key, APR_HASH_KEY_STRING, group);
        }
        APR_ARRAY_PUSH(group->members, worker_choice_t *) = package;
        group->is_preferred = group->is_preferred || package->is_preferred;
    }
    return groups;
}

/* --- The cover ----------------------------------------------------------------------------- */

/* Calls for each file of a group that no group before it has, once. @param turn  another number for
 * each call of this function: files of one group that are in two packages count once */
static int count_new(const group_t *group, const bool *is_covered, int *seen, int turn)
{
    int count = 0;
    int i;
    int j;

    for (i = 0; i < group->members->nelts; i++) {
        const apr_array_header_t *wants =
            APR_ARRAY_IDX(group->members, i, const worker_choice_t *)->wants;

        for (j = 0; j < wants->nelts; j++) {
            int want = APR_ARRAY_IDX(wants, j, int);

            count += !is_covered[want] && seen[want] != turn;
            seen[want] = turn;
        }
    }
    return count;
}

static void cover(const group_t *group, bool *is_covered)
{
    int i;
    int j;

    for (i = 0; i < group->members->nelts; i++) {
        const apr_array_header_t *wants =
            APR_ARRAY_IDX(group->members, i, const worker_choice_t *)->wants;

        for (j = 0; j < wants->nelts; j++) {
            is_covered[APR_ARRAY_IDX(wants, j, int)] = true;
        }
    }
}

/* Of two that have as much: is `a` the better one? */
static bool is_better(const group_t *a, const group_t *b)
{
    const char *const evr_a[] = { a->first->epoch, a->first->version, a->first->release };
    const char *const evr_b[] = { b->first->epoch, b->first->version, b->first->release };
    int order;

    if (a->is_preferred != b->is_preferred) {
        return a->is_preferred;
    }
    order = worker_compare_evr(evr_a, evr_b);
    return order != 0 ? order > 0 : strcmp(a->first->name, b->first->name) < 0;
}

typedef struct state_t {
    const apr_array_header_t *groups;
    bool *is_covered;
    int *seen;
    int turn;
} state_t;

/* @return NULL when all are ranked */
static group_t *next_group(state_t *state)
{
    group_t *best = NULL;
    int most = -1;
    int i;

    for (i = 0; i < state->groups->nelts; i++) {
        group_t *group = APR_ARRAY_IDX(state->groups, i, group_t *);
        int count;

        if (group->is_ranked || (best != NULL && group->is_remote && !best->is_remote)) {
            continue;
        }
        count = count_new(group, state->is_covered, state->seen, ++state->turn);
        if (best == NULL || (best->is_remote && !group->is_remote) || count > most
            || (count == most && is_better(group, best))) {
            best = group;
            most = count;
        }
    }
    return best;
}

void worker_choose(apr_array_header_t *packages, int count, apr_pool_t *scratch)
{
    state_t state = { .groups = make_groups(packages, scratch),
                      .is_covered = apr_pcalloc(scratch, (apr_size_t)(count + 1) * sizeof(bool)),
                      .seen = apr_pcalloc(scratch, (apr_size_t)(count + 1) * sizeof(int)) };
    group_t *group;
    int rank = 0;
    int i;

    while ((group = next_group(&state)) != NULL) {
        for (i = 0; i < group->members->nelts; i++) {
            APR_ARRAY_IDX(group->members, i, worker_choice_t *)->rank = rank;
        }
        cover(group, state.is_covered);
        group->is_ranked = true;
        rank++;
    }
}
