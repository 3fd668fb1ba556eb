/* SPDX-License-Identifier: Apache-2.0 */
/* See indexer.h. */
#include "helpers/dispatch/indexer.h"

#include <apr_strings.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

#include "helpers/dispatch/spawn.h"
#include "lib/clock.h"
#include "lib/packages.h"

#define PROGRAM   "retrace-server-index"
#define STATE_MAX 64 /* bytes */
#define MS        INT64_C(1000)

struct indexer_t {
    const retrace_config_t *config;
    const char *config_path;
    pid_t pid;               /* 0: it does not run */
    char started[STATE_MAX]; /* the state of the repositories then */
    /* The one that we gave up, and since when (monotonic): a full disk may have kept nothing of that. */
    char abandoned[STATE_MAX];
    int64_t abandoned_ms;
};

indexer_t *indexer_make(const retrace_config_t *config, const char *config_path, apr_pool_t *p)
{
    indexer_t *indexer = apr_pcalloc(p, sizeof(*indexer));

    indexer->config = config;
    indexer->config_path = config_path;
    return indexer;
}

static bool is_due(const indexer_t *indexer, apr_pool_t *scratch)
{
    bool may_try = indexer->abandoned[0] == '\0'
        || retrace_clock_ms() - indexer->abandoned_ms >= RETRACE_PACKAGES_GIVE_UP_S * MS
        || strcmp(retrace_packages_state(indexer->config, scratch), indexer->abandoned) != 0;

    return may_try && retrace_packages_are_due(indexer->config, apr_time_now(), scratch);
}

/* It would be started again at once, and bring nothing again. */
static void give_up(indexer_t *indexer)
{
    retrace_error_t err;

    indexer->abandoned[0] = '\0';
    syslog(LOG_ERR,
           PROGRAM " has not brought the lists of packages up to date; next attempt in %d s, "
                   "or when a repository changes",
           RETRACE_PACKAGES_GIVE_UP_S);
    if (retrace_packages_give_up(indexer->config, indexer->started, &err) != APR_SUCCESS) {
        apr_cpystrn(indexer->abandoned, indexer->started, sizeof(indexer->abandoned));
        indexer->abandoned_ms = retrace_clock_ms();
        syslog(LOG_ERR, "%s", err.text);
    }
}

/* What has changed while it ran is due, too, but that is work for the next one. */
static void settle(indexer_t *indexer, apr_pool_t *scratch)
{
    indexer->pid = 0;
    if (is_due(indexer, scratch)
        && strcmp(retrace_packages_state(indexer->config, scratch), indexer->started) == 0) {
        give_up(indexer);
    }
}

/* Also when the engine, which waits for any child, has taken its end from us. */
static bool has_ended(const indexer_t *indexer)
{
    int status = 0;
    pid_t pid = waitpid(indexer->pid, &status, WNOHANG);

    if (pid > 0 && WIFSIGNALED(status)) {
        syslog(LOG_ERR, PROGRAM " was killed by signal %d", WTERMSIG(status));
    }
    return pid != 0;
}

static void start(indexer_t *indexer, apr_pool_t *scratch)
{
    char *argv[] = { apr_pstrcat(scratch, indexer->config->program_dir, "/" PROGRAM, NULL),
                     apr_pstrcat(scratch, "--config=", indexer->config_path, NULL),
                     apr_pstrdup(scratch, "--quiet"), NULL };
    retrace_error_t err;
    int rc;

    apr_cpystrn(indexer->started, retrace_packages_state(indexer->config, scratch),
                sizeof(indexer->started));
    rc = spawn_program(&indexer->pid, argv);
    if (rc != 0) {
        indexer->pid = 0;
        (void)retrace_fail(&err, rc, "start %s", argv[0]);
        syslog(LOG_ERR, "%s", err.text);
        give_up(indexer);
    }
}

void indexer_round(indexer_t *indexer, apr_pool_t *scratch)
{
    if (indexer->pid != 0 && has_ended(indexer)) {
        settle(indexer, scratch);
    }
    if (indexer->pid == 0 && is_due(indexer, scratch)) {
        start(indexer, scratch);
    }
}

bool indexer_has_work(const indexer_t *indexer, apr_pool_t *scratch)
{
    return indexer->pid != 0 || is_due(indexer, scratch);
}
