/* SPDX-License-Identifier: Apache-2.0 */
/* See html.h. */
#include "mod_retrace/mod_retrace.h"

#include "mod_retrace/html.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

#include "mod_retrace/reply.h"

#define POLICY                                                                                     \
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "                  \
    "frame-ancestors 'none'"

void mr_html_add(mr_html_t *html, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    APR_ARRAY_PUSH(html->parts, const char *) = apr_pvsprintf(html->p, format, args);
    va_end(args);
}

/* XML knows no control characters, however they are written. */
const char *mr_html_text(const mr_html_t *html, const char *text)
{
    char *clean = apr_pstrdup(html->p, text);
    char *at;

    for (at = clean; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 && *at != '\t' && *at != '\n') {
            *at = '?';
        }
    }
    return apr_pescape_entity(html->p, clean, 0);
}

mr_html_t mr_html_begin(request_rec *r, const char *title)
{
    mr_html_t html = { apr_array_make(r->pool, 256, sizeof(const char *)), r->pool };
    const char *prefix = mr_html_text(&html, mr_location_of(r)->prefix);

    title = mr_html_text(&html, title);
    mr_html_add(&html,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<title>%s</title>\n<link rel=\"stylesheet\" href=\"%s/style.css\">\n</head>\n"
                "<body>\n<nav><a href=\"%s/\">Retrace server</a> "
                "<a href=\"%s/stats\">Statistics</a></nav>\n<h1>%s</h1>\n",
                title, prefix, prefix, prefix, title);
    return html;
}

int mr_html_reply(request_rec *r, mr_html_t *html)
{
    const char *page;

    mr_html_add(html, "</body>\n</html>\n");
    page = apr_array_pstrcat(html->p, html->parts, '\0');
    apr_table_setn(r->headers_out, "Content-Security-Policy", POLICY);
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    return mr_reply_data(r, HTTP_OK, MR_TYPE_HTML, page, strlen(page));
}
