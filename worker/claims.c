/* SPDX-License-Identifier: Apache-2.0 */
/* See claims.h. */
#include "worker/claims.h"

#include <apr_strings.h>
#include <stdbool.h>
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

static bool is_printable(const char *word)
{
    for (; *word != '\0'; word++) {
        if (*word <= 0x20 || *word > 0x7e) {
            return false;
        }
    }
    return true;
}

static apr_array_header_t *read_packages(int crash, apr_pool_t *p)
{
    apr_array_header_t *packages = apr_array_make(p, 8, sizeof(const char *));
    const char *text = NULL;
    char *rest;
    char *word;

    if (retrace_fs_read(&text, NULL, crash, "packages", WORKER_CLAIM_LIST, NULL, p)
        != APR_SUCCESS) {
        return packages;
    }
    rest = apr_pstrdup(p, text);
    while ((word = strsep(&rest, " \t\r\n,")) != NULL && packages->nelts < WORKER_CLAIM_PACKAGES) {
        if (word[0] != '\0' && strlen(word) <= WORKER_CLAIM_BYTES && is_printable(word)) {
            APR_ARRAY_PUSH(packages, const char *) = word;
        }
    }
    return packages;
}

void worker_claims_read(worker_claims_t *claims, int crash, apr_pool_t *p)
{
    static const char *const systems[] = { "os_release_in_rootdir", "os_release", "release", NULL };

    claims->executable = read_claim(crash, "executable", p);
    claims->package = read_claim(crash, "package", p);
    claims->os_release = read_first(crash, systems, p);
    claims->packages = read_packages(crash, p);
}
