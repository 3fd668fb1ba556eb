/* SPDX-License-Identifier: Apache-2.0 */
/* Pages as a list of pieces. Text of others comes in through one door, which escapes it; nothing of a
 * page is loaded from elsewhere, and no script runs (Content-Security-Policy). */
#ifndef MR_HTML_H
#define MR_HTML_H

#include <apr_tables.h>
#include <httpd.h>

typedef struct mr_html_t {
    apr_array_header_t *parts; /* of const char * */
    apr_pool_t *p;
} mr_html_t;

/** A page with its head, up to its first heading. @param title  escaped here */
mr_html_t mr_html_begin(request_rec *r, const char *title);

/** Markup of ours. Arguments must be escaped (mr_html_text) or numbers. */
void mr_html_add(mr_html_t *html, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The text, fit for content and for attributes in double quotes; in the page's pool. */
const char *mr_html_text(const mr_html_t *html, const char *text);

/** Close and send it. @return what the handler must return */
int mr_html_reply(request_rec *r, mr_html_t *html);

#endif
