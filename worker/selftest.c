/* SPDX-License-Identifier: Apache-2.0 */
/* See selftest.h. */
#include "worker/selftest.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/spool.h"
#include "worker/environment/mock_call.h"
#include "worker/sandbox.h"

static apr_status_t record(int spool, apr_status_t outcome, const retrace_error_t *reason,
                           retrace_error_t *err, apr_pool_t *p)
{
    const char *name = RETRACE_FILE_DISPATCHER_ERROR;
    const char *text = reason->text;

    if (outcome != APR_SUCCESS) {
        (void)retrace_fs_remove(spool, RETRACE_FILE_SANDBOX_OK, NULL);
    }
    else {
        (void)retrace_fs_remove(spool, RETRACE_FILE_DISPATCHER_ERROR, NULL);
        name = RETRACE_FILE_SANDBOX_OK;
        text = retrace_spool_boot_id(p);
    }
    return retrace_fs_replace(spool, name, text, strlen(text), 0640, false, err);
}

/* With mock there is no sandbox. */
static apr_status_t try_it(const retrace_config_t *config, retrace_error_t *reason, apr_pool_t *p)
{
    return config->environment == RETRACE_ENVIRONMENT_MOCK
        ? worker_mock_check(config->mock_path, reason)
        : worker_sandbox_check(config->bubblewrap_path, reason, p);
}

apr_status_t worker_selftest(const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    retrace_error_t reason = { 0 };
    apr_status_t outcome = try_it(config, &reason, p);
    int spool = -1;
    apr_status_t rv = retrace_fs_open_dir(&spool, AT_FDCWD, config->save_dir, err);

    if (rv == APR_SUCCESS) {
        rv = record(spool, outcome, &reason, err, p);
        (void)close(spool);
    }
    return outcome == APR_SUCCESS ? rv : retrace_fail(err, outcome, "%s", reason.text);
}
