/* SPDX-License-Identifier: Apache-2.0 */
/* See repomd.h. */
#include "worker/resolve/repomd.h"

#include <apr_strings.h>
#include <string.h>

#include "worker/path.h"
#include "worker/resolve/xml.h"

bool worker_location_is_plain(const char *location)
{
    char path[WORKER_LOCATION_MAX + 2] = "/";

    if (location[0] == '\0' || location[0] == '.' || strlen(location) > WORKER_LOCATION_MAX
        || strstr(location, "/.") != NULL) {
        return false;
    }
    memcpy(path + 1, location, strlen(location) + 1);
    return worker_path_is_plain(path);
}

typedef struct parser_t {
    worker_repomd_t *repomd;
    worker_repomd_file_t *file; /* that the present <data> is about; NULL: another one */
    const char *checksum_type;
    apr_pool_t *pool;
} parser_t;

static worker_repomd_file_t *file_of(const parser_t *parser, const char *type)
{
    if (strcmp(type, "primary") == 0) {
        return &parser->repomd->primary;
    }
    return strcmp(type, "filelists") == 0 ? &parser->repomd->filelists : NULL;
}

static apr_status_t take_start(void *baton, const char *name, const char *const *attributes,
                               retrace_error_t *err)
{
    parser_t *parser = baton;

    if (strcmp(name, "data") == 0) {
        parser->file = file_of(parser, worker_xml_attribute(attributes, "type"));
    }
    else if (parser->file != NULL && strcmp(name, "checksum") == 0) {
        parser->checksum_type = apr_pstrdup(parser->pool, worker_xml_attribute(attributes, "type"));
    }
    else if (parser->file != NULL && strcmp(name, "location") == 0) {
        const char *href = worker_xml_attribute(attributes, "href");

        if (!worker_location_is_plain(href)) {
            return retrace_fail(err, APR_EINVAL, "it names a file outside the repository");
        }
        parser->file->location = apr_pstrdup(parser->pool, href);
    }
    return APR_SUCCESS;
}

static apr_status_t take_end(void *baton, const char *name, const char *text, retrace_error_t *err)
{
    parser_t *parser = baton;

    if (parser->file != NULL && strcmp(name, "checksum") == 0
        && !retrace_checksum_parse(&parser->file->checksum, parser->checksum_type, text)) {
        return retrace_fail(err, APR_EINVAL, "it has a checksum of an unknown form");
    }
    if (strcmp(name, "data") == 0) {
        parser->file = NULL;
    }
    return APR_SUCCESS;
}

typedef struct text_t {
    const char *at;
    size_t left;
} text_t;

static ssize_t read_text(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    text_t *text = baton;
    size_t taken = text->left < length ? text->left : length;

    (void)err;
    memcpy(buffer, text->at, taken);
    text->at += taken;
    text->left -= taken;
    return (ssize_t)taken;
}

static bool is_complete(const worker_repomd_file_t *file)
{
    return file->location != NULL && file->checksum.type != NULL;
}

apr_status_t worker_repomd_parse(worker_repomd_t **prepomd, const char *text, size_t length,
                                 retrace_error_t *err, apr_pool_t *p)
{
    text_t source = { text, length };
    parser_t parser = { .repomd = apr_pcalloc(p, sizeof(worker_repomd_t)),
                        .checksum_type = "",
                        .pool = p };
    const worker_xml_input_t input = { read_text, &source };
    const worker_xml_events_t events = { take_start, take_end, &parser };
    apr_status_t rv = worker_xml_parse(&input, &events, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!is_complete(&parser.repomd->primary) || !is_complete(&parser.repomd->filelists)) {
        return retrace_fail(err, APR_EINVAL, "it names no %s",
                            is_complete(&parser.repomd->primary) ? "filelists" : "primary");
    }
    *prepomd = parser.repomd;
    return APR_SUCCESS;
}
