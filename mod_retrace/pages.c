/* SPDX-License-Identifier: Apache-2.0 */
/* GET /: what this is, for a person who found the address; and the style of all pages. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>

#include "mod_retrace/html.h"
#include "mod_retrace/load.h"
#include "mod_retrace/releases.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

/* www/style.css, with a NUL behind it. */
__asm__(".section .rodata\n"
        "mr_style_text:\n"
        ".incbin \"mod_retrace/www/style.css\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char mr_style_text[] __attribute__((visibility("hidden")));

int mr_style(request_rec *r)
{
    return mr_reply_data(r, HTTP_OK, "text/css; charset=utf-8", mr_style_text,
                         strlen(mr_style_text));
}

static void add_load(mr_html_t *html, const retrace_config_t *config)
{
    mr_load_t load = mr_load_read(config);

    mr_html_add(html,
                "<ul class=\"figures\"><li><b>%d of %" APR_INT64_T_FMT "</b>tasks running</li>"
                "<li><b>%d of %" APR_INT64_T_FMT "</b>waiting</li><li><b>%s</b>%s</li></ul>\n",
                load.running, (apr_int64_t)config->max_parallel_tasks, load.queued,
                (apr_int64_t)config->max_queued_tasks, load.is_full ? "full" : "open",
                load.is_full ? "new crashes are refused for now" : "new crashes are accepted");
}

static void add_policy(mr_html_t *html, const retrace_config_t *config)
{
    mr_html_add(
        html, "<h2>HTTPS</h2>\n<p>%s</p>\n",
        config->require_https
            ? "Crashes and results travel over HTTPS only; other requests are refused."
            : "This server also accepts crashes and gives results without HTTPS: then anybody "
              "on the way can read them.");
}

static void add_releases(mr_html_t *html, const retrace_config_t *config)
{
    const apr_array_header_t *releases = mr_releases_list(config, html->p);
    int i;

    mr_html_add(html, "<h2>Supported releases</h2>\n");
    if (releases->nelts == 0) {
        mr_html_add(html, "<p>None yet.</p>\n");
        return;
    }
    mr_html_add(html, "<p>");
    for (i = 0; i < releases->nelts; i++) {
        mr_html_add(html, "%s<code>%s</code>", i > 0 ? ", " : "",
                    mr_html_text(html, APR_ARRAY_IDX(releases, i, const char *)));
    }
    mr_html_add(html, "</p>\n");
}

static void add_limits(mr_html_t *html, const retrace_config_t *config)
{
    mr_html_add(html,
                "<h2>Limits</h2>\n<p>An upload may have %" APR_INT64_T_FMT
                " MB, and %" APR_INT64_T_FMT
                " MB when it is unpacked. A task may take %" APR_INT64_T_FMT " seconds.</p>\n",
                (apr_int64_t)config->max_packed_mb, (apr_int64_t)config->max_unpacked_mb,
                (apr_int64_t)config->max_task_runtime_s);
}

static void add_privacy(mr_html_t *html, const retrace_config_t *config)
{
    mr_html_add(
        html,
        "<h2>Your data</h2>\n<p>A core dump holds the memory of the program that crashed: it can "
        "contain passwords, keys and documents. It is read by a debugger in a sandbox without "
        "network, and removed as soon as the task ends, unless you ask for a task that keeps it%s. "
        "Backtrace and log stay until the server's administrator removes them%s. They are shown to "
        "whoever has the task's number and password, and to the administrators. Statistics keep "
        "the "
        "names of package and release, times, and build-ids that were missing.</p>\n",
        config->allow_interactive ? " or an interactive one" : "",
        config->allow_api_delete ? ", or until you delete them" : "");
}

static void add_use(mr_html_t *html)
{
    mr_html_add(
        html,
        "<h2>How to use it</h2>\n<p>Enter this address in ABRT, or run <code>retrace-server-"
        "task batch --server ADDRESS CORE</code>. What the server takes is told by "
        "<code>settings</code> below this address.</p>\n");
}

int mr_index(request_rec *r)
{
    const retrace_config_t *config = mr_server_of(r->server)->config;
    mr_html_t html = mr_html_begin(r, "Retrace server");

    mr_html_add(
        &html,
        "<p>A program crashed on your machine, and the debug information that would explain "
        "it is not there. Send the core dump here: this server has it, and answers with a "
        "full backtrace.</p>\n");
    add_load(&html, config);
    add_policy(&html, config);
    add_releases(&html, config);
    add_limits(&html, config);
    add_privacy(&html, config);
    add_use(&html);
    return mr_html_reply(r, &html);
}
