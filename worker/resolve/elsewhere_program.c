/* SPDX-License-Identifier: Apache-2.0 */
/* See elsewhere.h: the program as the worker starts it. */
#include <apr_portable.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "worker/resolve/elsewhere.h"
#include "worker/resolve/preference.h"

static apr_status_t end_program(void *data)
{
    apr_proc_t *process = data;
    apr_exit_why_e why;
    int code;

    (void)apr_proc_kill(process, SIGKILL);
    (void)apr_proc_wait(process, &code, &why, APR_WAIT);
    return APR_SUCCESS;
}

static void keep_from_children(apr_file_t *file)
{
    apr_os_file_t fd = -1;

    if (apr_os_file_get(&fd, file) == APR_SUCCESS) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

static apr_status_t prepare(apr_procattr_t **pattr, apr_pool_t *p)
{
    apr_procattr_t *attr = NULL;
    apr_file_t *nothing = NULL;
    apr_status_t rv =
        apr_file_open(&nothing, "/dev/null", APR_FOPEN_WRITE, APR_FPROT_OS_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        rv = apr_procattr_create(&attr, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attr, APR_FULL_BLOCK, APR_FULL_BLOCK, APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_child_err_set(attr, nothing, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM);
    }
    /* Before the fork: a child without a program would be known by its silence only. */
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_error_check_set(attr, 1);
    }
    if (rv == APR_SUCCESS) {
        *pattr = attr;
    }
    return rv;
}

apr_status_t worker_elsewhere_start(apr_proc_t *process, const retrace_config_t *config,
                                    apr_pool_t *p)
{
    static const char *const environment[] = { "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", NULL };
    const char *program = apr_pstrcat(p, config->program_dir, "/" WORKER_ELSEWHERE_PROGRAM, NULL);
    const char *const argv[] = { program, apr_pstrcat(p, "--config=", config->path, NULL),
                                 apr_psprintf(p, "--parent=%ld", (long)getpid()), NULL };
    const apr_interval_time_t share =
        apr_time_from_sec(config->max_task_runtime_s) / WORKER_ELSEWHERE_TIME_SHARE;
    apr_procattr_t *attr = NULL;
    apr_status_t rv = prepare(&attr, p);

    if (rv == APR_SUCCESS) {
        rv = apr_proc_create(process, program, argv, environment, attr, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, process, end_program, apr_pool_cleanup_null);
        keep_from_children(process->in);
        keep_from_children(process->out);
        rv = apr_file_pipe_timeout_set(process->in, share);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_file_pipe_timeout_set(process->out, share);
    }
    return rv;
}

static bool is_told(const apr_proc_t *process, const char *lines)
{
    return apr_file_puts(lines, process->in) == APR_SUCCESS;
}

bool worker_elsewhere_introduce(const apr_proc_t *process, const worker_core_t *core,
                                const worker_errand_t *errand, apr_pool_t *scratch)
{
    const char *release = errand->release;
    bool goes_on =
        is_told(process,
                apr_pstrcat(scratch, WORKER_ELSEWHERE_RELEASE "\t", release != NULL ? release : "-",
                            "\n" WORKER_ELSEWHERE_ARCH "\t", core->arch, "\n", NULL));
    const apr_array_header_t *packages = errand->packages;
    int i;

    for (i = 0; i < core->modules->nelts && goes_on; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (module->is_elf && module->build_id != NULL) {
            goes_on = is_told(
                process,
                apr_pstrcat(scratch, WORKER_ELSEWHERE_MODULE "\t", module->build_id, "\n", NULL));
        }
    }
    for (i = 0; packages != NULL && i < packages->nelts && i < WORKER_PREFERENCES_MAX && goes_on;
         i++) {
        goes_on = is_told(process,
                          apr_pstrcat(scratch, WORKER_ELSEWHERE_PACKAGE "\t",
                                      APR_ARRAY_IDX(packages, i, const char *), "\n", NULL));
    }
    return goes_on;
}
