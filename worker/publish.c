/* SPDX-License-Identifier: Apache-2.0 */
/* See publish.h. */
#include "worker/publish.h"

#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/spool.h"

#define FILE_MODE 0640
#define DIR_MODE  0750

static apr_status_t write_file(int dir, const char *name, const char *text, retrace_error_t *err)
{
    return text != NULL ? retrace_fs_replace(dir, name, text, strlen(text), FILE_MODE, false, err)
                        : APR_SUCCESS;
}

static apr_status_t write_results(int task, const worker_results_t *results, retrace_error_t *err)
{
    int dir = -1;
    apr_status_t rv;

    rv = retrace_fs_make_dir(&dir, task, RETRACE_DIR_RESULTS, DIR_MODE, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = write_file(dir, RETRACE_RESULT_FRAMES, results->frames, err);
    if (rv == APR_SUCCESS) {
        rv = write_file(dir, RETRACE_RESULT_EXPLOITABLE, results->exploitable, err);
    }
    (void)close(dir);
    return rv;
}

static void write_extras(int task, const worker_results_t *results, apr_pool_t *p)
{
    retrace_error_t err;
    apr_status_t rv;

    rv = write_file(task, RETRACE_FILE_FACTS, retrace_facts_format(results->facts, p), &err);
    if (rv == APR_SUCCESS && results->report != NULL) {
        rv = write_results(task, results, &err);
    }
    if (rv != APR_SUCCESS) {
        retrace_spool_log(task, 'W', "Not all results could be written: %s", err.text);
    }
}

/* The answer first, then the cleaning up: nobody waits for the latter. */
apr_status_t worker_publish(int task, const worker_results_t *results, const char *reason,
                            retrace_error_t *err, apr_pool_t *p)
{
    const char *report = results->report;
    apr_status_t rv;

    write_extras(task, results, p);
    rv = retrace_spool_finish(task, report, report != NULL ? strlen(report) : 0,
                              report != NULL ? "Retrace job finished successfully" : reason, err);
    return rv == APR_SUCCESS ? retrace_spool_clean(task, err, p) : rv;
}
