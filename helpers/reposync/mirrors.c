/* SPDX-License-Identifier: Apache-2.0 */
/* See mirrors.h. */
#include "helpers/reposync/mirrors.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xml.h"

#define INDEX_FILE     "repomd.xml"
#define PLACE          "/repodata/" INDEX_FILE /* ends the URLs of a metalink */
#define STRONG_BITS    256                     /* a checksum that counts */
#define MAX_PREFERENCE 1000 /* of a URL; RFC 5854's priority counts the other way */

reposync_mirrors_t *reposync_mirrors_make(apr_pool_t *p)
{
    reposync_mirrors_t *mirrors = apr_palloc(p, sizeof(*mirrors));

    mirrors->urls = apr_array_make(p, 4, sizeof(reposync_url_t));
    mirrors->checksums = apr_array_make(p, 4, sizeof(retrace_checksum_t));
    return mirrors;
}

/* A list names servers: files of this machine are none of its affair, and one may be a pipe or a device. */
static bool add_url(reposync_mirrors_t *mirrors, const char *text, apr_pool_t *p)
{
    reposync_url_t url;

    if (mirrors->urls->nelts >= REPOSYNC_MIRRORS_MAX
        || reposync_url_parse(&url, text, NULL, p) != APR_SUCCESS || url.scheme == REPOSYNC_FILE) {
        return false;
    }
    APR_ARRAY_PUSH(mirrors->urls, reposync_url_t) = url;
    return true;
}

apr_status_t reposync_mirrors_add_list(reposync_mirrors_t *mirrors, const char *text,
                                       retrace_error_t *err, apr_pool_t *p)
{
    char *rest = apr_pstrdup(p, text);
    char *line;
    int added = 0;

    while ((line = strsep(&rest, "\r\n")) != NULL) {
        line += strspn(line, " \t");
        line[strcspn(line, " \t")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            added += add_url(mirrors, line, p);
        }
    }
    return added > 0 ? APR_SUCCESS
                     : retrace_fail(err, APR_EINVAL, "the list of mirrors has no URL");
}

/* --- Metalinks ----------------------------------------------------------------------------- */

typedef struct candidate_t {
    const char *url;
    int preference; /* the highest one is tried first */
    int position;
} candidate_t;

typedef struct metalink_t {
    reposync_mirrors_t *mirrors;
    apr_array_header_t *candidates; /* of candidate_t */
    bool is_inside;                 /* the element of repomd.xml */
    char hash_type[16];
    int preference;
    apr_pool_t *pool;
} metalink_t;

static int number_of(const char *text)
{
    int number = atoi(text);

    return number < 0 ? 0 : number > MAX_PREFERENCE ? MAX_PREFERENCE : number;
}

static apr_status_t start_element(void *baton, const char *prefixed, const char *const *attributes,
                                  retrace_error_t *err)
{
    metalink_t *metalink = baton;
    const char *name = retrace_xml_plain_name(prefixed);
    const char *value;

    (void)err;
    if (strcmp(name, "file") == 0) {
        metalink->is_inside = strcmp(retrace_xml_attribute(attributes, "name"), INDEX_FILE) == 0;
    }
    else if (strcmp(name, "hash") == 0) {
        (void)retrace_xml_copy(metalink->hash_type, sizeof(metalink->hash_type),
                               retrace_xml_attribute(attributes, "type"));
    }
    else if (strcmp(name, "url") == 0) {
        value = retrace_xml_attribute(attributes, "priority");
        metalink->preference = value[0] != '\0'
            ? MAX_PREFERENCE - number_of(value)
            : number_of(retrace_xml_attribute(attributes, "preference"));
    }
    return APR_SUCCESS;
}

static void take_hash(metalink_t *metalink, const char *text)
{
    retrace_checksum_t checksum;
    char digits[RETRACE_CHECKSUM_DIGITS + 1];

    if (metalink->mirrors->checksums->nelts < REPOSYNC_MIRRORS_MAX_SUMS
        && retrace_xml_copy(digits, sizeof(digits), text)
        && retrace_checksum_parse(&checksum, metalink->hash_type, digits)
        && retrace_checksum_bits(&checksum) >= STRONG_BITS) {
        APR_ARRAY_PUSH(metalink->mirrors->checksums, retrace_checksum_t) = checksum;
    }
}

static void take_url(metalink_t *metalink, const char *text)
{
    char url[RETRACE_REPO_VALUE_BYTES + sizeof(PLACE)]; /* a longer one is none */
    candidate_t candidate = { NULL, metalink->preference, metalink->candidates->nelts };
    size_t length;

    (void)retrace_xml_copy(url, sizeof(url), text);
    length = strlen(url);
    if (length > strlen(PLACE) && strcmp(url + length - strlen(PLACE), PLACE) == 0) {
        candidate.url = apr_pstrmemdup(metalink->pool, url, length - strlen(PLACE));
        APR_ARRAY_PUSH(metalink->candidates, candidate_t) = candidate;
    }
}

static apr_status_t end_element(void *baton, const char *prefixed, const char *text,
                                retrace_error_t *err)
{
    metalink_t *metalink = baton;
    const char *name = retrace_xml_plain_name(prefixed);

    (void)err;
    if (!metalink->is_inside) {
        return APR_SUCCESS;
    }
    if (strcmp(name, "file") == 0) {
        metalink->is_inside = false;
    }
    else if (strcmp(name, "hash") == 0) {
        take_hash(metalink, text);
    }
    else if (strcmp(name, "url") == 0) {
        take_url(metalink, text);
    }
    return APR_SUCCESS;
}

static int compare_candidates(const void *a, const void *b)
{
    const candidate_t *left = a;
    const candidate_t *right = b;

    return left->preference != right->preference ? right->preference - left->preference
                                                 : left->position - right->position;
}

apr_status_t reposync_mirrors_add_metalink(reposync_mirrors_t *mirrors, const char *text,
                                           retrace_error_t *err, apr_pool_t *p)
{
    metalink_t metalink = { .mirrors = mirrors,
                            .candidates = apr_array_make(p, 16, sizeof(candidate_t)),
                            .pool = p };
    const retrace_xml_events_t events = { start_element, end_element, &metalink };
    int added = 0;
    int i;
    apr_status_t rv = retrace_xml_read_text(text, strlen(text), &events, err);

    if (rv == APR_SUCCESS && mirrors->checksums->nelts == 0) {
        rv = retrace_fail(err, APR_EINVAL, "the metalink has no SHA-256 or SHA-512 of " INDEX_FILE);
    }
    if (rv != APR_SUCCESS) {
        apr_array_clear(mirrors->checksums);
        return rv;
    }
    qsort(metalink.candidates->elts, (size_t)metalink.candidates->nelts, sizeof(candidate_t),
          compare_candidates);
    for (i = 0; i < metalink.candidates->nelts; i++) {
        added += add_url(mirrors, APR_ARRAY_IDX(metalink.candidates, i, candidate_t).url, p);
    }
    return added > 0 ? APR_SUCCESS
                     : retrace_fail(err, APR_EINVAL, "the metalink has no URL of " INDEX_FILE);
}
