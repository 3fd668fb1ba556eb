/* SPDX-License-Identifier: Apache-2.0 */
/* retrace-dispatch SETTINGS ACTION [ID]: entry of the queue's owner. Started by the setuid helper
 * (`start ID`, `sweep`) or by a service manager (`run`). */
#include <apr_general.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "helpers/dispatch/dispatch.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "lib/privileges.h"
#include "lib/queue.h"

#define EXIT_USAGE  100
#define EXIT_SYSTEM 111

typedef struct job_t {
    const char *config_path;
    const retrace_config_t *config;
    const retrace_spool_t *spool;
    uint32_t id;
    apr_pool_t *pool;
} job_t;

typedef struct action_t {
    const char *name;
    bool takes_id;
    apr_status_t (*run)(const job_t *job, retrace_error_t *err);
} action_t;

/* httpd may be spared by the out-of-memory killer; we are not httpd. Only a best effort: without a
 * capability the score can be raised, not lowered. */
static void reset_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)retrace_fs_write_all(fd, "0", 1);
        (void)close(fd);
    }
}

/* httpd must not wait for us, nor take us along when it goes. */
static apr_status_t leave_httpd(retrace_error_t *err)
{
    pid_t pid = fork();
    int null;

    if (pid < 0) {
        return retrace_fail(err, errno, "fork");
    }
    if (pid > 0) {
        _exit(0);
    }
    if (setsid() < 0) {
        return retrace_fail(err, errno, "setsid");
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) {
        return retrace_fail(err, errno, "open /dev/null");
    }
    (void)close(null);
    reset_oom_score();
    return APR_SUCCESS;
}

static apr_status_t dispatch(const job_t *job, retrace_error_t *err)
{
    apr_status_t rv =
        dispatch_run(job->spool, job->config, job->config_path, &engine_local, err, job->pool);

    return rv == APR_EBUSY ? APR_SUCCESS : rv;
}

static apr_status_t dispatch_apart(const job_t *job, retrace_error_t *err)
{
    apr_status_t rv;

    if (job->config->dispatcher == RETRACE_DISPATCHER_SYSTEMD) {
        return APR_SUCCESS; /* the path unit on queue/ starts the service */
    }
    rv = leave_httpd(err);
    return rv == APR_SUCCESS ? dispatch(job, err) : rv;
}

static apr_status_t start(const job_t *job, retrace_error_t *err)
{
    apr_status_t rv = retrace_queue_ensure(job->spool, job->id, err);

    return rv == APR_SUCCESS ? dispatch_apart(job, err) : rv;
}

/* To touch the queue wakes whoever watches it: the dispatcher that runs, or the path unit. */
static apr_status_t sweep(const job_t *job, retrace_error_t *err)
{
    apr_status_t rv = retrace_queue_sweep(job->spool, err, job->pool);

    if (rv == APR_SUCCESS && futimens(job->spool->queue, NULL) != 0) {
        rv = retrace_fail(err, errno, "touch the queue");
    }
    return rv == APR_SUCCESS ? dispatch_apart(job, err) : rv;
}

static const action_t actions[] = {
    { "start", true, start },
    { "sweep", false, sweep },
    { "run", false, dispatch },
};

static const action_t *find_action(int argc, char *argv[], uint32_t *pid)
{
    size_t i;

    for (i = 0; argc >= 3 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, argv[2]) == 0 && argc == (actions[i].takes_id ? 4 : 3)
            && (!actions[i].takes_id || retrace_id_parse(argv[3], pid))) {
            return &actions[i];
        }
    }
    return NULL;
}

static apr_status_t run_action(const action_t *action, job_t *job, retrace_error_t *err)
{
    apr_status_t rv = retrace_config_read(&job->config, job->config_path, err, job->pool);

    if (rv == APR_SUCCESS) {
        rv = retrace_spool_open(&job->spool, job->config->save_dir, err, job->pool);
    }
    return rv == APR_SUCCESS ? action->run(job, err) : rv;
}

int main(int argc, char *argv[])
{
    retrace_error_t err;
    job_t job = { 0 };
    const action_t *action = find_action(argc, argv, &job.id);
    apr_status_t rv;

    if (action == NULL) {
        fprintf(stderr, "usage: retrace-dispatch SETTINGS start ID | sweep | run\n");
        return EXIT_USAGE;
    }
    openlog("retrace-dispatch", LOG_PID, LOG_DAEMON);
    job.config_path = argv[1];
    if (!retrace_privileges_reset_process() || apr_initialize() != APR_SUCCESS) {
        return EXIT_SYSTEM;
    }
    apr_pool_create(&job.pool, NULL);
    rv = run_action(action, &job, &err);
    if (rv != APR_SUCCESS) {
        syslog(LOG_ERR, "%s", err.text);
        fprintf(stderr, "retrace-dispatch: %s\n", err.text);
    }
    apr_pool_destroy(job.pool);
    apr_terminate();
    return rv == APR_SUCCESS ? EXIT_SUCCESS : EXIT_SYSTEM;
}
