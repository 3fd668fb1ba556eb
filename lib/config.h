/* SPDX-License-Identifier: Apache-2.0 */
/* The one settings file that all programs share: `[retrace]`, then lines of `Key = value`. Keys are
 * compared without case, `#` and `;` begin comment lines, the last of two equal keys counts. What
 * is unknown, malformed or out of range is an error that names file and line. */
#ifndef RETRACE_CONFIG_H
#define RETRACE_CONFIG_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define RETRACE_CONFIG_MAX_BYTES 65536 /* of the file */
#define RETRACE_CONFIG_MAX_URLS  10    /* of one option */
#define RETRACE_CONFIG_URL_MAX   1024  /* bytes of each */

#define RETRACE_CONFIG_BLANKS " \t" /* between the URLs of an option */

#define RETRACE_KIB (INT64_C(1024))
#define RETRACE_MIB (INT64_C(1024) * 1024)

typedef enum retrace_environment_t {
    RETRACE_ENVIRONMENT_EXTRACT,
    RETRACE_ENVIRONMENT_NATIVE,
    RETRACE_ENVIRONMENT_MOCK
} retrace_environment_t;

typedef enum retrace_dispatcher_t {
    RETRACE_DISPATCHER_HELPER,
    RETRACE_DISPATCHER_SYSTEMD
} retrace_dispatcher_t;

/** Which sets of files make an upload complete. */
typedef enum retrace_required_t {
    RETRACE_REQUIRED_S1_OR_S2, /* either of the next two */
    RETRACE_REQUIRED_S1,       /* coredump executable package */
    RETRACE_REQUIRED_S2,       /* coredump architecture release packages */
    RETRACE_REQUIRED_CORE      /* coredump */
} retrace_required_t;

/** One field per option; names, units and defaults are in conf.d/retrace-server.conf. */
typedef struct retrace_config_t {
    const char *path; /* of the file itself; NULL: these are the defaults */
    const char *save_dir;
    const char *cache_dir;
    const char *program_dir;
    const char *gdb_path;
    const char *bubblewrap_path;
    const char *printers_dir;
    const char *host_dirs; /* absolute paths, separated by ':' */
    const char *host_debug_dir;
    const char *cgroup_path; /* "" = this process's own group */
    const char *repo_dir;
    const char *gpg_key_dir;
    const char *repo_config_dir;
    const char *gdb_multiarch_path; /* for cores gdb_path does not know; "" = none */
    const char *mock_path;
    const char *python_helpers;  /* a pattern (glob(7), braces); "" = none */
    const char *db_file;         /* a name in save_dir */
    const char *external_dirs;   /* absolute paths, separated by ':'; "" = none */
    const char *debuginfod_urls; /* separated by blanks (RETRACE_CONFIG_BLANKS); "" = none */
    int64_t max_parallel_tasks;
    int64_t max_queued_tasks;
    int64_t max_packed_mb;
    int64_t max_unpacked_mb;
    int64_t max_small_file_kb;
    int64_t min_storage_left_mb;
    int64_t max_task_runtime_s;
    int64_t max_task_memory_mb;
    int64_t task_password_length;
    int64_t max_advertised_mb;
    int64_t max_parallel_uploads;  /* 0: no limit */
    int64_t max_client_uploads;    /* likewise */
    int64_t max_password_failures; /* per minute and address; 0: no limit */
    int64_t debuginfod_timeout_s;
    int64_t debuginfod_max_mb;
    int64_t debuginfod_miss_s; /* 0: not remembered */
    int64_t cache_size_mb;     /* 0: no limit */
    int64_t keep_rawhide_latest;
    bool fetch_on_demand;
    bool use_createrepo_update;
    bool strip_packages;
    bool require_https;
    bool require_gpg_check;
    bool allow_api_delete;
    bool allow_interactive;
    bool allow_task_manager;
    bool allow_external_dir;
    bool allow_metrics;
    bool synchronous_default;
    int required_files; /* retrace_required_t */
    int environment;    /* retrace_environment_t */
    int dispatcher;     /* retrace_dispatcher_t */
} retrace_config_t;

/**
 * Read the settings.
 * @param pconfig  in p, with the defaults for what the file leaves out; written only on success
 * @param path     absolute
 * @return APR_EINVAL  bad content; err begins "<path>:<line>: ", or "<path>: " for options that do
 *                     not go together
 *         APR_EACCES  it belongs to somebody else, or others may write to it
 *         other       it cannot be read
 */
apr_status_t retrace_config_read(const retrace_config_t **pconfig, const char *path,
                                 retrace_error_t *err, apr_pool_t *p);

/**
 * Call `visit` for each option in the order of the table, with its value as the file would spell
 * it.
 * @param config  NULL for the defaults
 */
void retrace_config_each(const retrace_config_t *config,
                         void (*visit)(void *baton, const char *key, const char *value),
                         void *baton, apr_pool_t *p);

#endif
