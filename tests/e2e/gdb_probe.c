/* SPDX-License-Identifier: Apache-2.0 */
/* The sandboxed gdb as a command for the end-to-end tests: runs worker_gdb_run, prints each section
 * below a line `== name`, then the complaints and how it ended.
 *   gdb_probe CORE [PROGRAM] [--bind SRC:DST] [--link CONTENT:PATH] [--cgroup PATH] [--wall S]
 *             [--cgroup-memory BYTES] [--printers DIR] [--gdb PATH] [--command GDB-COMMAND]...
 * With --command these commands stand in for the usual ones: gdb as it would be once taken over. */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/gdb_private.h"
#include "worker/text.h"

static const char *const section_names[WORKER_GDB_SECTIONS] = {
    "head", "threads", "backtrace", "libraries", "registers", "disassembly", "frames"
};

static const char *const end_names[] = { "exited", "signalled", "forbidden",
                                         "time",   "memory",    "output" };

typedef struct options_t {
    worker_gdb_plan_t plan;
    const char *cgroup;
    int64_t cgroup_bytes;
    apr_array_header_t *commands;
} options_t;

static int usage(void)
{
    fprintf(stderr, "usage: gdb_probe CORE [PROGRAM] [OPTION VALUE]...\n");
    return 100;
}

/* LEFT:RIGHT */
static const char *split(const char **pright, const char *value, apr_pool_t *p)
{
    const char *colon = strchr(value, ':');

    *pright = colon != NULL ? colon + 1 : "";
    return colon != NULL ? apr_pstrndup(p, value, (apr_size_t)(colon - value)) : value;
}

static bool take_option(options_t *options, const char *name, const char *value, apr_pool_t *p)
{
    worker_gdb_plan_t *plan = &options->plan;
    const char *right;

    if (strcmp(name, "--bind") == 0) {
        const char *left = split(&right, value, p);

        APR_ARRAY_PUSH((apr_array_header_t *)plan->binds, worker_bind_t) =
            (worker_bind_t){ left, right };
    }
    else if (strcmp(name, "--link") == 0) {
        const char *left = split(&right, value, p);

        APR_ARRAY_PUSH((apr_array_header_t *)plan->links, worker_link_t) =
            (worker_link_t){ left, right };
    }
    else if (strcmp(name, "--command") == 0) {
        APR_ARRAY_PUSH(options->commands, const char *) = value;
    }
    else if (strcmp(name, "--cgroup") == 0) {
        options->cgroup = value;
    }
    else if (strcmp(name, "--cgroup-memory") == 0) {
        options->cgroup_bytes = strtoll(value, NULL, 10);
    }
    else if (strcmp(name, "--wall") == 0) {
        plan->limits.wall_s = (unsigned int)atoi(value);
    }
    else if (strcmp(name, "--printers") == 0) {
        plan->printers = value;
    }
    else if (strcmp(name, "--gdb") == 0) {
        plan->gdb = value;
    }
    else {
        return false;
    }
    return true;
}

static bool take_arguments(options_t *options, int argc, const char *const *argv, apr_pool_t *p)
{
    worker_gdb_plan_t *plan = &options->plan;
    int i;

    for (i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            if (i + 1 == argc || !take_option(options, argv[i], argv[i + 1], p)) {
                return false;
            }
            i++;
        }
        else if (plan->core == NULL) {
            plan->core = argv[i];
        }
        else {
            plan->program = argv[i];
        }
    }
    return plan->core != NULL;
}

static int fail(const retrace_error_t *err)
{
    printf("== end\nfailed %d: %s\n", err->status, err->text);
    return 1;
}

static void print_end(const worker_sandbox_result_t *run, const options_t *options, apr_pool_t *p)
{
    printf("== end\n%s %d %d\n%s\n", end_names[run->end], run->exit_code, run->signal,
           worker_sandbox_end_text(run, &options->plan.limits, "gdb", p));
    if (options->plan.cgroup != NULL) {
        printf("peak %lld\n", (long long)worker_cgroup_peak_bytes(options->plan.cgroup));
    }
}

static int run_plan(const options_t *options, apr_pool_t *p)
{
    worker_gdb_output_t *output = NULL;
    retrace_error_t err = { 0, "" };
    int i;

    if (worker_gdb_run(&output, &options->plan, &err, p) != APR_SUCCESS) {
        return fail(&err);
    }
    for (i = 0; i < WORKER_GDB_SECTIONS; i++) {
        printf("== %s\n%s", section_names[i], output->sections[i]);
    }
    printf("== messages\n%s", output->messages);
    print_end(output->run, options, p);
    return 0;
}

/* The usual settings and files, then these commands. */
static const char *const *replace_steps(const char *const *argv, const apr_array_header_t *commands,
                                        apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 96, sizeof(const char *));
    int i;

    for (i = 0; argv[i] != NULL && strcmp(argv[i], "-ex") != 0; i++) {
        APR_ARRAY_PUSH(list, const char *) = argv[i];
    }
    for (i = 0; i < commands->nelts; i++) {
        APR_ARRAY_PUSH(list, const char *) = "-ex";
        APR_ARRAY_PUSH(list, const char *) = APR_ARRAY_IDX(commands, i, const char *);
    }
    APR_ARRAY_PUSH(list, const char *) = NULL;
    return (const char *const *)list->elts;
}

static int run_commands(const options_t *options, apr_pool_t *p)
{
    worker_sandbox_result_t *run = NULL;
    worker_sandbox_t sandbox;
    retrace_error_t err = { 0, "" };

    if (worker_gdb_prepare(&sandbox, &options->plan, "nonce", false, &err, p) != APR_SUCCESS) {
        return fail(&err);
    }
    sandbox.argv = replace_steps(sandbox.argv, options->commands, p);
    if (worker_sandbox_run(&run, &sandbox, &err, p) != APR_SUCCESS) {
        return fail(&err);
    }
    printf("== output\n%s\n== messages\n%s", worker_text_clean(run->output, run->output_length, p),
           worker_text_clean(run->messages, run->messages_length, p));
    print_end(run, options, p);
    return 0;
}

static void set_defaults(options_t *options, apr_pool_t *p)
{
    memset(options, 0, sizeof(*options));
    options->plan.gdb = "/usr/bin/gdb";
    options->plan.bubblewrap = "/usr/bin/bwrap";
    options->plan.binds = apr_array_make(p, 8, sizeof(worker_bind_t));
    options->plan.links = apr_array_make(p, 8, sizeof(worker_link_t));
    options->commands = apr_array_make(p, 8, sizeof(const char *));
    options->plan.limits = (worker_sandbox_limits_t){ .memory_bytes = INT64_C(2) << 30,
                                                      .file_bytes = INT64_C(16) << 20,
                                                      .output_bytes = WORKER_GDB_OUTPUT,
                                                      .message_bytes = 1 << 20,
                                                      .cpu_s = 60,
                                                      .wall_s = 60,
                                                      .processes = 64 };
    options->cgroup_bytes = options->plan.limits.memory_bytes;
}

int main(int argc, const char *const *argv)
{
    options_t options;
    apr_pool_t *p;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return 111;
    }
    set_defaults(&options, p);
    if (!take_arguments(&options, argc, argv, p)) {
        return usage();
    }
    if (options.cgroup != NULL) {
        retrace_error_t err = { 0, "" };
        const char *name = apr_psprintf(p, "probe-%d", (int)getpid());

        if (worker_cgroup_create(&options.plan.cgroup, WORKER_CGROUP_ROOT, options.cgroup, name,
                                 options.cgroup_bytes, options.plan.limits.processes, &err, p)
            != APR_SUCCESS) {
            return fail(&err);
        }
    }
    code = options.commands->nelts > 0 ? run_commands(&options, p) : run_plan(&options, p);
    apr_terminate();
    return code;
}
