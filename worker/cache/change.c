/* SPDX-License-Identifier: Apache-2.0 */
/* What removes something. Nothing that a task uses is removed, whoever asks for it. */
#include <apr_strings.h>
#include <inttypes.h>
#include <stdio.h>

#include "worker/cache/commands.h"
#include "worker/resolve/cache_trim.h"

#define MB (1024.0 * 1024.0)

static int64_t goal_of(const cache_request_t *request)
{
    if (request->size_mb != CACHE_NO_SIZE) {
        return request->size_mb * RETRACE_MIB;
    }
    return request->config->cache_size_mb > 0
        ? worker_cache_goal(request->config->cache_size_mb * RETRACE_MIB, 0)
        : WORKER_CACHE_NO_GOAL;
}

apr_status_t cache_trim(int *pcode, const cache_request_t *request, retrace_error_t *err)
{
    worker_cache_trimmed_t done;
    int64_t goal_bytes = goal_of(request);
    apr_status_t rv = worker_cache_trim(&done, request->config, goal_bytes, WORKER_CACHE_AFTER_IT,
                                        err, request->pool);

    if (rv == APR_SUCCESS) {
        printf("%d build-ids removed, %.1f MB; %.1f MB left%s\n", done.removed,
               (double)done.removed_bytes / MB, (double)done.left_bytes / MB,
               done.left_bytes > goal_bytes ? ", in use" : "");
        *pcode = done.left_bytes > goal_bytes ? CACHE_EXIT_REFUSED : 0;
    }
    return rv;
}

apr_status_t cache_remove(int *pcode, const cache_request_t *request, retrace_error_t *err)
{
    worker_cache_entry_t entry = { 0 };
    retrace_error_t why;
    apr_status_t rv = worker_cache_entry_read(&entry, request->top, request->hold,
                                              request->build_id, &why, request->pool);

    (void)err;
    if (rv == APR_SUCCESS) {
        rv = worker_cache_entry_remove(&entry, request->top, request->hold, &why);
    }
    if (rv != APR_SUCCESS) {
        printf("not removed: %s\n", why.text);
    }
    *pcode = rv == APR_SUCCESS ? 0 : CACHE_EXIT_REFUSED;
    return APR_SUCCESS;
}

/* Is a file what its name says? @return false with the reason in why */
static bool is_right(const cache_request_t *request, const worker_cache_entry_t *entry,
                     worker_file_kind_t kind, retrace_error_t *why, apr_pool_t *p)
{
    const worker_want_t want = { .kind = kind, .build_id = entry->build_id };
    worker_found_t *found = NULL;
    const char *path =
        apr_pstrcat(p, worker_cache_entry_path(request->config->cache_dir, entry->build_id, p), "/",
                    worker_file_kind_name(kind), NULL);

    return worker_source_check(&found, path, &want, worker_source_cache.name, why, p)
        == APR_SUCCESS;
}

/* What is not there any more is not wrong. */
static bool is_there(worker_cache_entry_t *entry, const cache_request_t *request,
                     worker_file_kind_t kind)
{
    return worker_cache_entry_read(entry, request->top, request->hold, entry->build_id, NULL,
                                   request->pool)
        == APR_SUCCESS
        && entry->kind_bytes[kind] != WORKER_CACHE_NO_FILE;
}

static bool verify_file(const cache_request_t *request, worker_cache_entry_t *entry,
                        worker_file_kind_t kind, apr_pool_t *p)
{
    const char *name = worker_file_kind_name(kind);
    retrace_error_t why;
    retrace_error_t err;

    if (entry->kind_bytes[kind] == WORKER_CACHE_NO_FILE
        || is_right(request, entry, kind, &why, p)) {
        return true;
    }
    /* Again: it could have been replaced by a good one, which has made the entry younger. */
    if (!is_there(entry, request, kind) || is_right(request, entry, kind, &why, p)) {
        return true;
    }
    if (worker_cache_entry_remove_file(entry, kind, request->top, request->hold, &err)
        == APR_SUCCESS) {
        printf("%s of %s is removed: %s\n", name, entry->build_id, why.text);
        (void)is_there(entry, request, kind);
    }
    else {
        printf("%s of %s is not removed (%s): %s\n", name, entry->build_id, err.text, why.text);
    }
    return false;
}

apr_status_t cache_verify(int *pcode, const cache_request_t *request, retrace_error_t *err)
{
    worker_cache_listing_t listing;
    apr_pool_t *scratch = NULL;
    int wrong = 0;
    int i;
    int kind;
    apr_status_t rv = worker_cache_list(&listing, request->top, request->hold, err, request->pool);

    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&scratch, request->pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < listing.entries->nelts; i++) {
        worker_cache_entry_t *entry = &APR_ARRAY_IDX(listing.entries, i, worker_cache_entry_t);

        for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
            wrong += !verify_file(request, entry, (worker_file_kind_t)kind, scratch);
        }
        apr_pool_clear(scratch);
    }
    printf("%d build-ids, %d files wrong\n", listing.entries->nelts, wrong);
    *pcode = wrong > 0 ? CACHE_EXIT_REFUSED : 0;
    return APR_SUCCESS;
}
