/* SPDX-License-Identifier: Apache-2.0 */
/* See claims.h. */
#include "worker/claims.h"

#include <apr_strings.h>
#include <string.h>

#include "lib/fs.h"

#define FILE_MAX (100 * 1024) /* bytes; of a longer file nothing is read */

static const char *read_claim(int crash, const char *name, apr_pool_t *p)
{
    const char *text = NULL;
    char *line;
    char *end;
    char *at;

    if (retrace_fs_read(&text, NULL, crash, name, FILE_MAX, NULL, p) != APR_SUCCESS) {
        return NULL;
    }
    line = apr_pstrmemdup(p, text, strcspn(text, "\n"));
    end = line + strlen(line);
    while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) {
        *--end = '\0';
    }
    if (end - line > WORKER_CLAIM_BYTES) {
        line[WORKER_CLAIM_BYTES] = '\0';
    }
    for (at = line; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e) {
            *at = '?';
        }
    }
    return line;
}

static const char *read_first(int crash, const char *const *names, apr_pool_t *p)
{
    const char *claim = NULL;

    while (*names != NULL && (claim == NULL || claim[0] == '\0')) {
        claim = read_claim(crash, *names++, p);
    }
    return claim;
}

void worker_claims_read(worker_claims_t *claims, int crash, apr_pool_t *p)
{
    static const char *const systems[] = { "os_release_in_rootdir", "os_release", "release", NULL };

    claims->executable = read_claim(crash, "executable", p);
    claims->package = read_claim(crash, "package", p);
    claims->os_release = read_first(crash, systems, p);
}
