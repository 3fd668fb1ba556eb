/* SPDX-License-Identifier: Apache-2.0 */
/* See sandbox.h: the steps in order, and what the end of a run means. */
#include "worker/sandbox_private.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/capture.h"
#include "worker/elf_file.h"
#include "worker/seccomp.h"

#define SIGNAL_BASE 128 /* bwrap reports a signal of the program as this plus its number */
#define LAST_SIGNAL 64

/* The number behind `"key": ` in bwrap's small JSON documents; -1 when there is none. */
static long status_number(const char *text, const char *key)
{
    const char *at = text != NULL ? strstr(text, key) : NULL;

    return at != NULL ? strtol(at + strlen(key), NULL, 10) : -1;
}

pid_t worker_sandbox_child_pid(const char *status_text)
{
    long pid = status_number(status_text, "\"child-pid\":");

    return pid > 1 ? (pid_t)pid : 0;
}

static void judge_signal(worker_sandbox_result_t *result, int number,
                         const worker_sandbox_run_t *run, const worker_sandbox_limits_t *limits,
                         bool was_oom)
{
    int64_t cpu_ms = (int64_t)limits->cpu_s * 1000;

    result->signal = number;
    if (number == SIGKILL && was_oom) {
        result->end = WORKER_SANDBOX_MEMORY;
    }
    else if (number == SIGSYS) {
        result->end = WORKER_SANDBOX_FORBIDDEN;
    }
    else if (cpu_ms > 0 && (number == SIGXCPU || (number == SIGKILL && run->wall_ms >= cpu_ms))) {
        result->end = WORKER_SANDBOX_TIME;
    }
    else {
        result->end = WORKER_SANDBOX_SIGNALLED;
    }
}

apr_status_t worker_sandbox_judge(worker_sandbox_result_t *result, const worker_sandbox_run_t *run,
                                  const worker_sandbox_limits_t *limits, bool was_oom,
                                  retrace_error_t *err)
{
    long code = status_number(run->status_text, "\"exit-code\":");

    if (run->over_output || run->over_time) {
        result->end = run->over_output ? WORKER_SANDBOX_OUTPUT : WORKER_SANDBOX_TIME;
        result->signal = SIGKILL;
        return APR_SUCCESS;
    }
    if (code > SIGNAL_BASE && code <= SIGNAL_BASE + LAST_SIGNAL) {
        judge_signal(result, (int)code - SIGNAL_BASE, run, limits, was_oom);
        return APR_SUCCESS;
    }
    if (code >= 0) {
        result->end = WORKER_SANDBOX_EXITED;
        result->exit_code = (int)code;
        return APR_SUCCESS;
    }
    /* Without an exit code bwrap or its process 1 was killed, or there never was a program. */
    if (was_oom) {
        judge_signal(result, SIGKILL, run, limits, was_oom);
        return APR_SUCCESS;
    }
    if (WIFSIGNALED(run->wait_status)) {
        judge_signal(result, WTERMSIG(run->wait_status), run, limits, was_oom);
        return APR_SUCCESS;
    }
    if (run->messages[0] == '\0') {
        return retrace_fail(
            err, APR_ENOTIMPL,
            "no sandbox: bwrap ended with code %d and said nothing, as when its first "
            "process is killed",
            WEXITSTATUS(run->wait_status));
    }
    return retrace_fail(err, APR_ENOTIMPL, "no sandbox: %.*s", (int)strcspn(run->messages, "\n"),
                        run->messages);
}

static apr_status_t run_argv(worker_sandbox_result_t **presult, const worker_sandbox_t *sandbox,
                             const char *const *argv, retrace_error_t *err, apr_pool_t *p)
{
    worker_sandbox_result_t *result = apr_pcalloc(p, sizeof(*result));
    worker_sandbox_run_t *run = NULL;
    apr_status_t rv;
    int filter = -1;

    rv = worker_seccomp_export(&filter, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = worker_sandbox_process(&run, sandbox, argv, filter, err, p);
    close(filter);
    if (rv == APR_SUCCESS) {
        rv = worker_sandbox_judge(result, run, &sandbox->limits,
                                  sandbox->cgroup != NULL && worker_cgroup_was_oom(sandbox->cgroup),
                                  err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    result->output = run->output;
    result->output_length = run->output_length;
    result->messages = run->messages;
    result->messages_length = run->messages_length;
    *presult = result;
    return APR_SUCCESS;
}

apr_status_t worker_sandbox_run(worker_sandbox_result_t **presult, const worker_sandbox_t *sandbox,
                                retrace_error_t *err, apr_pool_t *p)
{
    const char *const probe[] = { sandbox->bubblewrap, "--help", NULL };
    const char *const *argv = NULL;
    const char *help = NULL;
    apr_status_t rv;

    rv = worker_capture(&help, probe, err, p);
    if (rv == APR_SUCCESS) {
        rv = worker_sandbox_argv(&argv, sandbox, help, err, p);
    }
    return rv == APR_SUCCESS ? run_argv(presult, sandbox, argv, err, p) : rv;
}

/* The loader that starts this program; it needs no other file itself. */
static apr_status_t find_loader(const char **ploader, const char *program, retrace_error_t *err,
                                apr_pool_t *p)
{
    worker_elf_file_t *file = NULL;
    apr_status_t rv;
    int fd = open(program, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return retrace_fail(err, errno, "open %s", program);
    }
    rv = worker_elf_file_read(&file, fd, err, p);
    close(fd);
    if (rv == APR_SUCCESS && file->interpreter == NULL) {
        rv = retrace_fail(err, APR_ENOTIMPL, "%s has no loader", program);
    }
    if (rv == APR_SUCCESS) {
        *ploader = file->interpreter;
    }
    return rv;
}

/* `ld.so --verify` looks at bwrap's own file and ends, without any library. */
apr_status_t worker_sandbox_check(const char *bubblewrap, retrace_error_t *err, apr_pool_t *p)
{
    static const char *const argv[] = { "/box/ld.so", "--verify", "/box/bwrap", NULL };
    static const char *const environment[] = { NULL };
    const worker_sandbox_limits_t limits = { .memory_bytes = INT64_C(1) << 30,
                                             .file_bytes = 1 << 20,
                                             .output_bytes = 1 << 16,
                                             .message_bytes = 1 << 16,
                                             .cpu_s = 10,
                                             .wall_s = 30,
                                             .processes = 16 };
    apr_array_header_t *binds = apr_array_make(p, 2, sizeof(worker_bind_t));
    worker_sandbox_t sandbox = { bubblewrap, binds, NULL, argv, environment, limits, NULL };
    worker_sandbox_result_t *result = NULL;
    const char *loader = NULL;
    apr_status_t rv;

    rv = find_loader(&loader, bubblewrap, err, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    APR_ARRAY_PUSH(binds, worker_bind_t) = (worker_bind_t){ loader, argv[0] };
    APR_ARRAY_PUSH(binds, worker_bind_t) = (worker_bind_t){ bubblewrap, argv[2] };
    rv = worker_sandbox_run(&result, &sandbox, err, p);
    if (rv == APR_SUCCESS && (result->end != WORKER_SANDBOX_EXITED || result->exit_code != 0)) {
        rv = retrace_fail(err, APR_ENOTIMPL, "no sandbox: %s",
                          worker_sandbox_end_text(result, &limits, loader, p));
    }
    return rv;
}

const char *worker_sandbox_end_text(const worker_sandbox_result_t *result,
                                    const worker_sandbox_limits_t *limits, const char *program,
                                    apr_pool_t *p)
{
    switch (result->end) {
    case WORKER_SANDBOX_EXITED:
        return apr_psprintf(p, "%s ended with code %d", program, result->exit_code);
    case WORKER_SANDBOX_SIGNALLED:
        return apr_psprintf(p, "%s was killed by signal %d", program, result->signal);
    case WORKER_SANDBOX_FORBIDDEN:
        return apr_psprintf(p, "%s was killed for a forbidden system call", program);
    case WORKER_SANDBOX_TIME:
        return apr_psprintf(p, "%s was killed at its time limit (%u s, %u s of CPU time)", program,
                            limits->wall_s, limits->cpu_s);
    case WORKER_SANDBOX_MEMORY:
        return apr_psprintf(p, "%s was killed for more than %" APR_INT64_T_FMT " MiB of memory",
                            program, limits->memory_bytes / (1024 * 1024));
    case WORKER_SANDBOX_OUTPUT:
        return apr_psprintf(p, "%s was killed for more than %" APR_INT64_T_FMT " bytes of output",
                            program, limits->output_bytes);
    default:
        return apr_psprintf(p, "%s ended in an unknown way", program);
    }
}
