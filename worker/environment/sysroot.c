/* SPDX-License-Identifier: Apache-2.0 */
/* The sysroot as a plan of read-only binds and links: nothing is copied, nothing is left behind.
 * Paths of the core decide only where a file appears below WORKER_SYSROOT; which file it is was
 * decided by its build-id. */
#include <apr_strings.h>
#include <string.h>

#include "worker/environment/environment.h"
#include "worker/path.h"

static void add_bind(worker_environment_t *environment, const char *source, const char *target)
{
    worker_bind_t *bind = apr_array_push(environment->binds);

    bind->source = source;
    bind->target = target;
}

static bool is_bound(const worker_environment_t *environment, const char *target)
{
    int i;

    for (i = 0; i < environment->binds->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(environment->binds, i, worker_bind_t).target, target) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_linked(const worker_environment_t *environment, const char *path)
{
    int i;

    for (i = 0; i < environment->links->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(environment->links, i, worker_link_t).path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void add_link(worker_environment_t *environment, const char *content, const char *path)
{
    worker_link_t *link;

    if (is_bound(environment, path) || is_linked(environment, path)) {
        return;
    }
    link = apr_array_push(environment->links);
    link->content = content;
    link->path = path;
}

static const char *in_sysroot(const char *path, apr_pool_t *p)
{
    return apr_pstrcat(p, WORKER_SYSROOT, path, NULL);
}

static void add_debug_file(worker_environment_t *environment, const worker_found_t *found,
                           apr_pool_t *p)
{
    const char *target;

    if (found == NULL) {
        return;
    }
    target = apr_psprintf(p, WORKER_SYSROOT "/usr/lib/debug/.build-id/%.2s/%s.debug",
                          found->elf->build_id, found->elf->build_id + 2);
    if (!is_bound(environment, target)) {
        add_bind(environment, found->path, target);
    }
}

/* The program asks for "libwork.so.1", the core knows "libwork.so.1.1.0". */
static void add_soname(worker_environment_t *environment, const worker_resolved_t *resolved,
                       apr_pool_t *p)
{
    const char *path = resolved->module->path;
    const char *soname = resolved->executable->elf->soname;

    if (soname != NULL && strcmp(soname, worker_path_name(path)) != 0) {
        add_link(environment, worker_path_name(path),
                 in_sysroot(worker_path_join(worker_path_directory(path, p), soname, p), p));
    }
}

static void add_module(worker_environment_t *environment, const worker_resolved_t *resolved,
                       apr_pool_t *p)
{
    const char *path = resolved->module->path;

    add_debug_file(environment, resolved->debuginfo, p);
    add_debug_file(environment, resolved->dwz, p);
    if (resolved->executable != NULL && worker_path_is_plain(path)
        && !is_bound(environment, in_sysroot(path, p))) {
        add_bind(environment, resolved->executable->path, in_sysroot(path, p));
    }
}

static bool is_bound_module(const worker_environment_t *environment,
                            const worker_resolved_t *resolved, apr_pool_t *p)
{
    return resolved->executable != NULL && worker_path_is_plain(resolved->module->path)
        && is_bound(environment, in_sysroot(resolved->module->path, p));
}

/* Where a path is in the sysroot, whose /lib may be a link to usr/lib: a file cannot be put behind a
 * link. */
static const char *behind_links(const worker_environment_t *environment, const char *path,
                                apr_pool_t *p)
{
    const char *top = apr_pstrndup(p, path, 1 + strcspn(path + 1, "/"));

    return in_sysroot(
        is_linked(environment, in_sysroot(top, p)) ? apr_pstrcat(p, "/usr", path, NULL) : path, p);
}

/* PT_INTERP of the program; NULL when it is not known, or could not be a loader of this name. */
static const char *find_interpreter(const worker_core_t *core, const apr_array_header_t *resolved,
                                    const char *soname)
{
    const worker_resolved_t *program =
        core->program != NULL ? worker_resolved_of(resolved, core->program) : NULL;
    const char *path = program != NULL && program->executable != NULL
        ? program->executable->elf->interpreter
        : NULL;

    return path != NULL && worker_path_is_plain(path) && strcmp(worker_path_name(path), soname) == 0
        ? path
        : NULL;
}

/* The process knows its dynamic loader by PT_INTERP, which is mostly a link in another directory;
 * where the program is missing, by its SONAME in the two directories that every ABI has it in. */
static void add_loader(worker_environment_t *environment, const worker_core_t *core,
                       const worker_resolved_t *resolved, apr_pool_t *p)
{
    static const char *const names[] = { "ld-linux", "ld64.", "ld.so" };
    static const char *const directories[] = { "/lib64/", "/lib/" };
    const char *soname = resolved->executable->elf->soname;
    const char *target = in_sysroot(resolved->module->path, p);
    const char *interpreter;
    size_t i;
    size_t j;

    for (i = 0; soname != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strncmp(soname, names[i], strlen(names[i])) != 0) {
            continue;
        }
        for (j = 0; j < sizeof(directories) / sizeof(directories[0]); j++) {
            add_link(environment, target,
                     behind_links(environment, apr_pstrcat(p, directories[j], soname, NULL), p));
        }
        interpreter = find_interpreter(core, environment->resolved, soname);
        if (interpreter != NULL) {
            add_link(environment, target, behind_links(environment, interpreter, p));
        }
    }
}

/* /lib is a link to /usr/lib on every current system; where a core has files below /lib it is not.
 * */
static void add_merged_usr(worker_environment_t *environment, const worker_core_t *core,
                           apr_pool_t *p)
{
    static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
    size_t i;
    int j;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *top = apr_pstrcat(p, "/", names[i], NULL);
        bool is_directory = false;

        for (j = 0; j < core->modules->nelts; j++) {
            is_directory = is_directory
                || worker_path_is_below(APR_ARRAY_IDX(core->modules, j, worker_module_t).path, top);
        }
        if (!is_directory) {
            add_link(environment, apr_pstrcat(p, "usr/", names[i], NULL), in_sysroot(top, p));
        }
    }
}

worker_environment_t *worker_sysroot_plan(const worker_core_t *core,
                                          const apr_array_header_t *resolved, apr_pool_t *p)
{
    worker_environment_t *environment = apr_pcalloc(p, sizeof(*environment));
    int i;

    environment->resolved = resolved;
    environment->binds = apr_array_make(p, 16, sizeof(worker_bind_t));
    environment->links = apr_array_make(p, 16, sizeof(worker_link_t));
    for (i = 0; i < resolved->nelts; i++) {
        add_module(environment, &APR_ARRAY_IDX(resolved, i, worker_resolved_t), p);
    }
    add_merged_usr(environment, core, p);
    for (i = 0; i < resolved->nelts; i++) {
        const worker_resolved_t *one = &APR_ARRAY_IDX(resolved, i, worker_resolved_t);

        if (!is_bound_module(environment, one, p)) {
            continue;
        }
        add_soname(environment, one, p);
        add_loader(environment, core, one, p);
        if (one->module == core->program) {
            environment->program = one->module->path;
        }
    }
    return environment;
}
