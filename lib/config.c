/* SPDX-License-Identifier: Apache-2.0 */
/* See config.h. An option is one row of the table below. */
#include "lib/config.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"

#ifndef RETRACE_SPOOLDIR
#define RETRACE_SPOOLDIR "/var/spool/retrace-server"
#endif
#ifndef RETRACE_CACHEDIR
#define RETRACE_CACHEDIR "/var/cache/retrace-server/buildid"
#endif
#ifndef RETRACE_LIBEXECDIR
#define RETRACE_LIBEXECDIR "/usr/libexec/retrace"
#endif

typedef enum option_kind_t {
    KIND_PATH,          /* absolute, no control characters */
    KIND_OPTIONAL_PATH, /* likewise, or empty */
    KIND_PATHS,         /* several of them, separated by ':', or empty */
    KIND_URLS,          /* https:// or http://, several separated by blanks, or empty */
    KIND_NAME,          /* of a database, without a directory */
    KIND_NUMBER,        /* min to max */
    KIND_BOOL,          /* 0 or 1 */
    KIND_CHOICE         /* one of words */
} option_kind_t;

typedef struct option_t {
    const char *key;
    option_kind_t kind;
    size_t offset;
    const char *value; /* the default, as the file would spell it */
    int64_t min;
    int64_t max;
    const char *const *words;
} option_t;

static const char *const environment_words[] = { "extract", "native", "mock", NULL };
static const char *const dispatcher_words[] = { "helper", "systemd", NULL };
static const char *const required_words[] = { "s1-or-s2", "s1", "s2", "core", NULL };

#define FIELD(name)     offsetof(retrace_config_t, name)
#define NAME_ENDING     ".db"
#define NAME_MAX_LENGTH 64                          /* characters of a file's name */
#define MAX_MB          (INT64_C(16) * 1024 * 1024) /* 16 TiB */

static const option_t options[] = {
    { "SaveDir", KIND_PATH, FIELD(save_dir), RETRACE_SPOOLDIR, 0, 0, NULL },
    { "CacheDir", KIND_PATH, FIELD(cache_dir), RETRACE_CACHEDIR, 0, 0, NULL },
    { "CacheSize", KIND_NUMBER, FIELD(cache_size_mb), "20480", 0, MAX_MB, NULL },
    { "RequireHTTPS", KIND_BOOL, FIELD(require_https), "1", 0, 0, NULL },
    { "MaxParallelTasks", KIND_NUMBER, FIELD(max_parallel_tasks), "5", 1, 1000, NULL },
    { "MaxQueuedTasks", KIND_NUMBER, FIELD(max_queued_tasks), "0", 0, 10000, NULL },
    { "MaxPackedSize", KIND_NUMBER, FIELD(max_packed_mb), "50", 1, MAX_MB, NULL },
    { "MaxUnpackedSize", KIND_NUMBER, FIELD(max_unpacked_mb), "1024", 1, MAX_MB, NULL },
    { "MaxSmallFileSize", KIND_NUMBER, FIELD(max_small_file_kb), "100", 1, 1024, NULL },
    { "MinStorageLeft", KIND_NUMBER, FIELD(min_storage_left_mb), "1024", 0, MAX_MB, NULL },
    { "MaxTaskRuntime", KIND_NUMBER, FIELD(max_task_runtime_s), "3600", 1, 604800, NULL },
    { "MaxTaskMemory", KIND_NUMBER, FIELD(max_task_memory_mb), "4096", 64, MAX_MB, NULL },
    { "TaskPassLength", KIND_NUMBER, FIELD(task_password_length), "32", 22, 128, NULL },
    { "RequiredFiles", KIND_CHOICE, FIELD(required_files), "s1-or-s2", 0, 0, required_words },
    { "RetraceEnvironment", KIND_CHOICE, FIELD(environment), "extract", 0, 0, environment_words },
    { "Dispatcher", KIND_CHOICE, FIELD(dispatcher), "helper", 0, 0, dispatcher_words },
    { "RepoDir", KIND_PATH, FIELD(repo_dir), "/var/cache/retrace-server", 0, 0, NULL },
    { "RequireGPGCheck", KIND_BOOL, FIELD(require_gpg_check), "1", 0, 0, NULL },
    { "GPGKeyDir", KIND_PATH, FIELD(gpg_key_dir), "/usr/share/retrace-server/gpg", 0, 0, NULL },
    { "RepoConfigDir", KIND_PATH, FIELD(repo_config_dir), "/etc/retrace-server.repos.d", 0, 0,
      NULL },
    { "UseCreateRepoUpdate", KIND_BOOL, FIELD(use_createrepo_update), "0", 0, 0, NULL },
    { "KeepRawhideLatest", KIND_NUMBER, FIELD(keep_rawhide_latest), "3", 1, 1000, NULL },
    { "StripPackages", KIND_BOOL, FIELD(strip_packages), "0", 0, 0, NULL },
    { "FetchOnDemand", KIND_BOOL, FIELD(fetch_on_demand), "0", 0, 0, NULL },
    { "DebuginfodURLs", KIND_URLS, FIELD(debuginfod_urls), "", 0, 0, NULL },
    { "DebuginfodTimeout", KIND_NUMBER, FIELD(debuginfod_timeout_s), "120", 1, 3600, NULL },
    { "DebuginfodMaxSize", KIND_NUMBER, FIELD(debuginfod_max_mb), "2048", 1, MAX_MB, NULL },
    { "DebuginfodMissTime", KIND_NUMBER, FIELD(debuginfod_miss_s), "600", 0, 604800, NULL },
    { "DBFile", KIND_NAME, FIELD(db_file), "stats.db", 0, 0, NULL },
    { "AllowApiDelete", KIND_BOOL, FIELD(allow_api_delete), "0", 0, 0, NULL },
    { "AllowInteractive", KIND_BOOL, FIELD(allow_interactive), "0", 0, 0, NULL },
    { "AllowTaskManager", KIND_BOOL, FIELD(allow_task_manager), "0", 0, 0, NULL },
    { "AllowExternalDir", KIND_BOOL, FIELD(allow_external_dir), "0", 0, 0, NULL },
    { "ExternalDirs", KIND_PATHS, FIELD(external_dirs), "", 0, 0, NULL },
    { "AllowMetrics", KIND_BOOL, FIELD(allow_metrics), "0", 0, 0, NULL },
    { "SynchronousDefault", KIND_BOOL, FIELD(synchronous_default), "0", 0, 0, NULL },
    { "MaxAdvertisedSize", KIND_NUMBER, FIELD(max_advertised_mb), "2047", 1, MAX_MB, NULL },
    { "MaxParallelUploads", KIND_NUMBER, FIELD(max_parallel_uploads), "16", 0, 1024, NULL },
    { "MaxClientUploads", KIND_NUMBER, FIELD(max_client_uploads), "4", 0, 1024, NULL },
    { "MaxPasswordFailures", KIND_NUMBER, FIELD(max_password_failures), "10", 0, 10000, NULL },
    { "CgroupPath", KIND_OPTIONAL_PATH, FIELD(cgroup_path), "", 0, 0, NULL },
    { "ProgramDir", KIND_PATH, FIELD(program_dir), RETRACE_LIBEXECDIR, 0, 0, NULL },
    { "GdbPath", KIND_PATH, FIELD(gdb_path), "/usr/bin/gdb", 0, 0, NULL },
    { "GdbMultiarchPath", KIND_OPTIONAL_PATH, FIELD(gdb_multiarch_path), "/usr/bin/gdb-multiarch",
      0, 0, NULL },
    { "MockPath", KIND_PATH, FIELD(mock_path), "/usr/bin/mock", 0, 0, NULL },
    { "BubblewrapPath", KIND_PATH, FIELD(bubblewrap_path), "/usr/bin/bwrap", 0, 0, NULL },
    { "PrintersDir", KIND_OPTIONAL_PATH, FIELD(printers_dir), "/usr/share/gcc*/python", 0, 0,
      NULL },
    { "PythonHelpers", KIND_OPTIONAL_PATH, FIELD(python_helpers),
      "/usr/{share/gdb/auto-load/usr/*,lib/debug/usr/lib*}/*python3*-gdb.py", 0, 0, NULL },
    { "HostDirs", KIND_PATHS, FIELD(host_dirs), "/usr", 0, 0, NULL },
    { "HostDebugDir", KIND_PATH, FIELD(host_debug_dir), "/usr/lib/debug", 0, 0, NULL },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void *field_of(const retrace_config_t *config, const option_t *option)
{
    return (char *)(uintptr_t)config + option->offset;
}

/* Each setter returns NULL, or what is wrong with the value. */

static const char *set_path(retrace_config_t *config, const option_t *option, const char *value,
                            apr_pool_t *p)
{
    const char *at;

    if (value[0] == '\0' && option->kind != KIND_PATH) {
        *(const char **)field_of(config, option) = "";
        return NULL;
    }
    if (value[0] != '/' && option->kind != KIND_NAME) {
        return apr_psprintf(p, "%s must be an absolute path", option->key);
    }
    for (at = value; *at != '\0'; at++) {
        if (option->kind == KIND_PATHS && at[0] == ':' && at[1] != '/') {
            return apr_psprintf(p, "each path of %s must be absolute", option->key);
        }
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return apr_psprintf(p, "%s must not contain control characters", option->key);
        }
    }
    *(const char **)field_of(config, option) = apr_pstrdup(p, value);
    return NULL;
}

static const char *skip_scheme(const char *url)
{
    static const char *const schemes[] = { "https://", "http://" };
    size_t i;

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0) {
            return url + strlen(schemes[i]);
        }
    }
    return NULL;
}

/* What it must not be: "each URL of X must ..."; NULL when all is well. */
static const char *check_url(const char *url)
{
    const char *host = skip_scheme(url);
    const char *at;

    for (at = url; *at != '\0'; at++) {
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f) {
            return "be of printable ASCII characters";
        }
    }
    if (strlen(url) > RETRACE_CONFIG_URL_MAX) {
        return "have at most 1024 bytes";
    }
    if (host == NULL || (!apr_isalnum(host[0]) && host[0] != '[')) {
        return "begin with https:// or http:// and a host";
    }
    /* The logs of tasks show the URL: no place for a password. Something is put behind it. */
    return strpbrk(url, "@?#") != NULL ? "be without '@', '?' and '#'" : NULL;
}

static const char *set_urls(retrace_config_t *config, const option_t *option, const char *value,
                            apr_pool_t *p)
{
    char *rest = NULL;
    char *url = apr_strtok(apr_pstrdup(p, value), RETRACE_CONFIG_BLANKS, &rest);
    int count = 0;

    for (; url != NULL; url = apr_strtok(NULL, RETRACE_CONFIG_BLANKS, &rest)) {
        const char *wrong = check_url(url);

        if (wrong != NULL) {
            return apr_psprintf(p, "each URL of %s must %s", option->key, wrong);
        }
        if (++count > RETRACE_CONFIG_MAX_URLS) {
            return apr_psprintf(p, "%s may have at most %d URLs", option->key,
                                RETRACE_CONFIG_MAX_URLS);
        }
    }
    *(const char **)field_of(config, option) = apr_pstrdup(p, value);
    return NULL;
}

/* With an ending of its own it cannot be the name of something else in the spool. */
static bool is_database_name(const char *value)
{
    size_t length = strlen(value);

    return length > strlen(NAME_ENDING) && length <= NAME_MAX_LENGTH && value[0] != '.'
        && strchr(value, '/') == NULL
        && strcmp(value + length - strlen(NAME_ENDING), NAME_ENDING) == 0;
}

static const char *set_name(retrace_config_t *config, const option_t *option, const char *value,
                            apr_pool_t *p)
{
    if (!is_database_name(value)) {
        return apr_psprintf(
            p,
            "%s must be the name of a file, without a directory, that ends in " NAME_ENDING
            " and has at most %d characters",
            option->key, NAME_MAX_LENGTH);
    }
    return set_path(config, option, value, p);
}

static const char *set_number(retrace_config_t *config, const option_t *option, const char *value,
                              apr_pool_t *p)
{
    char *end = NULL;
    apr_int64_t number = apr_strtoi64(value, &end, 10);

    if (value[0] == '\0' || *end != '\0' || value[0] == '+') {
        return apr_psprintf(p, "%s must be a whole number", option->key);
    }
    if (number < option->min || number > option->max) {
        return apr_psprintf(p, "%s must be between %" APR_INT64_T_FMT " and %" APR_INT64_T_FMT,
                            option->key, (apr_int64_t)option->min, (apr_int64_t)option->max);
    }
    *(int64_t *)field_of(config, option) = number;
    return NULL;
}

static const char *set_bool(retrace_config_t *config, const option_t *option, const char *value,
                            apr_pool_t *p)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
        return apr_psprintf(p, "%s must be 0 or 1", option->key);
    }
    *(bool *)field_of(config, option) = value[0] == '1';
    return NULL;
}

static const char *set_choice(retrace_config_t *config, const option_t *option, const char *value,
                              apr_pool_t *p)
{
    const char *list = option->words[0];
    int i;

    for (i = 0; option->words[i] != NULL; i++) {
        if (strcasecmp(option->words[i], value) == 0) {
            *(int *)field_of(config, option) = i;
            return NULL;
        }
        if (i > 0) {
            list = apr_pstrcat(p, list, ", ", option->words[i], NULL);
        }
    }
    return apr_psprintf(p, "%s must be one of: %s", option->key, list);
}

static const char *set_option(retrace_config_t *config, const option_t *option, const char *value,
                              apr_pool_t *p)
{
    switch (option->kind) {
    case KIND_NUMBER:
        return set_number(config, option, value, p);
    case KIND_BOOL:
        return set_bool(config, option, value, p);
    case KIND_CHOICE:
        return set_choice(config, option, value, p);
    case KIND_URLS:
        return set_urls(config, option, value, p);
    case KIND_NAME:
        return set_name(config, option, value, p);
    default:
        return set_path(config, option, value, p);
    }
}

static retrace_config_t *make_defaults(apr_pool_t *p)
{
    retrace_config_t *config = apr_pcalloc(p, sizeof(*config));
    size_t i;

    for (i = 0; i < OPTIONS; i++) {
        (void)set_option(config, &options[i], options[i].value, p);
    }
    return config;
}

static const option_t *find_option(const char *key)
{
    size_t i;

    for (i = 0; i < OPTIONS; i++) {
        if (strcasecmp(options[i].key, key) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t\r");
    end = text + strlen(text);
    while (end > text && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return text;
}

static const char *apply_setting(retrace_config_t *config, char *line, apr_pool_t *p)
{
    char *equals = strchr(line, '=');
    const option_t *option;
    const char *key;

    if (equals == NULL) {
        return "a line must be [retrace], a comment or Key = value";
    }
    *equals = '\0';
    key = trim(line);
    option = find_option(key);
    if (option == NULL) {
        return apr_psprintf(p, "there is no option %.64s", apr_pescape_echo(p, key, 1));
    }
    return set_option(config, option, trim(equals + 1), p);
}

static const char *apply_line(retrace_config_t *config, char *line, bool *in_section, apr_pool_t *p)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#' || line[0] == ';') {
        return NULL;
    }
    if (line[0] == '[') {
        *in_section = strcasecmp(line, "[retrace]") == 0;
        return *in_section ? NULL : "the only section is [retrace]";
    }
    if (!*in_section) {
        return "[retrace] must come before the first option";
    }
    return apply_setting(config, line, p);
}

/* Whoever can write this file decides what the server runs. Its directory is the admin's, so that
 * the file cannot be exchanged between this look and the next. */
static apr_status_t check_owner(const char *path, retrace_error_t *err)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return retrace_fail(err, errno, "look at %s", path);
    }
    return retrace_fs_require_owner(&info, path, err);
}

/* mock is a setuid program of a group: the helper drops all groups, the service has them. */
static apr_status_t check_together(const retrace_config_t *config, const char *path,
                                   retrace_error_t *err)
{
    if (config->environment == RETRACE_ENVIRONMENT_MOCK
        && config->dispatcher != RETRACE_DISPATCHER_SYSTEMD) {
        return retrace_fail(err, APR_EINVAL,
                            "%s: RetraceEnvironment = mock works only with Dispatcher = systemd",
                            path);
    }
    return APR_SUCCESS;
}

apr_status_t retrace_config_read(const retrace_config_t **pconfig, const char *path,
                                 retrace_error_t *err, apr_pool_t *p)
{
    retrace_config_t *config = make_defaults(p);
    const char *text = NULL;
    const char *wrong;
    bool in_section = false;
    int number = 0;
    apr_size_t length = 0;
    apr_status_t rv;
    char *line;
    char *rest;

    rv = check_owner(path, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_read(&text, &length, AT_FDCWD, path, RETRACE_CONFIG_MAX_BYTES, err, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (strlen(text) != length) {
        return retrace_fail(err, APR_EINVAL, "%s contains a NUL byte", path);
    }
    rest = apr_pstrdup(p, text);
    while (rest != NULL) {
        line = strsep(&rest, "\n");
        number++;
        wrong = apply_line(config, line, &in_section, p);
        if (wrong != NULL) {
            return retrace_fail(err, APR_EINVAL, "%s:%d: %s", path, number, wrong);
        }
    }
    config->path = apr_pstrdup(p, path);
    rv = check_together(config, path, err);
    if (rv == APR_SUCCESS) {
        *pconfig = config;
    }
    return rv;
}

static const char *show_value(const retrace_config_t *config, const option_t *option, apr_pool_t *p)
{
    switch (option->kind) {
    case KIND_NUMBER:
        return apr_psprintf(p, "%" APR_INT64_T_FMT,
                            (apr_int64_t) * (int64_t *)field_of(config, option));
    case KIND_BOOL:
        return *(bool *)field_of(config, option) ? "1" : "0";
    case KIND_CHOICE:
        return option->words[*(int *)field_of(config, option)];
    default:
        return *(const char **)field_of(config, option);
    }
}

void retrace_config_each(const retrace_config_t *config,
                         void (*visit)(void *baton, const char *key, const char *value),
                         void *baton, apr_pool_t *p)
{
    size_t i;

    if (config == NULL) {
        config = make_defaults(p);
    }
    for (i = 0; i < OPTIONS; i++) {
        visit(baton, options[i].key, show_value(config, &options[i], p));
    }
}
