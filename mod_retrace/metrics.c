/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: OpenMetrics 1.0, or the older text format for who does not ask for that. What is now
 * comes from the spool and from shared memory; what was, from a file that the dispatcher replaces. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/spool.h"
#include "mod_retrace/counters.h"
#include "mod_retrace/load.h"
#include "mod_retrace/query.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

#define OPEN_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PLAIN_TEXT   "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_MAX  (256 * 1024) /* bytes of the dispatcher's file */

typedef struct metrics_t {
    apr_array_header_t *lines; /* of const char * */
    bool is_open;              /* OpenMetrics: counters end in _total, units are told */
    apr_pool_t *p;
} metrics_t;

static void add(metrics_t *metrics, const char *line)
{
    APR_ARRAY_PUSH(metrics->lines, const char *) = line;
}

static void begin_family(metrics_t *metrics, const char *name, const char *type, const char *help)
{
    bool is_counter = strcmp(type, "counter") == 0 && !metrics->is_open;

    /* The older format takes a counter's family for one with the name of its samples. */
    add(metrics,
        apr_psprintf(metrics->p, "# HELP %s%s %s\n# TYPE %s%s %s\n", name,
                     is_counter ? "_total" : "", help, name, is_counter ? "_total" : "", type));
}

static void add_gauge(metrics_t *metrics, const char *name, const char *help, apr_int64_t value)
{
    begin_family(metrics, name, "gauge", help);
    add(metrics, apr_psprintf(metrics->p, "%s %" APR_INT64_T_FMT "\n", name, value));
}

static void add_counter(metrics_t *metrics, const char *name, const char *help, apr_uint64_t value)
{
    begin_family(metrics, name, "counter", help);
    add(metrics, apr_psprintf(metrics->p, "%s_total %" APR_UINT64_T_FMT "\n", name, value));
}

static void add_refusals(metrics_t *metrics, const mr_counters_t *total)
{
    int i;

    begin_family(metrics, "retrace_refusals", "counter",
                 "Requests to /create that were refused since httpd read its configuration.");
    for (i = 0; i < mr_refusal_count; i++) {
        add(metrics,
            apr_psprintf(
                metrics->p,
                "retrace_refusals_total{status=\"%d\",reason=\"%s\"} %" APR_UINT64_T_FMT "\n",
                mr_refusals[i].status, mr_refusals[i].reason, (apr_uint64_t)total->refused[i]));
    }
}

/* An old name: uploads that found the server full. */
static void add_overload(metrics_t *metrics, const mr_counters_t *total)
{
    apr_uint64_t overload = 0;
    int i;

    for (i = 0; i < mr_refusal_count; i++) {
        if (mr_refusals[i].status == HTTP_SERVICE_UNAVAILABLE) {
            overload += total->refused[i];
        }
    }
    begin_family(metrics, "retrace_tasks_overload", metrics->is_open ? "unknown" : "untyped",
                 "Uploads that were refused because the server was full.");
    add(metrics,
        apr_psprintf(metrics->p, "retrace_tasks_overload %" APR_UINT64_T_FMT "\n", overload));
}

static void add_counters(metrics_t *metrics, server_rec *s)
{
    mr_counters_t total;
    int uploads = 0;
    int waiting = 0;

    if (!mr_counters_read(&total, &uploads, &waiting, s)) {
        return;
    }
    add_overload(metrics, &total);
    add_gauge(metrics, "retrace_uploads_active", "Uploads in progress.", uploads);
    add_gauge(metrics, "retrace_waiting_threads", "Threads of httpd that wait for a task.",
              waiting);
    add_counter(metrics, "retrace_uploads", "Uploads that became a task.",
                total.counts[MR_COUNT_UPLOADS]);
    add_counter(metrics, "retrace_password_failures", "Wrong passwords and ids.",
                total.counts[MR_COUNT_FAILURES]);
    add_counter(metrics, "retrace_throttled", "Requests that were refused because of them.",
                total.counts[MR_COUNT_THROTTLED]);
    add_refusals(metrics, &total);
}

static apr_int64_t free_bytes(const retrace_config_t *config)
{
    apr_int64_t bytes = -1;
    int root = -1;

    if (retrace_fs_open_dir(&root, AT_FDCWD, config->save_dir, NULL) == APR_SUCCESS) {
        bytes = retrace_fs_free_bytes(root);
        (void)close(root);
    }
    return bytes;
}

static void add_load(metrics_t *metrics, const retrace_config_t *config)
{
    mr_load_t load = mr_load_read(config);

    add_gauge(metrics, "retrace_savedir_free_bytes", "Free space where tasks are kept.",
              free_bytes(config));
    add_gauge(metrics, "retrace_tasks_running", "Tasks that run.", load.running);
    add_gauge(metrics, "retrace_tasks_queued", "Tasks that wait, and uploads in progress.",
              load.queued);
    add_gauge(metrics, "retrace_tasks_running_max", "MaxParallelTasks.",
              config->max_parallel_tasks);
    add_gauge(metrics, "retrace_tasks_queued_max", "MaxQueuedTasks.", config->max_queued_tasks);
}

/* --- What the dispatcher wrote --------------------------------------------------------------- */

/* "# HELP <name> …" or "# TYPE <name> …": the name, NULL for another line. */
static const char *family_of(const char *line, const char *keyword, apr_pool_t *p)
{
    size_t length = strlen(keyword);

    if (strncmp(line, keyword, length) != 0) {
        return NULL;
    }
    return apr_pstrmemdup(p, line + length, strcspn(line + length, " \n"));
}

static bool is_counter(const char *text, const char *family, apr_pool_t *p)
{
    return strstr(text, apr_pstrcat(p, "# TYPE ", family, " counter\n", NULL)) != NULL;
}

/* A line of OpenMetrics as the older format has it: families of counters are called as their samples are,
 * there are no units, and the type for anything has another name. */
static const char *to_plain(const char *line, const char *text, apr_pool_t *p)
{
    static const char *const keywords[] = { "# HELP ", "# TYPE " };
    const char *family = NULL;
    const char *rest;
    size_t i;

    for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]) && family == NULL; i++) {
        family = family_of(line, keywords[i], p);
    }
    if (family == NULL) {
        return strncmp(line, "# UNIT ", strlen("# UNIT ")) == 0 ? ""
                                                                : apr_pstrcat(p, line, "\n", NULL);
    }
    rest = line + strlen(keywords[0]) + strlen(family);
    if (strcmp(rest, " unknown") == 0) {
        rest = " untyped";
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, line, strlen(keywords[0])), family,
                       is_counter(text, family, p) ? "_total" : "", rest, "\n", NULL);
}

static void add_recorded(metrics_t *metrics, const retrace_config_t *config)
{
    const char *text = mr_load_statistics(config, RETRACE_FILE_METRICS, METRICS_MAX, metrics->p);
    char *rest = apr_pstrdup(metrics->p, text);
    char *line;

    if (metrics->is_open) {
        add(metrics, text);
        return;
    }
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (line[0] != '\0') {
            add(metrics, to_plain(line, text, metrics->p));
        }
    }
}

int mr_metrics(request_rec *r)
{
    const retrace_config_t *config = mr_server_of(r->server)->config;
    metrics_t metrics = { apr_array_make(r->pool, 64, sizeof(const char *)),
                          mr_query_accepts(r, "application/openmetrics-text") > 0, r->pool };
    const char *text;

    if (!config->allow_metrics) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "Metrics are off on this server.");
    }
    add_load(&metrics, config);
    add_counters(&metrics, r->server);
    add_recorded(&metrics, config);
    if (metrics.is_open) {
        add(&metrics, "# EOF\n");
    }
    text = apr_array_pstrcat(r->pool, metrics.lines, '\0');
    return mr_reply_data(r, HTTP_OK, metrics.is_open ? OPEN_METRICS : PLAIN_TEXT, text,
                         strlen(text));
}
