/* SPDX-License-Identifier: Apache-2.0 */
/* GET /settings: what clients ask before they send anything. The first six lines are known to all
 * clients since 2011, in this order; what is new comes behind them. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>

#include "mod_retrace/load.h"
#include "mod_retrace/query.h"
#include "mod_retrace/releases.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"
#include "mod_retrace/upload_headers.h"

typedef struct settings_t {
    apr_int64_t running;
    apr_int64_t max_running;
    apr_int64_t max_packed;
    apr_int64_t max_unpacked;
    const char *formats;
    apr_array_header_t *releases; /* of const char * */
    const char *features;
    mr_load_t load;
    const retrace_config_t *config;
} settings_t;

/* Old clients send nothing when running is not below max: as long as a task would be taken, it is. */
static void set_load(settings_t *settings)
{
    const retrace_config_t *config = settings->config;
    apr_int64_t busy = settings->load.running + settings->load.queued;

    settings->max_running = config->max_parallel_tasks;
    settings->running = busy;
    if (!settings->load.is_full && busy >= settings->max_running) {
        settings->running = settings->max_running - 1;
    }
    if (settings->load.is_full || settings->running > settings->max_running) {
        settings->running = settings->max_running;
    }
}

static apr_int64_t told_size(const retrace_config_t *config, apr_int64_t megabytes)
{
    return megabytes < config->max_advertised_mb ? megabytes : config->max_advertised_mb;
}

static const char *list_features(const retrace_config_t *config, apr_pool_t *p)
{
    return apr_pstrcat(p, "long-poll sync json cancel", config->allow_api_delete ? " delete" : "",
                       config->allow_interactive ? " interactive" : "",
                       config->allow_task_manager ? " managed" : "", NULL);
}

static settings_t *gather(request_rec *r)
{
    settings_t *settings = apr_pcalloc(r->pool, sizeof(*settings));
    const retrace_config_t *config = mr_server_of(r->server)->config;

    settings->config = config;
    settings->load = mr_load_read(config);
    set_load(settings);
    settings->max_packed = told_size(config, config->max_packed_mb);
    settings->max_unpacked = told_size(config, config->max_unpacked_mb);
    settings->formats = mr_upload_content_types(r->pool);
    settings->releases = mr_releases_list(config, r->pool);
    mr_releases_add_aliases(settings->releases, r->pool);
    settings->features = list_features(config, r->pool);
    return settings;
}

static const char *join(const apr_array_header_t *releases, int most, apr_pool_t *p)
{
    apr_array_header_t first = *releases;

    first.nelts = first.nelts < most ? first.nelts : most;
    return apr_array_pstrcat(p, &first, ' ');
}

static const char *format(const settings_t *settings, apr_pool_t *p)
{
    const char *known = apr_psprintf(
        p,
        "running_tasks %" APR_INT64_T_FMT "\nmax_running_tasks %" APR_INT64_T_FMT
        "\nmax_packed_size %" APR_INT64_T_FMT "\nmax_unpacked_size %" APR_INT64_T_FMT
        "\nsupported_formats %s\nsupported_releases %s",
        settings->running, settings->max_running, settings->max_packed, settings->max_unpacked,
        settings->formats, join(settings->releases, MR_RELEASES_TOLD, p));
    const char *new = apr_psprintf(
        p,
        "\nfeatures %s\nqueued_tasks %d\nmax_queued_tasks %" APR_INT64_T_FMT
        "\nmax_small_file_size %" APR_INT64_T_FMT "\nall_releases %s",
        settings->features, settings->load.queued, (apr_int64_t)settings->config->max_queued_tasks,
        (apr_int64_t)settings->config->max_small_file_kb,
        join(settings->releases, settings->releases->nelts, p));

    return apr_pstrcat(p, known, new, NULL);
}

static json_t *words(const char *text, apr_pool_t *p)
{
    json_t *array = json_array();
    char *rest = NULL;
    char *word = apr_strtok(apr_pstrdup(p, text), " ", &rest);

    for (; word != NULL; word = apr_strtok(NULL, " ", &rest)) {
        json_array_append_new(array, json_string(word));
    }
    return array;
}

static json_t *describe(const settings_t *settings, apr_pool_t *p)
{
    const retrace_config_t *config = settings->config;
    const char *releases = join(settings->releases, settings->releases->nelts, p);

    return json_pack(
        "{s:i, s:I, s:i, s:I, s:b, s:I, s:I, s:I, s:o, s:o, s:o}", "running_tasks",
        settings->load.running, "max_running_tasks", (json_int_t)config->max_parallel_tasks,
        "queued_tasks", settings->load.queued, "max_queued_tasks",
        (json_int_t)config->max_queued_tasks, "is_full", settings->load.is_full,
        "max_packed_size_mb", (json_int_t)config->max_packed_mb, "max_unpacked_size_mb",
        (json_int_t)config->max_unpacked_mb, "max_small_file_size_kb",
        (json_int_t)config->max_small_file_kb, "supported_formats", words(settings->formats, p),
        "supported_releases", words(releases, p), "features", words(settings->features, p));
}

int mr_settings(request_rec *r)
{
    const settings_t *settings = gather(r);

    return mr_query_wants_json(r) ? mr_reply_json(r, HTTP_OK, describe(settings, r->pool))
                                  : mr_reply_text(r, HTTP_OK, format(settings, r->pool));
}
