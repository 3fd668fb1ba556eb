/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as children on this machine. A worker dies with its dispatcher (it asks the kernel for
 * that), and a sandbox with its worker (bwrap --die-with-parent): to kill one process is to kill
 * the tree, and a new dispatcher never meets work that it does not know. */
#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/dispatch/engine.h"
#include "helpers/dispatch/spawn.h"
#include "lib/id.h"

#define WORKER_COMM    "retrace-server-" /* the 15 bytes that the kernel keeps of the name */
#define ERRAND_MS      10000             /* a self-test or a clean-up takes no longer */
#define ERRAND_STEP_MS 2

static char *worker_path(const retrace_config_t *config, apr_pool_t *p)
{
    return apr_pstrcat(p, config->program_dir, "/retrace-server-worker", NULL);
}

static void wait_or_kill(pid_t pid)
{
    int waited_ms;

    for (waited_ms = 0; waited_ms < ERRAND_MS; waited_ms += ERRAND_STEP_MS) {
        if (waitpid(pid, NULL, WNOHANG) != 0) {
            return;
        }
        (void)poll(NULL, 0, ERRAND_STEP_MS);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void run_worker(const retrace_config_t *config, const char *config_path, const char *option,
                       char *id, apr_pool_t *scratch)
{
    char *argv[] = { worker_path(config, scratch),
                     apr_pstrcat(scratch, "--config=", config_path, NULL),
                     apr_pstrdup(scratch, option), id, NULL };
    pid_t pid = 0;

    if (spawn_program(&pid, argv) == 0) {
        wait_or_kill(pid);
    }
}

static void test(const retrace_config_t *config, const char *config_path, apr_pool_t *scratch)
{
    run_worker(config, config_path, "--check", NULL, scratch);
}

static bool is_worker(long pid)
{
    char path[64];
    char name[sizeof(WORKER_COMM)] = "";
    FILE *comm;

    snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    comm = fopen(path, "re");
    if (comm == NULL) {
        return true; /* gone */
    }
    (void)!fgets(name, sizeof(name), comm);
    (void)fclose(comm);
    return strcmp(name, WORKER_COMM) == 0;
}

/* bwrap's death signal is cleared while it makes its namespaces: if its worker dies just then, it
 * stays, and is our child from then on (subreaper). Our own children are workers, or the
 * indexer, whose name begins like theirs. */
static void kill_orphans(void)
{
    char path[64];
    FILE *children;
    long pid = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    children = fopen(path, "re");
    if (children == NULL) {
        return;
    }
    while (fscanf(children, "%ld", &pid) == 1) {
        if (!is_worker(pid)) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    (void)fclose(children);
}

static void tidy(uint32_t id, const retrace_config_t *config, const char *config_path,
                 apr_pool_t *scratch)
{
    retrace_id_text_t text = retrace_id_format(id);

    kill_orphans();
    run_worker(config, config_path, "--tidy", text.text, scratch);
    kill_orphans(); /* what the first of them has left in turn */
}

static apr_status_t submit(engine_job_t *job, const retrace_config_t *config,
                           const char *config_path, retrace_error_t *err, apr_pool_t *scratch)
{
    retrace_id_text_t id = retrace_id_format(job->id);
    char *argv[] = { worker_path(config, scratch),
                     apr_pstrcat(scratch, "--config=", config_path, NULL),
                     apr_psprintf(scratch, "--parent=%ld", (long)getpid()), id.text, NULL };
    pid_t pid = 0;
    int rc = spawn_program(&pid, argv);

    if (rc != 0) {
        return retrace_fail(err, rc, "start %s", argv[0]);
    }
    job->handle = pid;
    return APR_SUCCESS;
}

static bool poll_end(engine_end_t *end)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);

    if (pid <= 0) {
        return false;
    }
    end->handle = pid;
    end->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return true;
}

/* Our own child that we have not reaped: its number cannot belong to anybody else. */
static void cancel(const engine_job_t *job)
{
    (void)kill((pid_t)job->handle, SIGKILL);
}

const engine_t engine_local = { "local", test, submit, tidy, poll_end, cancel };
