/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics as XHTML that is served as XML: scripts that read the older server's find the same
 * headings, column titles and labels in it, in the same order. */
#ifndef MR_STATS_XML_H
#define MR_STATS_XML_H

#include <httpd.h>
#include <jansson.h>

/** @param stats  as in statistics/stats.json @return what the handler must return */
int mr_stats_xml(request_rec *r, const json_t *stats);

#endif
