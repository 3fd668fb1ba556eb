/* SPDX-License-Identifier: Apache-2.0 */
/* See debugger_gdb.h: put gdb, the core and the sysroot in a sandbox, run it, sort what it said. */
#include "worker/debugger_gdb.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "worker/gdb_private.h"

#define NONCE_BYTES 16

/* What announces a step must not be in a core: unguessable, and different in each run. */
static apr_status_t make_nonce(const char **pnonce, retrace_error_t *err, apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[NONCE_BYTES];
    char *text = apr_pcalloc(p, 2 * NONCE_BYTES + 1);
    int i;

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return retrace_fail(err, errno, "get random bytes");
    }
    for (i = 0; i < NONCE_BYTES; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    *pnonce = text;
    return APR_SUCCESS;
}

apr_status_t worker_gdb_prepare(worker_sandbox_t *sandbox, const worker_gdb_plan_t *plan,
                                const char *nonce, bool simple, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *binds = apr_array_make(p, 96, sizeof(worker_bind_t));
    apr_status_t rv;

    rv = worker_gdb_files(binds, plan->gdb, err, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (plan->printers != NULL) {
        APR_ARRAY_PUSH(binds, worker_bind_t) =
            (worker_bind_t){ plan->printers, WORKER_GDB_AT_PRINTERS };
    }
    if (plan->python_helper != NULL) {
        APR_ARRAY_PUSH(binds, worker_bind_t) =
            (worker_bind_t){ plan->python_helper, WORKER_GDB_AT_PYTHON_HELPER };
    }
    APR_ARRAY_PUSH(binds, worker_bind_t) = (worker_bind_t){ plan->core, WORKER_GDB_AT_CORE };
    if (plan->binds != NULL) {
        apr_array_cat(binds, plan->binds);
    }
    memset(sandbox, 0, sizeof(*sandbox));
    sandbox->bubblewrap = plan->bubblewrap;
    sandbox->binds = binds;
    sandbox->links = plan->links;
    sandbox->argv = worker_gdb_argv(&worker_gdb_place_sandbox, plan, nonce, simple, p);
    sandbox->environment = worker_gdb_environment();
    sandbox->limits = plan->limits;
    sandbox->cgroup = plan->cgroup;
    return APR_SUCCESS;
}

/* What asks the same question in different ways: gdb in the sandbox, or at another place. */
typedef struct asking_t {
    const worker_gdb_plan_t *plan;
    const worker_gdb_place_t *place; /* NULL: in the sandbox */
    worker_gdb_runner_fn runner;
    void *baton;
} asking_t;

static apr_status_t run_in_sandbox(worker_sandbox_result_t **prun, const worker_gdb_plan_t *plan,
                                   const char *nonce, bool simple, retrace_error_t *err,
                                   apr_pool_t *p)
{
    worker_sandbox_t sandbox;
    apr_status_t rv = worker_gdb_prepare(&sandbox, plan, nonce, simple, err, p);

    return rv == APR_SUCCESS ? worker_sandbox_run(prun, &sandbox, err, p) : rv;
}

static apr_status_t run_once(worker_gdb_output_t *output, const asking_t *asking, bool simple,
                             retrace_error_t *err, apr_pool_t *p)
{
    worker_sandbox_result_t *run = NULL;
    const char *nonce = NULL;
    apr_status_t rv;

    rv = make_nonce(&nonce, err, p);
    if (rv == APR_SUCCESS && asking->place == NULL) {
        rv = run_in_sandbox(&run, asking->plan, nonce, simple, err, p);
    }
    else if (rv == APR_SUCCESS) {
        rv = asking->runner(&run, asking->baton,
                            worker_gdb_argv(asking->place, asking->plan, nonce, simple, p), err, p);
    }
    if (rv == APR_SUCCESS) {
        output->is_complete =
            worker_gdb_split(output->sections, run->output, run->output_length, nonce, p)
            > WORKER_GDB_STEP_BACKTRACE;
        output->messages = worker_gdb_messages(run->messages, run->messages_length, p);
        output->run = run;
    }
    return rv;
}

/* gdb 8.2 takes the flag -c for the command of each thread. */
static bool is_too_old(const worker_gdb_output_t *output)
{
    return output->run->end == WORKER_SANDBOX_EXITED
        && strchr(output->sections[WORKER_GDB_BACKTRACE], '#') == NULL
        && strstr(output->run->messages, "Undefined command: \"-c\"") != NULL;
}

static apr_status_t ask(worker_gdb_output_t **poutput, const asking_t *asking, retrace_error_t *err,
                        apr_pool_t *p)
{
    worker_gdb_output_t *output = apr_pcalloc(p, sizeof(*output));
    apr_status_t rv;

    rv = run_once(output, asking, false, err, p);
    if (rv == APR_SUCCESS && is_too_old(output)) {
        rv = run_once(output, asking, true, err, p);
    }
    if (rv == APR_SUCCESS) {
        *poutput = output;
    }
    return rv;
}

apr_status_t worker_gdb_run(worker_gdb_output_t **poutput, const worker_gdb_plan_t *plan,
                            retrace_error_t *err, apr_pool_t *p)
{
    const asking_t asking = { .plan = plan };

    return ask(poutput, &asking, err, p);
}

apr_status_t worker_gdb_run_at(worker_gdb_output_t **poutput, const worker_gdb_place_t *place,
                               const char *program, worker_gdb_runner_fn runner, void *baton,
                               retrace_error_t *err, apr_pool_t *p)
{
    const worker_gdb_plan_t plan = { .program = program };
    const asking_t asking = { &plan, place, runner, baton };

    return ask(poutput, &asking, err, p);
}
