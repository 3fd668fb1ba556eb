/* SPDX-License-Identifier: Apache-2.0 */
/* See packages.h: the side that asks. What is answered may be anything: a package was read for it. */
#include <apr_file_io.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <string.h>

#include "worker/path.h"
#include "worker/resolve/elsewhere.h"
#include "worker/resolve/packages.h"

#define MAX_ANSWERS (4 * WORKER_CORE_MAX_MODULES)

typedef struct asking_t {
    const worker_errand_t *errand;
    worker_selection_t *selection;
    apr_hash_t *paths;   /* kind and build-id → path in a package */
    const char *missing; /* why there is no choice */
    bool is_complete;
    apr_pool_t *pool;
} asking_t;

/* --- Answers ----------------------------------------------------------------------------------- */

static const char *key_of(const char *kind, const char *build_id, apr_pool_t *p)
{
    return apr_pstrcat(p, kind, " ", build_id, NULL);
}

static bool take_tell(asking_t *asking, const char *const *fields)
{
    if (asking->errand->tell != NULL) {
        asking->errand->tell(asking->errand->baton, fields[1][0] == 'I' ? 'I' : 'W', fields[2]);
    }
    return true;
}

static bool take_repository(asking_t *asking, const char *const *fields)
{
    asking->selection->repository = apr_pstrdup(asking->pool, fields[1]);
    asking->selection->keys = fields[2][0] != '\0' ? apr_pstrdup(asking->pool, fields[2]) : NULL;
    return true;
}

static bool take_package(asking_t *asking, const char *const *fields)
{
    APR_ARRAY_PUSH(asking->selection->packages, worker_needed_t) =
        (worker_needed_t){ .nevra = apr_pstrdup(asking->pool, fields[1]) };
    return asking->selection->packages->nelts <= 2 * WORKER_PACKAGES_MAX;
}

static bool take_file(asking_t *asking, const char *const *fields)
{
    apr_hash_set(asking->paths, key_of(fields[1], fields[2], asking->pool), APR_HASH_KEY_STRING,
                 apr_pstrdup(asking->pool, fields[3]));
    return worker_path_is_plain(fields[3]);
}

static bool take_end(asking_t *asking, const char *const *fields)
{
    (void)fields;
    asking->is_complete = asking->selection->repository != NULL;
    return asking->is_complete;
}

static bool take_missing(asking_t *asking, const char *const *fields)
{
    asking->missing = apr_pstrdup(asking->pool, fields[2]);
    return true;
}

typedef struct word_t {
    const char *word;
    bool (*take)(asking_t *asking, const char *const *fields);
} word_t;

/* @return false for a line that makes no sense */
static bool take_line(asking_t *asking, char *line)
{
    static const word_t words[] = { { WORKER_ELSEWHERE_TELL, take_tell },
                                    { WORKER_ELSEWHERE_REPOSITORY, take_repository },
                                    { WORKER_ELSEWHERE_PACKAGE, take_package },
                                    { WORKER_ELSEWHERE_FILE, take_file },
                                    { WORKER_ELSEWHERE_END, take_end },
                                    { WORKER_ELSEWHERE_MISSING, take_missing } };
    const char *fields[WORKER_ELSEWHERE_FIELDS];
    size_t i;

    if (strchr(line, '\n') == NULL || worker_elsewhere_split(fields, line) == 0) {
        return false;
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(fields[0], words[i].word) == 0) {
            return words[i].take(asking, fields);
        }
    }
    return false;
}

static void read_answers(asking_t *asking, const apr_proc_t *process)
{
    char *line = apr_palloc(asking->pool, WORKER_ELSEWHERE_LINE);
    int lines = 0;
    bool goes_on = true;

    while (goes_on && !asking->is_complete && asking->missing == NULL && lines++ < MAX_ANSWERS
           && apr_file_gets(line, WORKER_ELSEWHERE_LINE, process->out) == APR_SUCCESS) {
        goes_on = take_line(asking, line);
    }
}

/* --- The question ------------------------------------------------------------------------------ */

static void add_wish(asking_t *asking, const worker_module_t *module, worker_file_kind_t kind)
{
    worker_wish_t *wish = apr_array_push(asking->selection->wishes);

    memset(wish, 0, sizeof(*wish));
    wish->module = module;
    wish->kind = kind;
    wish->path = apr_hash_get(asking->paths,
                              key_of(worker_file_kind_name(kind), module->build_id, asking->pool),
                              APR_HASH_KEY_STRING);
    wish->package = wish->path != NULL ? asking->selection->repository : NULL;
}

static void add_wishes(asking_t *asking, const worker_core_t *core)
{
    int i;

    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            add_wish(asking, module, WORKER_FILE_EXECUTABLE);
            add_wish(asking, module, WORKER_FILE_DEBUGINFO);
        }
    }
}

/* It reads all before it answers. */
static void ask(asking_t *asking, const apr_proc_t *process, const worker_core_t *core,
                apr_pool_t *scratch)
{
    if (worker_elsewhere_introduce(process, core, asking->errand, scratch)
        && apr_file_puts(WORKER_ELSEWHERE_CHOOSE "\n", process->in) == APR_SUCCESS) {
        (void)apr_file_close(process->in);
        read_answers(asking, process);
    }
}

static apr_status_t judge(const asking_t *asking, retrace_error_t *err)
{
    if (asking->missing != NULL) {
        return retrace_fail(err, APR_NOTFOUND, "%s", asking->missing);
    }
    return asking->is_complete
        ? APR_SUCCESS
        : retrace_fail(err, APR_EGENERAL, WORKER_ELSEWHERE_PROGRAM " has chosen no packages");
}

apr_status_t worker_packages_ask(worker_selection_t **pselection, const worker_core_t *core,
                                 const retrace_config_t *config, const worker_errand_t *errand,
                                 retrace_error_t *err, apr_pool_t *p)
{
    asking_t asking = {
        errand, apr_pcalloc(p, sizeof(*asking.selection)), apr_hash_make(p), NULL, false, p
    };
    apr_pool_t *scratch = NULL;
    apr_proc_t process;
    apr_status_t rv = apr_pool_create(&scratch, p);

    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "ask for packages");
    }
    asking.selection->wishes = apr_array_make(p, 32, sizeof(worker_wish_t));
    asking.selection->packages = apr_array_make(p, 16, sizeof(worker_needed_t));
    if (worker_elsewhere_start(&process, config, scratch) != APR_SUCCESS) {
        rv = retrace_fail(err, APR_EGENERAL, "%s/" WORKER_ELSEWHERE_PROGRAM " cannot be run",
                          config->program_dir);
    }
    else {
        ask(&asking, &process, core, scratch);
        rv = judge(&asking, err);
    }
    apr_pool_destroy(scratch);
    if (rv == APR_SUCCESS) {
        add_wishes(&asking, core);
        *pselection = asking.selection;
    }
    return rv;
}
