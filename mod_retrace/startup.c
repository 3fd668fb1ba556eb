/* SPDX-License-Identifier: Apache-2.0 */
/* Before the first request: read the settings (also for `httpd -t`), and refuse to start where
 * every upload would fail later, with one sentence that says why. */
#include "mod_retrace/mod_retrace.h"

#include <ap_mpm.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <http_core.h>
#include <http_log.h>
#include <mpm_common.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mod_retrace/packages.h"
#include "mod_retrace/shared.h"
#include "mod_retrace/wait.h"

APLOG_USE_MODULE(retrace);

#define NO_SETUID                                                                                  \
    "httpd runs with NoNewPrivileges, so that the setuid helper cannot work: set "                 \
    "NoNewPrivileges=no for its service"

#define HTTPD_BODY_LIMIT (1 << 30) /* httpd's own default, since 2.4.54 */

#define CHECK_WAIT_MS 10000
#define ANSWER_MAX    8192 /* bytes of its line: a path and two numbers */
#define EXIT_CHILD    126  /* of a child that could not become the helper */

/* With NoNewPrivileges=yes the kernel ignores the helper's setuid bit without an error. */
static bool has_no_new_privileges(void)
{
    char line[256];
    bool set = false;
    FILE *status = fopen("/proc/self/status", "re");

    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "NoNewPrivs:", 11) == 0) {
            set = strchr(line, '1') != NULL;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return set;
}

static apr_status_t same_file(const char *answer, const mr_server_t *server, retrace_error_t *err,
                              apr_pool_t *p)
{
    struct stat info;
    const char *ours;

    if (stat(server->config_path, &info) != 0) {
        return retrace_fail(err, errno, "look at %s", server->config_path);
    }
    ours = apr_psprintf(p, " %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT, (apr_uint64_t)info.st_dev,
                        (apr_uint64_t)info.st_ino);
    if (strlen(answer) < strlen(ours)
        || strcmp(answer + strlen(answer) - strlen(ours), ours) != 0) {
        return retrace_fail(err, APR_EINVAL,
                            "RetraceConfig is %s, but retrace-helper was linked for %s",
                            server->config_path, answer);
    }
    return APR_SUCCESS;
}

/* The helper belongs to the spool's owner: if root ran it, that user could become root by changing
 * the file. So httpd's own user runs it, which is whom it must answer in any case. */
static void run_helper(const char *path, int out, server_rec *s, apr_pool_t *p)
{
    char *argv[] = { apr_pstrdup(p, path), apr_pstrdup(p, "check"), NULL };
    char *environment[] = { NULL };
    int null = open("/dev/null", O_RDWR);

    if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0
        || dup2(null, STDERR_FILENO) < 0) {
        _exit(EXIT_CHILD);
    }
    if (geteuid() == 0 && (ap_run_drop_privileges(p, s) != OK || geteuid() == 0)) {
        _exit(EXIT_CHILD);
    }
    (void)execve(path, argv, environment);
    _exit(EXIT_CHILD);
}

static apr_status_t read_answer(char *answer, size_t size, int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    ssize_t got;
    int rc;

    do {
        rc = poll(&ready, 1, CHECK_WAIT_MS);
    }
    while (rc < 0 && errno == EINTR);
    if (rc <= 0) {
        return APR_TIMEUP;
    }
    got = read(fd, answer, size - 1);
    if (got <= 0 || answer[got - 1] != '\n') {
        return APR_EOF;
    }
    answer[got - 1] = '\0';
    return APR_SUCCESS;
}

static apr_status_t ask_helper(mr_server_t *server, server_rec *s, retrace_error_t *err,
                               apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, server->config->program_dir, "/retrace-helper", NULL);
    char answer[ANSWER_MAX];
    int channel[2];
    int status = 0;
    apr_status_t rv;
    pid_t child;

    if (pipe2(channel, O_CLOEXEC) != 0) {
        return retrace_fail(err, errno, "ask %s", path);
    }
    child = fork();
    if (child < 0) {
        rv = retrace_fail(err, errno, "ask %s", path);
        (void)close(channel[0]);
        (void)close(channel[1]);
        return rv;
    }
    if (child == 0) {
        run_helper(path, channel[1], s, p);
    }
    (void)close(channel[1]);
    rv = read_answer(answer, sizeof(answer), channel[0]);
    (void)close(channel[0]);
    if (rv == APR_TIMEUP) {
        (void)kill(child, SIGKILL);
    }
    (void)waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CHILD) {
        return retrace_fail(err, APR_EGENERAL, "%s cannot be started by httpd's user", path);
    }
    if (rv != APR_SUCCESS) {
        return retrace_fail(err, APR_EGENERAL,
                            "%s refuses with exit code %d; retrace-helper(8) says why and how to "
                            "mend it",
                            path, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    return same_file(answer, server, err, p);
}

static bool can_read_settings(mr_server_t *server, apr_pool_t *pconf, server_rec *s)
{
    retrace_error_t err;

    if (retrace_config_read(&server->config, server->config_path, &err, pconf) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, RETRACE_LOGNO(0003) "%s", err.text);
        return false;
    }
    return true;
}

static bool can_use_setuid(server_rec *s)
{
    if (has_no_new_privileges()) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, RETRACE_LOGNO(0004) "%s", NO_SETUID);
        return false;
    }
    return true;
}

static bool can_use_helper(mr_server_t *server, apr_pool_t *ptemp, server_rec *s)
{
    retrace_error_t err;

    if (ask_helper(server, s, &err, ptemp) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, RETRACE_LOGNO(0005) "%s", err.text);
        return false;
    }
    return true;
}

/* What a Location says, else the server, else httpd. @return 0 for no limit */
static apr_off_t body_limit(ap_conf_vector_t *section, const server_rec *s)
{
    const core_dir_config *core = ap_get_core_module_config(section);

    if (core->limit_req_body < 0) {
        core = ap_get_core_module_config(s->lookup_defaults);
    }
    return core->limit_req_body < 0 ? HTTPD_BODY_LIMIT : core->limit_req_body;
}

/* Virtual hosts share the sections of the main server. */
static bool is_new(apr_hash_t *seen, const ap_conf_vector_t *section)
{
    const void **key = apr_palloc(apr_hash_pool_get(seen), sizeof(*key));
    bool known;

    *key = section;
    known = apr_hash_get(seen, key, sizeof(*key)) != NULL;
    apr_hash_set(seen, key, sizeof(*key), section);
    return !known;
}

/* httpd's own limit would refuse what the settings allow. */
static void check_body_limits(const mr_server_t *server, apr_hash_t *seen, server_rec *s)
{
    const core_server_config *core = ap_get_core_module_config(s->module_config);
    int i;

    for (i = 0; i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *);
        const mr_location_t *location = ap_get_module_config(section, &retrace_module);
        apr_off_t limit = body_limit(section, s);

        /* A section without a directive of ours has no record of ours. */
        if (location != NULL && location->prefix != NULL && limit > 0 && is_new(seen, section)
            && limit < server->config->max_packed_mb * RETRACE_MIB) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         RETRACE_LOGNO(0017) "LimitRequestBody of %s/ is %" APR_OFF_T_FMT
                                             " bytes, less than MaxPackedSize (%" APR_INT64_T_FMT
                                             " MB)",
                         location->prefix, limit, (apr_int64_t)server->config->max_packed_mb);
        }
    }
}

/* It may come later, with a disk that is mounted: no reason not to start. */
static void check_save_dir(const mr_server_t *server, server_rec *s)
{
    struct stat info;

    if (stat(server->config->save_dir, &info) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     RETRACE_LOGNO(0018) "SaveDir %s cannot be used", server->config->save_dir);
    }
}

/* All of it also in `httpd -t`: a reload must not end a server that runs. */
int mr_startup_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    mr_server_t *server = mr_server_of(s);
    apr_hash_t *seen = apr_hash_make(ptemp);

    (void)plog;
    if (server->is_used
        && !(can_read_settings(server, pconf, s) && can_use_setuid(s)
             && can_use_helper(server, ptemp, s))) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (server->is_used) {
        check_save_dir(server, s);
    }
    for (; server->is_used && s != NULL; s = s->next) {
        check_body_limits(server, seen, s);
    }
    return OK;
}

int mr_startup_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    return mr_shared_register(pconf) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

/* By default a quarter of all threads may be held by requests that wait. */
static void set_max_waiting(mr_server_t *server)
{
    int threads = 1;
    int children = 1;

    if (server->max_waiting >= 0) {
        return;
    }
    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    (void)ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children);
    server->max_waiting = (threads > 0 ? threads : 1) * children / 4;
    if (server->max_waiting > MR_MAX_WAITING) {
        server->max_waiting = MR_MAX_WAITING;
    }
}

int mr_startup_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    mr_server_t *server = mr_server_of(s);
    apr_status_t rv;

    (void)plog;
    (void)ptemp;
    if (!server->is_used) {
        return OK;
    }
    set_max_waiting(server);
    rv = mr_shared_create(&server->shared, s, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     RETRACE_LOGNO(0015) "the memory that children share cannot be made");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* Requests that are cut off by the end of the child are cleaned up after what it kept. */
static apr_status_t end_child(void *data)
{
    mr_child_t *child = data;

    child->mutex = NULL;
    return APR_SUCCESS;
}

void mr_startup_child_init(apr_pool_t *pchild, server_rec *s)
{
    mr_server_t *server = mr_server_of(s);
    mr_child_t *child = &server->child;
    apr_pool_t *pool = NULL;
    apr_status_t rv;

    /* A pool of its own: request threads let the array grow, and only our mutex keeps them apart. */
    apr_pool_create(&pool, pchild);
    child->helpers = apr_array_make(pool, 8, sizeof(pid_t));
    child->last_start = child->last_look = child->last_ask = 0;
    child->asked_for[0] = '\0';
    (void)apr_thread_mutex_create(&child->mutex, APR_THREAD_MUTEX_DEFAULT, pchild);
    apr_pool_cleanup_register(pchild, child, end_child, apr_pool_cleanup_null);
    mr_packages_child_init(server, s, pchild);
    if (server->shared == NULL) {
        return;
    }
    rv = mr_shared_child_init(server->shared, pchild);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     RETRACE_LOGNO(0016) "a child cannot use the lock of the shared memory");
    }
    child->pacer = server->may_suspend ? mr_pacer_start(server->max_suspended, pchild) : NULL;
}
