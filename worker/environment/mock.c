/* SPDX-License-Identifier: Apache-2.0 */
/* `mock`: the exact packages of the crash and gdb are installed in a chroot of the task's own, and
 * gdb runs in there as mock's unprivileged user. What comes out of the chroot is as hostile as the
 * core that went in. In the task's directory, `mock/` holds the file that names the chroot: as long
 * as it is there, so may be the chroot. */
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/spool.h"
#include "worker/environment/environment.h"
#include "worker/environment/mock_call.h"
#include "worker/environment/mock_config.h"
#include "worker/environment/mock_private.h"
#include "worker/path.h"
#include "worker/resolve/packages.h"

#define CONFIG    "retrace.cfg"
#define KEPT      "kept" /* in mock/: the chroot is there on purpose */
#define MODE      0700
#define TRIES     3 /* while another mock is at work in the chroot */
#define PAUSE_US  1000000
#define RESERVE_S 10 /* of MaxTaskRuntime, for what follows gdb */
#define SCRUB_S   60
#define SWEEP_MAX 4  /* chroots of others that one run removes */
#define TOLD      20 /* lines of mock that are told when it fails */

static const char *const verb_init[] = { "--init", NULL };
static const char *const verb_scrub[] = { "--scrub=all", NULL };

static void tell(const worker_errand_t *errand, char level, const char *text)
{
    if (errand->tell != NULL) {
        errand->tell(errand->baton, level, text);
    }
}

/* --- A chroot and its directory -------------------------------------------------------------- */

static const char *place_of(const retrace_config_t *config, uint32_t id, const char *name,
                            apr_pool_t *p)
{
    return apr_pstrcat(p, config->save_dir, "/", retrace_id_format(id).text,
                       "/" WORKER_MOCK_DIR "/", name, NULL);
}

static void describe(worker_mock_t *mock, const retrace_config_t *config, uint32_t id,
                     apr_pool_t *p)
{
    mock->program = config->mock_path;
    mock->config = place_of(config, id, CONFIG, p);
    mock->results = place_of(config, id, "log", p);
    mock->cgroup = NULL;
}

unsigned int worker_chroot_left_s(const worker_chroot_t *chroot)
{
    int64_t used_s = (retrace_clock_ms() - chroot->started_ms) / 1000;
    int64_t left_s = chroot->config->max_task_runtime_s - used_s - RESERVE_S;

    return left_s > 1 ? (unsigned int)left_s : 1;
}

void worker_chroot_tell(const worker_chroot_t *chroot, const char *messages, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, messages);
    char *from = copy + strlen(copy);
    char *line;
    int lines = 0;

    while (from > copy && lines < TOLD) {
        from--;
        lines += from[0] == '\n' && from[1] != '\0';
    }
    while ((line = strsep(&from, "\n")) != NULL) {
        if (line[0] != '\0') {
            tell(&chroot->errand, 'I', apr_pstrcat(p, "mock: ", line, NULL));
        }
    }
}

apr_status_t worker_chroot_call(worker_mock_end_t *end, const worker_chroot_t *chroot,
                                const char *const *verb, const char *const *words,
                                unsigned int wall_s, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = worker_mock_call(end, &chroot->mock, verb, words, wall_s, err, p);
    int tries;

    for (tries = 1; rv == APR_SUCCESS && end->code == WORKER_MOCK_CODE_LOCKED && tries < TRIES;
         tries++) {
        (void)usleep(PAUSE_US);
        rv = worker_mock_call(end, &chroot->mock, verb, words, wall_s, err, p);
    }
    return rv;
}

apr_status_t worker_chroot_must(const worker_chroot_t *chroot, const char *const *verb,
                                const char *const *words, retrace_error_t *err, apr_pool_t *p)
{
    worker_mock_end_t end = { 0 };
    apr_status_t rv =
        worker_chroot_call(&end, chroot, verb, words, worker_chroot_left_s(chroot), err, p);

    if (rv != APR_SUCCESS || (end.code == 0 && !end.is_late)) {
        return rv;
    }
    worker_chroot_tell(chroot, end.messages, p);
    if (end.is_late) {
        return retrace_fail(err, APR_TIMEUP, "mock %s has not ended in time", verb[0]);
    }
    return retrace_fail(err, APR_EGENERAL, "mock %s: %s (code %d)", verb[0],
                        worker_mock_code_text(end.code), end.code);
}

/* The directory stays when the chroot may be there still: somebody else's run will try again. */
static bool scrub(const worker_chroot_t *chroot, int task, apr_pool_t *p)
{
    worker_mock_end_t end = { 0 };

    return worker_chroot_call(&end, chroot, verb_scrub, NULL, SCRUB_S, NULL, p) == APR_SUCCESS
        && end.code == 0 && !end.is_late
        && retrace_fs_remove(task, WORKER_MOCK_DIR, NULL) == APR_SUCCESS;
}

/* --- What others have left --------------------------------------------------------------------- */

static bool is_stale(int task)
{
    return retrace_fs_exists(task, RETRACE_FILE_FINISHED)
        && faccessat(task, WORKER_MOCK_DIR "/" CONFIG, F_OK, AT_SYMLINK_NOFOLLOW) == 0
        && faccessat(task, WORKER_MOCK_DIR "/" KEPT, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

typedef struct sweep_t {
    const worker_chroot_t *own;
    int root;
    int count;
    apr_pool_t *pool;
} sweep_t;

static void sweep_task(sweep_t *sweep, uint32_t id, int task)
{
    worker_chroot_t chroot = *sweep->own;
    int lock = -1;

    /* Whoever holds the lock removes its chroot itself. */
    if (!is_stale(task)
        || retrace_fs_lock(&lock, task, RETRACE_FILE_LOCK, false, NULL) != APR_SUCCESS) {
        return;
    }
    describe(&chroot.mock, chroot.config, id, sweep->pool);
    sweep->count++;
    if (scrub(&chroot, task, sweep->pool)) {
        tell(&chroot.errand, 'I', "A chroot that another task had left is removed");
    }
    (void)close(lock);
}

static bool sweep_entry(void *baton, const char *name)
{
    sweep_t *sweep = baton;
    uint32_t id = 0;
    int task = -1;

    if (retrace_id_parse(name, &id) && id != sweep->own->id
        && retrace_spool_open_task(&task, sweep->root, id, NULL) == APR_SUCCESS) {
        sweep_task(sweep, id, task);
        (void)close(task);
    }
    return sweep->count < SWEEP_MAX;
}

static void sweep_others(const worker_chroot_t *chroot, apr_pool_t *p)
{
    sweep_t sweep = { chroot, -1, 0, p };

    if (retrace_fs_open_dir(&sweep.root, AT_FDCWD, chroot->config->save_dir, NULL) == APR_SUCCESS) {
        (void)retrace_fs_each(sweep.root, sweep_entry, &sweep, NULL);
        (void)close(sweep.root);
    }
}

static void tidy(const retrace_config_t *config, const worker_environment_task_t *task,
                 apr_pool_t *p)
{
    worker_chroot_t chroot = { .id = task->id, .config = config };

    if (faccessat(task->dir, WORKER_MOCK_DIR "/" CONFIG, F_OK, AT_SYMLINK_NOFOLLOW) == 0
        && faccessat(task->dir, WORKER_MOCK_DIR "/" KEPT, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        describe(&chroot.mock, config, task->id, p);
        (void)scrub(&chroot, task->dir, p);
    }
}

/* --- Making one -------------------------------------------------------------------------------- */

static apr_status_t write_config(const char *text, int task, retrace_error_t *err)
{
    int dir = -1;
    int log = -1;
    int out = -1;
    apr_status_t rv = retrace_fs_make_dir(&dir, task, WORKER_MOCK_DIR, MODE, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_make_dir(&log, dir, "log", MODE, err);
    }
    if (rv == APR_SUCCESS) {
        (void)close(log);
        rv = retrace_fs_make_dir(&out, dir, WORKER_MOCK_OUT, MODE, err);
    }
    if (rv == APR_SUCCESS) {
        (void)close(out);
        rv = retrace_fs_replace(dir, CONFIG, text, strlen(text), 0600, false, err);
    }
    if (dir >= 0) {
        (void)close(dir);
    }
    return rv;
}

static apr_status_t configure(const worker_chroot_t *chroot, const worker_selection_t *choice,
                              const worker_environment_task_t *task, retrace_error_t *err,
                              apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 16, sizeof(const char *));
    worker_mock_plan_t plan = { .id = task->id,
                                .repository = choice->repository,
                                .directory = apr_pstrcat(p, chroot->config->repo_dir, "/",
                                                         choice->repository, NULL),
                                .keys = choice->keys,
                                .packages = names };
    const char *text = NULL;
    apr_status_t rv;
    int i;

    for (i = 0; i < choice->packages->nelts; i++) {
        const char *nevra = APR_ARRAY_IDX(choice->packages, i, worker_needed_t).nevra;

        APR_ARRAY_PUSH(names, const char *) = nevra;
        tell(&chroot->errand, 'I',
             apr_psprintf(p, "Package %s of %s goes into the chroot", nevra, choice->repository));
    }
    rv = worker_mock_config(&text, &plan, err, p);
    return rv == APR_SUCCESS ? write_config(text, task->dir, err) : rv;
}

static const worker_found_t *found_in(const worker_wish_t *wish, apr_pool_t *p)
{
    worker_elf_file_t *elf = apr_pcalloc(p, sizeof(*elf));
    worker_found_t *found = apr_pcalloc(p, sizeof(*found));

    elf->build_id = wish->module->build_id;
    elf->has_code = wish->kind == WORKER_FILE_EXECUTABLE;
    elf->has_debug_info = wish->kind == WORKER_FILE_DEBUGINFO;
    elf->soname = worker_path_name(wish->module->path);
    found->path = wish->path;
    found->elf = elf;
    found->source = worker_environment_mock.name;
    found->origin = wish->package;
    return found;
}

/* For each module its wishes follow each other: worker_selection_t has them in that order. */
static apr_array_header_t *resolve(const worker_selection_t *choice, const worker_errand_t *errand,
                                   apr_pool_t *p)
{
    apr_array_header_t *resolved = apr_array_make(p, 16, sizeof(worker_resolved_t));
    worker_resolved_t *one = NULL;
    int i;

    for (i = 0; i < choice->wishes->nelts; i++) {
        const worker_wish_t *wish = &APR_ARRAY_IDX(choice->wishes, i, worker_wish_t);

        if (one == NULL || one->module != wish->module) {
            one = apr_array_push(resolved);
            memset(one, 0, sizeof(*one));
            one->module = wish->module;
        }
        if (wish->package == NULL) {
            one->asked = choice->repository;
            errand->missing(errand->baton, wish->module, wish->kind, wish->module->build_id,
                            apr_psprintf(p, "no package of %s has it", choice->repository));
        }
        else if (wish->kind == WORKER_FILE_EXECUTABLE) {
            one->executable = found_in(wish, p);
        }
        else {
            one->debuginfo = found_in(wish, p);
        }
    }
    return resolved;
}

static bool keeps(int task, apr_pool_t *scratch)
{
    retrace_task_type_t type = retrace_spool_task_type(task, scratch);

    return type == RETRACE_TASK_DEBUG || retrace_task_type_is_interactive(type);
}

static apr_status_t prepare(worker_environment_t **penvironment, const worker_core_t *core,
                            const retrace_config_t *config, const worker_environment_task_t *task,
                            const worker_errand_t *errand, retrace_error_t *err, apr_pool_t *p)
{
    worker_chroot_t *chroot = apr_pcalloc(p, sizeof(*chroot));
    worker_selection_t *choice = NULL;
    apr_array_header_t *resolved;
    apr_status_t rv;

    chroot->id = task->id;
    chroot->task = task->dir;
    chroot->config = config;
    chroot->errand = *errand;
    chroot->started_ms = retrace_clock_ms();
    describe(&chroot->mock, config, task->id, p);
    /* gdb in the chroot has our user, and without a container sees our process: /proc/<pid>/root of it
     * would lead out of the chroot. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    sweep_others(chroot, p);
    rv = worker_packages_ask(&choice, core, config, errand, err, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    resolved = resolve(choice, errand, p);
    rv = configure(chroot, choice, task, err, p);
    if (rv == APR_SUCCESS) {
        rv = worker_chroot_must(chroot, verb_init, NULL, err, p);
    }
    if (rv != APR_SUCCESS) {
        (void)scrub(chroot, task->dir, p);
        return rv;
    }
    *penvironment = worker_sysroot_plan(core, resolved, p);
    (*penvironment)->chroot = chroot;
    return APR_SUCCESS;
}

static void destroy(worker_environment_t *environment)
{
    const worker_chroot_t *chroot = environment->chroot;
    apr_pool_t *scratch = NULL;
    int dir = -1;

    if (apr_pool_create(&scratch, environment->binds->pool) != APR_SUCCESS) {
        return;
    }
    if (!keeps(chroot->task, scratch)) {
        (void)scrub(chroot, chroot->task, scratch);
    }
    else if (retrace_fs_open_dir(&dir, chroot->task, WORKER_MOCK_DIR, NULL) == APR_SUCCESS) {
        (void)retrace_fs_remove(dir, WORKER_MOCK_OUT, NULL);
        (void)retrace_fs_replace(dir, KEPT, "", 0, 0600, false, NULL);
        (void)close(dir);
    }
    apr_pool_destroy(scratch);
}

const worker_environment_kind_t worker_environment_mock = { "mock", prepare, worker_mock_gdb,
                                                            destroy, tidy };
