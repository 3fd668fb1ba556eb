/* SPDX-License-Identifier: Apache-2.0 */
/* See resolve.h. */
#include "worker/resolve/resolve.h"

#include <apr_strings.h>
#include <string.h>

#include "worker/text.h"

typedef struct resolver_t {
    const retrace_config_t *config;
    const worker_chain_t *chain;
    worker_search_t *search;
    apr_pool_t *pool;
} resolver_t;

/* Once: what is true of one file is true of many. */
static void tell_full(const resolver_t *r, const retrace_error_t *err)
{
    if (!r->search->is_full_told) {
        r->search->is_full_told = true;
        worker_search_tell(
            r->search, 'W',
            apr_pstrcat(r->pool, "The cache does not keep all files: ", err->text, NULL));
    }
}

/* A full disk must not cost the backtrace: what cannot be cached is used where it is. */
static const worker_found_t *keep(const resolver_t *r, worker_found_t *found,
                                  const worker_want_t *want)
{
    worker_found_t *cached = NULL;
    retrace_error_t err;

    if (found->source == worker_source_cache.name) {
        const char *source = apr_hash_get(r->search->fetched, found->path, APR_HASH_KEY_STRING);

        found->source = source != NULL ? source : found->source;
        return found;
    }
    if (!r->chain->fills_cache) {
        return found;
    }
    if (worker_cache_insert(&cached, r->config, want, found->path, &err, r->pool) != APR_SUCCESS) {
        tell_full(r, &err);
        return found;
    }
    cached->source = found->source;
    cached->origin = found->origin;
    return cached;
}

/* Asks one source after the other; what none of them has is told, with whom was asked. */
static const worker_found_t *ask(const resolver_t *r, worker_resolved_t *resolved,
                                 const worker_want_t *want)
{
    const worker_errand_t *errand = r->search->errand;
    const worker_source_t *const *source;
    worker_found_t *found = NULL;
    const char *asked = "";
    retrace_error_t err;

    (void)retrace_fail(&err, APR_NOTFOUND, "no source is configured");
    for (source = r->chain->sources; *source != NULL; source++) {
        r->search->servers = NULL;
        if ((*source)->find(&found, r->config, want, &err, r->pool) == APR_SUCCESS) {
            return keep(r, found, want);
        }
        asked = worker_text_list(
            asked, r->search->servers != NULL ? r->search->servers : (*source)->name, r->pool);
    }
    resolved->asked = asked;
    errand->missing(
        errand->baton, resolved->module, want->kind, want->build_id,
        apr_pstrcat(r->pool, err.text, asked[0] != '\0' ? "; asked: " : NULL, asked, NULL));
    return NULL;
}

static void find_executable(const resolver_t *r, worker_resolved_t *resolved)
{
    worker_want_t want = { .kind = WORKER_FILE_EXECUTABLE,
                           .build_id = resolved->module->build_id,
                           .path = resolved->module->path,
                           .search = r->search };

    resolved->executable = ask(r, resolved, &want);
}

/* Where the executable was before it went into the cache decides where its debug information may
 * be: the path of the core serves, since the host source checks it again. */
static void find_debuginfo(const resolver_t *r, worker_resolved_t *resolved)
{
    worker_want_t want = { .kind = WORKER_FILE_DEBUGINFO,
                           .build_id = resolved->module->build_id,
                           .path = resolved->module->path,
                           .beside = resolved->module->path,
                           .search = r->search };

    if (resolved->executable != NULL) {
        want.debuglink = resolved->executable->elf->debuglink;
    }
    resolved->debuginfo = ask(r, resolved, &want);
}

static void find_dwz(const resolver_t *r, worker_resolved_t *resolved)
{
    const worker_elf_file_t *elf = resolved->debuginfo->elf;
    worker_want_t want = { .kind = WORKER_FILE_DWZ,
                           .build_id = elf->altlink_build_id,
                           .beside = resolved->debuginfo->origin,
                           .altlink = elf->altlink,
                           .search = r->search };

    if (elf->altlink_build_id == NULL) {
        return;
    }
    resolved->dwz = ask(r, resolved, &want);
    if (resolved->dwz == NULL) {
        resolved->missing_dwz = elf->altlink_build_id;
        resolved->debuginfo = NULL;
    }
}

static bool has_own_debug_info(const worker_resolved_t *resolved)
{
    return resolved->executable != NULL && resolved->executable->elf->has_debug_info;
}

static void resolve_module(const resolver_t *r, worker_resolved_t *resolved)
{
    find_executable(r, resolved);
    if (has_own_debug_info(resolved)) {
        return;
    }
    find_debuginfo(r, resolved);
    if (resolved->debuginfo != NULL) {
        find_dwz(r, resolved);
    }
}

apr_array_header_t *worker_resolve(const worker_core_t *core, const retrace_config_t *config,
                                   const worker_chain_t *chain, const worker_errand_t *errand,
                                   apr_pool_t *p)
{
    worker_search_t search = { .core = core, .errand = errand, .fetched = apr_hash_make(p) };
    resolver_t r = { config, chain, &search, p };
    apr_array_header_t *all = apr_array_make(p, core->modules->nelts, sizeof(worker_resolved_t));
    int i;

    if (apr_pool_create(&search.scratch, p) != APR_SUCCESS) {
        return all;
    }
    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);
        worker_resolved_t resolved = { .module = module };

        if (module->is_elf && module->build_id != NULL) {
            resolve_module(&r, &resolved);
            APR_ARRAY_PUSH(all, worker_resolved_t) = resolved;
        }
    }
    apr_pool_destroy(search.scratch);
    return all;
}

const worker_resolved_t *worker_resolved_of(const apr_array_header_t *resolved,
                                            const worker_module_t *module)
{
    int i;

    for (i = 0; i < resolved->nelts; i++) {
        if (APR_ARRAY_IDX(resolved, i, worker_resolved_t).module == module) {
            return &APR_ARRAY_IDX(resolved, i, worker_resolved_t);
        }
    }
    return NULL;
}
