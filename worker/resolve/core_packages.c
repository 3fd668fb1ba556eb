/* SPDX-License-Identifier: Apache-2.0 */
/* See core_packages.h. */
#include "worker/resolve/core_packages.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "worker/resolve/preference.h"
#include "worker/resolve/repo.h"
#include "worker/resolve/repo_matches.h"

typedef struct opened_t {
    worker_repo_t *repo;
    worker_matches_t *matches;
} opened_t;

static apr_status_t open_all(apr_array_header_t *opened, const worker_core_t *core,
                             const apr_array_header_t *names, const retrace_config_t *config,
                             retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < names->nelts && rv == APR_SUCCESS; i++) {
        opened_t one = { NULL, NULL };

        rv = worker_repo_open(&one.repo, config, APR_ARRAY_IDX(names, i, const char *), false, err,
                              p);
        if (rv == APR_SUCCESS) {
            one.matches =
                worker_matches_make(one.repo->index, core, worker_preferences(NULL, p), p);
            APR_ARRAY_PUSH(opened, opened_t) = one;
        }
    }
    return rv;
}

const char *worker_core_package_nevra(const worker_candidate_t *candidate, apr_pool_t *p)
{
    bool has_epoch = candidate->epoch[0] != '\0' && strcmp(candidate->epoch, "0") != 0;

    return apr_pstrcat(p, candidate->name, "-", has_epoch ? candidate->epoch : "",
                       has_epoch ? ":" : "", candidate->version, "-", candidate->release, ".",
                       candidate->arch, NULL);
}

static const worker_core_package_t *find(const apr_array_header_t *opened, worker_file_kind_t kind,
                                         const char *build_id, apr_pool_t *p)
{
    worker_core_package_t *package;
    int i;

    for (i = 0; i < opened->nelts; i++) {
        const opened_t *one = &APR_ARRAY_IDX(opened, i, opened_t);
        const apr_array_header_t *candidates =
            worker_matches_candidates(one->matches, one->repo->index, kind, build_id, NULL, p);

        if (candidates->nelts > 0) {
            const worker_candidate_t *best = &APR_ARRAY_IDX(candidates, 0, worker_candidate_t);

            package = apr_palloc(p, sizeof(*package));
            *package = (worker_core_package_t){ .kind = kind,
                                                .nevra = worker_core_package_nevra(best, p),
                                                .repository = one->repo->name,
                                                .file = best->file,
                                                .path = best->path,
                                                .is_here = best->remote == NULL };
            return package;
        }
    }
    return NULL;
}

apr_status_t worker_core_packages(apr_array_header_t **pfiles, const worker_core_t *core,
                                  const apr_array_header_t *names, const retrace_config_t *config,
                                  retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *files = apr_array_make(p, 64, sizeof(worker_core_file_t));
    apr_array_header_t *opened = apr_array_make(p, 4, sizeof(opened_t));
    apr_status_t rv = open_all(opened, core, names, config, err, p);
    int i;

    for (i = 0; i < core->modules->nelts && rv == APR_SUCCESS; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            APR_ARRAY_PUSH(files, worker_core_file_t) =
                (worker_core_file_t){ module,
                                      find(opened, WORKER_FILE_EXECUTABLE, module->build_id, p),
                                      find(opened, WORKER_FILE_DEBUGINFO, module->build_id, p) };
        }
    }
    if (rv == APR_SUCCESS) {
        *pfiles = files;
    }
    return rv;
}

static void add_name(apr_array_header_t *names, const worker_core_package_t *package)
{
    int i;

    if (package == NULL) {
        return;
    }
    for (i = 0; i < names->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), package->nevra) == 0) {
            return;
        }
    }
    APR_ARRAY_PUSH(names, const char *) = package->nevra;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

apr_array_header_t *worker_core_package_names(const apr_array_header_t *files, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 16, sizeof(const char *));
    int i;

    for (i = 0; i < files->nelts; i++) {
        const worker_core_file_t *file = &APR_ARRAY_IDX(files, i, worker_core_file_t);

        add_name(names, file->executable);
        add_name(names, file->debuginfo);
    }
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), compare_names);
    return names;
}
