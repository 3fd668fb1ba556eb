/* SPDX-License-Identifier: Apache-2.0 */
/* The file `statistics/estimates`: see lib/estimate.h for its lines. */
#include <apr_strings.h>
#include <string.h>

#include "helpers/dispatch/stats_snapshot.h"
#include "lib/estimate.h"

typedef struct lines_t {
    apr_array_header_t *texts; /* of const char * */
    apr_size_t length;
    apr_pool_t *pool;
} lines_t;

/* @return false when the file is full */
static bool add_line(lines_t *lines, const char *package, const char *release, const char *seconds)
{
    const char *line = apr_pstrcat(lines->pool, package, " ", release, " ", seconds, "\n", NULL);

    if (lines->length + strlen(line) > RETRACE_ESTIMATES_MAX) {
        return false;
    }
    lines->length += strlen(line);
    APR_ARRAY_PUSH(lines->texts, const char *) = line;
    return true;
}

const char *stats_estimates_format(const stats_snapshot_t *snapshot, apr_pool_t *p)
{
    lines_t lines = { apr_array_make(p, 256, sizeof(const char *)), 0, p };
    bool has_room = true;
    int i;

    for (i = 0; has_room && i < stats_snapshot_rows(snapshot, STATS_ANY_PACKAGE); i++) {
        const char *const *row = stats_snapshot_row(snapshot, STATS_ANY_PACKAGE, i);

        has_room = add_line(&lines, "-", row[0][0] == '\0' ? "-" : row[0], row[1]);
    }
    for (i = 0; has_room && i < stats_snapshot_rows(snapshot, STATS_EACH_PACKAGE); i++) {
        const char *const *row = stats_snapshot_row(snapshot, STATS_EACH_PACKAGE, i);

        has_room = add_line(&lines, row[0], row[1], row[2]);
    }
    return apr_array_pstrcat(p, lines.texts, '\0');
}
