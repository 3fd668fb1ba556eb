/* SPDX-License-Identifier: Apache-2.0 */
/* See capture.h. */
#include "worker/capture.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

static apr_status_t prepare(apr_procattr_t **pattr, apr_pool_t *p)
{
    apr_procattr_t *attr;
    apr_file_t *nothing;
    apr_status_t rv;

    rv = apr_file_open(&nothing, "/dev/null", APR_FOPEN_READ | APR_FOPEN_WRITE,
                       APR_FPROT_OS_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_create(&attr, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_child_in_set(attr, nothing, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_child_err_set(attr, nothing, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM);
    }
    if (rv == APR_SUCCESS) {
        *pattr = attr;
    }
    return rv;
}

static apr_status_t read_all(char **ptext, apr_file_t *from, apr_pool_t *p)
{
    char *text = apr_palloc(p, WORKER_CAPTURE_BYTES + 1);
    apr_size_t length = 0;
    apr_status_t rv;

    rv = apr_file_pipe_timeout_set(from, apr_time_from_sec(WORKER_CAPTURE_WAIT_S));
    while (rv == APR_SUCCESS) {
        apr_size_t room = WORKER_CAPTURE_BYTES - length;

        if (room == 0) {
            return APR_EGENERAL;
        }
        rv = apr_file_read(from, text + length, &room);
        length += rv == APR_SUCCESS ? room : 0;
    }
    if (!APR_STATUS_IS_EOF(rv)) {
        return rv;
    }
    text[length] = '\0';
    *ptext = text;
    return APR_SUCCESS;
}

static apr_status_t capture(char **ptext, const char *const *argv, retrace_error_t *err,
                            apr_pool_t *scratch)
{
    static const char *const nothing[] = { NULL };
    apr_procattr_t *attr = NULL;
    apr_proc_t process;
    apr_exit_why_e why = APR_PROC_EXIT;
    int code = 0;
    apr_status_t rv;

    rv = prepare(&attr, scratch);
    if (rv == APR_SUCCESS) {
        rv = apr_proc_create(&process, argv[0], argv, nothing, attr, scratch);
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "run %s", argv[0]);
    }
    rv = read_all(ptext, process.out, scratch);
    if (rv != APR_SUCCESS) {
        apr_proc_kill(&process, SIGKILL);
    }
    apr_proc_wait(&process, &code, &why, APR_WAIT);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "read what %s prints", argv[0]);
    }
    if (why != APR_PROC_EXIT || code != 0) {
        return retrace_fail(err, APR_EGENERAL, "%s %s failed with code %d", argv[0],
                            argv[1] != NULL ? argv[1] : "", code);
    }
    return APR_SUCCESS;
}

apr_status_t worker_capture(const char **ptext, const char *const *argv, retrace_error_t *err,
                            apr_pool_t *p)
{
    apr_pool_t *scratch;
    char *text = NULL;
    apr_status_t rv;

    rv = apr_pool_create(&scratch, p);
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, rv, "run %s", argv[0]);
    }
    rv = capture(&text, argv, err, scratch);
    if (rv == APR_SUCCESS) {
        *ptext = apr_pstrdup(p, text);
    }
    apr_pool_destroy(scratch);
    return rv;
}
