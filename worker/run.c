/* SPDX-License-Identifier: Apache-2.0 */
/* See run.h. The stages share one context; a stage that fails leaves its reason in run->err, and
 * the rest is skipped. */
#include "worker/run.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/facts.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/spool.h"
#include "worker/claims.h"
#include "worker/core.h"
#include "worker/debugger_gdb.h"
#include "worker/environment/environment.h"
#include "worker/exploitable.h"
#include "worker/findings.h"
#include "worker/frames.h"
#include "worker/publish.h"
#include "worker/python_helper.h"
#include "worker/report.h"

#define CORE_NAME       "coredump"
#define SANDBOX_CPU_S   3600
#define SANDBOX_FILE    (INT64_C(16) * 1024 * 1024)
#define SANDBOX_MESSAGE (INT64_C(1024) * 1024)
#define SANDBOX_TASKS   64
#define MESSAGE_LINES   200 /* of gdb, in the log */

typedef struct run_t {
    uint32_t id;
    const retrace_config_t *config;
    int task;
    int crash;
    worker_core_t *core;
    worker_claims_t claims;
    const worker_environment_kind_t *kind;
    worker_environment_t *environment;
    worker_cgroup_t *cgroup;
    worker_gdb_output_t *gdb;
    retrace_facts_t *facts;
    worker_results_t results;
    retrace_error_t err; /* why the task fails */
    apr_pool_t *pool;
} run_t;

typedef struct stage_t {
    retrace_task_stage_t code;
    retrace_timing_t timing;
    const char *name;
    apr_status_t (*run)(run_t *run);
} stage_t;

/* --- Analyse ------------------------------------------------------------------------------- */

static apr_status_t open_core(int *pfd, run_t *run)
{
    struct stat status;
    apr_status_t rv;
    int fd;

    rv = retrace_fs_open_dir(&run->crash, run->task, RETRACE_DIR_CRASH, &run->err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    worker_claims_read(&run->claims, run->crash, run->pool);
    fd = openat(run->crash, CORE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return retrace_fail(&run->err, errno, "open the core");
    }
    if (fstat(fd, &status) == 0) {
        run->facts->core_bytes = status.st_size;
    }
    *pfd = fd;
    return APR_SUCCESS;
}

static void log_core(const run_t *run)
{
    const worker_core_t *core = run->core;

    retrace_spool_log(
        run->task, 'I', "The core is of %s, %u threads, %d files, signal %d, program %s",
        core->arch, core->thread_count, core->modules->nelts, core->signal,
        core->program != NULL ? apr_pescape_echo(run->pool, core->program->path, 0) : "unknown");
    if (core->is_truncated) {
        retrace_spool_log(run->task, 'W', "The core is truncated");
    }
}

static apr_status_t analyse(run_t *run)
{
    int fd = -1;
    apr_status_t rv = open_core(&fd, run);

    if (rv == APR_SUCCESS) {
        rv = worker_core_read(&run->core, fd, &run->err, run->pool);
        (void)close(fd);
    }
    worker_findings_name(run->facts, &run->claims, run->core, run->pool);
    if (rv == APR_SUCCESS) {
        log_core(run);
    }
    return rv;
}

/* --- Environment --------------------------------------------------------------------------- */

static void take_missing(void *baton, const worker_module_t *module, worker_file_kind_t kind,
                         const char *build_id, const char *reason)
{
    const run_t *run = baton;

    worker_findings_add_missing(run->facts, module, kind, build_id, run->pool);
    retrace_spool_log(run->task, 'W', "Not found: %s with build-id %s of %s (%s)",
                      worker_file_kind_name(kind), build_id,
                      apr_pescape_echo(run->pool, module->path, 0), reason);
}

static void take_line(void *baton, char level, const char *text)
{
    const run_t *run = baton;

    retrace_spool_log(run->task, level, "%s", text);
}

static void log_unknown_modules(const run_t *run)
{
    int i;

    for (i = 0; i < run->core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(run->core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id == NULL) {
            retrace_spool_log(run->task, 'W', "The core holds no build-id of %s",
                              apr_pescape_echo(run->pool, module->path, 0));
        }
    }
}

static apr_status_t prepare(run_t *run)
{
    const worker_errand_t errand = { .release = run->facts->release,
                                     .missing = take_missing,
                                     .tell = take_line,
                                     .baton = run,
                                     .packages = run->claims.packages };
    const worker_environment_task_t task = { run->id, run->task };
    apr_status_t rv;

    run->kind = worker_environment_kind((retrace_environment_t)run->config->environment);
    log_unknown_modules(run);
    rv = run->kind->prepare(&run->environment, run->core, run->config, &task, &errand, &run->err,
                            run->pool);
    if (rv == APR_SUCCESS) {
        worker_findings_count(run->facts, run->environment->resolved);
    }
    return rv;
}

/* --- Debugger ------------------------------------------------------------------------------ */

static void tidy_environment(uint32_t id, const retrace_config_t *config, apr_pool_t *p)
{
    const worker_environment_kind_t *kind =
        worker_environment_kind((retrace_environment_t)config->environment);
    worker_environment_task_t task = { id, -1 };
    int root = -1;

    if (kind->tidy == NULL
        || retrace_fs_open_dir(&root, AT_FDCWD, config->save_dir, NULL) != APR_SUCCESS) {
        return;
    }
    if (retrace_spool_open_task(&task.dir, root, id, NULL) == APR_SUCCESS) {
        kind->tidy(config, &task, p);
        (void)close(task.dir);
    }
    (void)close(root);
}

/* To make the group anew is to remove the one that was left. */
void worker_run_tidy(uint32_t id, const retrace_config_t *config, apr_pool_t *p)
{
    worker_cgroup_t *group = NULL;

    if (worker_cgroup_create(&group, WORKER_CGROUP_ROOT, config->cgroup_path,
                             retrace_id_format(id).text, config->max_task_memory_mb * RETRACE_MIB,
                             SANDBOX_TASKS, NULL, p)
        == APR_SUCCESS) {
        worker_cgroup_destroy(group);
    }
    tidy_environment(id, config, p);
}

static void make_cgroup(run_t *run, const worker_sandbox_limits_t *limits)
{
    retrace_error_t err;

    if (worker_cgroup_create(&run->cgroup, WORKER_CGROUP_ROOT, run->config->cgroup_path,
                             retrace_id_format(run->id).text, limits->memory_bytes,
                             limits->processes, &err, run->pool)
        != APR_SUCCESS) {
        retrace_spool_log(run->task, 'W', "No control group, limits are per process only: %s",
                          err.text);
    }
}

/* A line each: what gdb says holds text of the core, and must not look like a line of ours. */
static void log_messages(const run_t *run)
{
    char *rest = apr_pstrdup(run->pool, run->gdb->messages);
    char *line;
    int lines = 0;

    while ((line = strsep(&rest, "\n")) != NULL && lines++ < MESSAGE_LINES) {
        if (line[0] != '\0') {
            retrace_spool_log(run->task, 'I', "gdb: %s", line);
        }
    }
}

/* The backtrace is the purpose: what ends gdb behind it costs only what would have come. */
static apr_status_t judge(run_t *run, const worker_sandbox_limits_t *limits)
{
    const worker_sandbox_result_t *end = run->gdb->run;
    const char *reason = worker_sandbox_end_text(end, limits, "gdb", run->pool);

    log_messages(run);
    if (end->end != WORKER_SANDBOX_EXITED && !run->gdb->is_complete) {
        return retrace_fail(&run->err, APR_EGENERAL, "%s", reason);
    }
    if (run->gdb->sections[WORKER_GDB_BACKTRACE][0] == '\0') {
        return retrace_fail(&run->err, APR_EGENERAL, "gdb ended with code %d and no backtrace",
                            end->exit_code);
    }
    if (end->end != WORKER_SANDBOX_EXITED) {
        retrace_spool_log(run->task, 'W', "Not all that is told beside the backtrace is there: %s",
                          reason);
    }
    return APR_SUCCESS;
}

/* Only C++ values look worse without them: they are no reason to fail. */
static const char *find_printers(const run_t *run)
{
    const char *found = NULL;
    glob_t matches;

    if (run->config->printers_dir[0] == '\0') {
        return NULL;
    }
    if (glob(run->config->printers_dir, GLOB_ONLYDIR, NULL, &matches) == 0) {
        found = apr_pstrdup(run->pool, matches.gl_pathv[matches.gl_pathc - 1]);
        globfree(&matches);
    }
    else {
        retrace_spool_log(run->task, 'W', "No pretty printers: there is no directory %s",
                          run->config->printers_dir);
    }
    return found;
}

/* Frames of C alone are a backtrace, too. */
static const char *find_python_helper(const run_t *run)
{
    const char *version = worker_python_version(run->core, run->pool);
    const char *path = NULL;
    retrace_error_t err;

    if (version == NULL || run->config->python_helpers[0] == '\0') {
        return NULL;
    }
    if (worker_python_helper(&path, run->config->python_helpers, version, &err, run->pool)
        != APR_SUCCESS) {
        retrace_spool_log(run->task, err.status == APR_NOTFOUND ? 'I' : 'W', "No Python frames: %s",
                          err.text);
    }
    return path;
}

static apr_status_t debug(run_t *run)
{
    worker_gdb_plan_t plan = {
        .bubblewrap = run->config->bubblewrap_path,
        .core = apr_psprintf(run->pool, "%s/%s/" RETRACE_DIR_CRASH "/" CORE_NAME,
                             run->config->save_dir, retrace_id_format(run->id).text),
        .printers = find_printers(run),
        .python_helper = find_python_helper(run),
        .limits = { .memory_bytes = run->config->max_task_memory_mb * RETRACE_MIB,
                    .file_bytes = SANDBOX_FILE,
                    .output_bytes = WORKER_GDB_OUTPUT,
                    .message_bytes = SANDBOX_MESSAGE,
                    .cpu_s = SANDBOX_CPU_S,
                    .processes = SANDBOX_TASKS },
    };
    apr_status_t rv;

    make_cgroup(run, &plan.limits);
    plan.cgroup = run->cgroup;
    rv = run->kind->run(&run->gdb, run->environment, &plan, &run->err, run->pool);
    return rv == APR_SUCCESS ? judge(run, &plan.limits) : rv;
}

/* --- Report -------------------------------------------------------------------------------- */

static void take_frames(run_t *run)
{
    const char *json = run->gdb->sections[WORKER_GDB_FRAMES];
    retrace_error_t err;

    if (json[0] == '\0') {
        retrace_spool_log(run->task, 'I', "gdb gave no backtrace in parts");
    }
    else if (worker_frames(&run->results.frames, json, run->core, run->facts, &err, run->pool)
             != APR_SUCCESS) {
        retrace_spool_log(run->task, 'W', "The backtrace in parts is dropped: %s", err.text);
    }
}

static apr_status_t compose(run_t *run)
{
    const apr_array_header_t *resolved = run->environment->resolved;
    const char *report = worker_report(run->core, &run->claims, resolved, run->gdb, run->pool);

    if (strlen(report) > RETRACE_BACKTRACE_MAX) {
        return retrace_fail(&run->err, APR_EGENERAL, "the backtrace is longer than %d MB",
                            RETRACE_BACKTRACE_MAX / (1024 * 1024));
    }
    take_frames(run);
    run->results.exploitable = worker_exploitable(run->core, resolved, run->gdb, run->pool);
    run->results.report = report;
    return APR_SUCCESS;
}

/* --- The order ----------------------------------------------------------------------------- */

static const stage_t stages[] = {
    { RETRACE_STAGE_ANALYZE, RETRACE_TIMING_ANALYZE, "Read the core", analyse },
    { RETRACE_STAGE_ENVIRONMENT, RETRACE_TIMING_ENVIRONMENT, "Find the files", prepare },
    { RETRACE_STAGE_BACKTRACE, RETRACE_TIMING_DEBUGGER, "Run gdb", debug },
    { RETRACE_STAGE_FINISHING, RETRACE_TIMING_REPORT, "Compose the report", compose },
};

static apr_status_t run_stage(run_t *run, const stage_t *stage)
{
    int64_t start = retrace_clock_ms();
    int64_t took;
    apr_status_t rv;

    (void)retrace_spool_set_stage(run->task, stage->code, NULL);
    rv = stage->run(run);
    took = retrace_clock_ms() - start;
    run->facts->timing_ms[stage->timing] = took;
    retrace_spool_log(
        run->task, rv == APR_SUCCESS ? 'I' : 'E', "%s: %ld ms%s%s", stage->name, (long)took,
        rv == APR_SUCCESS ? "" : ", failed: ", rv == APR_SUCCESS ? "" : run->err.text);
    return rv;
}

static apr_status_t run_stages(run_t *run)
{
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    for (i = 0; i < sizeof(stages) / sizeof(stages[0]) && rv == APR_SUCCESS; i++) {
        rv = run_stage(run, &stages[i]);
    }
    return rv;
}

static void tidy(run_t *run)
{
    if (run->environment != NULL) {
        run->kind->destroy(run->environment);
    }
    if (run->cgroup != NULL) {
        worker_cgroup_destroy(run->cgroup);
    }
    if (run->crash >= 0) {
        (void)close(run->crash);
    }
}

static apr_status_t run_locked(run_t *run, retrace_error_t *err)
{
    apr_status_t rv;

    if (retrace_fs_exists(run->task, RETRACE_FILE_FINISHED)) {
        return APR_SUCCESS;
    }
    (void)retrace_spool_write_number(run->task, RETRACE_FILE_STARTED, (apr_int64_t)time(NULL),
                                     NULL);
    run->facts = retrace_facts_make(run->pool);
    run->results.facts = run->facts;
    (void)run_stages(run); /* what failed, and why, is in run->err; then there is no report */
    rv = worker_publish(run->task, &run->results, run->err.text, err, run->pool);
    tidy(run);
    return rv;
}

apr_status_t worker_run(uint32_t id, const retrace_config_t *config, retrace_error_t *err,
                        apr_pool_t *p)
{
    run_t run = { .id = id, .config = config, .task = -1, .crash = -1, .pool = p };
    int root = -1;
    int lock = -1;
    apr_status_t rv = retrace_fs_open_dir(&root, AT_FDCWD, config->save_dir, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = retrace_spool_open_task(&run.task, root, id, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_lock(&lock, run.task, RETRACE_FILE_LOCK, false, err);
        if (rv == APR_SUCCESS) {
            rv = run_locked(&run, err);
            (void)close(lock);
        }
        (void)close(run.task);
    }
    (void)close(root);
    return rv;
}
