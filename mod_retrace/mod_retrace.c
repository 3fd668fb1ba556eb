/* SPDX-License-Identifier: Apache-2.0 */
/* The module record and its hooks, nothing else. route.c is where a request goes next. */
#include "mod_retrace/mod_retrace.h"

#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(mr_startup_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(mr_startup_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(mr_startup_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(mr_startup_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before the core's: no directory is walked for a URL of ours. */
    ap_hook_map_to_storage(mr_route_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_fixups(mr_route_fixups, NULL, NULL, APR_HOOK_LAST);
    ap_hook_handler(mr_route_handle, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_suspend_connection(mr_wait_suspended, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(mr_counters_deliver, NULL, NULL, APR_HOOK_LAST);
    ap_hook_log_transaction(mr_packages_after_request, NULL, NULL, APR_HOOK_LAST);
}

module AP_MODULE_DECLARE_DATA __attribute__((visibility("default")))
retrace_module = { STANDARD20_MODULE_STUFF, mr_location_create, mr_location_merge, mr_server_create,
                   mr_server_merge,         mr_directives,      register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
                   AP_MODULE_FLAG_NONE
#endif
};
