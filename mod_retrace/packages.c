/* SPDX-License-Identifier: Apache-2.0 */
/* See packages.h. */
#include "mod_retrace/packages.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <http_log.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/package_list.h"
#include "lib/packages.h"
#include "lib/spool.h"
#include "mod_retrace/helper.h"

APLOG_USE_MODULE(retrace);

/* --- Reading ------------------------------------------------------------------------------- */

static bool open_list(retrace_package_list_t *list, const retrace_config_t *config,
                      const char *release, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, config->save_dir, "/" RETRACE_DIR_PACKAGES, NULL);
    int lists = -1;
    apr_status_t rv = retrace_fs_open_dir(&lists, AT_FDCWD, path, NULL);

    if (rv == APR_SUCCESS) {
        rv = retrace_package_list_open(list, lists, release, NULL);
        (void)close(lists);
    }
    return rv == APR_SUCCESS;
}

mr_packages_answer_t mr_packages_has(const retrace_config_t *config, const char *release,
                                     const apr_array_header_t *packages, apr_pool_t *p)
{
    retrace_package_list_t list;
    bool has = false;
    int i;

    if (!open_list(&list, config, release, p)) {
        return MR_PACKAGES_UNKNOWN;
    }
    for (i = 0; i < packages->nelts && !has; i++) {
        has = retrace_package_list_has(&list, APR_ARRAY_IDX(packages, i, const char *));
    }
    (void)close(list.fd);
    return has ? MR_PACKAGES_YES : MR_PACKAGES_NO;
}

mr_packages_answer_t mr_packages_has_any(const retrace_config_t *config, const char *release,
                                         apr_pool_t *p)
{
    retrace_package_list_t list;

    if (!open_list(&list, config, release, p)) {
        return MR_PACKAGES_UNKNOWN;
    }
    (void)close(list.fd);
    return retrace_package_list_is_empty(&list) ? MR_PACKAGES_NO : MR_PACKAGES_YES;
}

/* --- Having them made ---------------------------------------------------------------------- */

/* Once for each state of the repositories, and again after a while if that did not help. */
static bool may_ask(mr_child_t *child, const char *state)
{
    bool is_new;

    if (child->mutex == NULL) {
        return false;
    }
    apr_thread_mutex_lock(child->mutex);
    is_new = strcmp(child->asked_for, state) != 0;
    apr_cpystrn(child->asked_for, state, sizeof(child->asked_for));
    if (is_new) {
        child->last_ask = 0;
    }
    apr_thread_mutex_unlock(child->mutex);
    return mr_helper_is_time(child, &child->last_ask, MR_PACKAGES_ASK_S);
}

/* Wakes the dispatcher if a list is missing or stale: it starts the indexer. The helper is reaped with
 * the scope. */
static void refresh(mr_server_t *server, server_rec *s, apr_pool_t *scope)
{
    mr_child_t *child = &server->child;
    mr_helper_t *helper = NULL;
    retrace_error_t err;

    if (!mr_helper_is_time(child, &child->last_look, MR_PACKAGES_LOOK_S)
        || !retrace_packages_are_due(server->config, apr_time_now(), scope)
        || !may_ask(child, retrace_packages_state(server->config, scope))) {
        return;
    }
    if (mr_helper_start(&helper, server, "sweep", 0, false, &err, scope) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, RETRACE_LOGNO(0019) "%s", err.text);
        return;
    }
    mr_helper_leave(helper);
}

int mr_packages_after_request(request_rec *r)
{
    if (mr_location_of(r)->prefix != NULL && r->main == NULL) {
        refresh(mr_server_of(r->server), r->server, r->pool);
    }
    return DECLINED;
}

void mr_packages_child_init(mr_server_t *server, server_rec *s, apr_pool_t *pchild)
{
    apr_pool_t *scope = NULL;

    if (server->is_used && apr_pool_create(&scope, pchild) == APR_SUCCESS) {
        refresh(server, s, scope);
        apr_pool_destroy(scope);
    }
}
