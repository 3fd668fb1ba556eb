/* SPDX-License-Identifier: Apache-2.0 */
/* See xml.h. */
#include "lib/xml.h"

#include <archive.h>
#include <archive_entry.h>
#include <expat.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK  65536 /* bytes of one read */
#define BLANKS " \t\r\n"

typedef struct reader_t {
    const retrace_xml_handler_t *handler;
    XML_Parser parser;
    const char *wrong; /* NULL: nothing until now */
    int depth;
    bool has_text; /* no element has begun or ended since this one began */
    size_t length;
    char text[RETRACE_XML_MAX_TEXT + 1];
} reader_t;

static const char *plain_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static void stop(reader_t *reader, const char *wrong)
{
    if (wrong != NULL && reader->wrong == NULL) {
        reader->wrong = wrong;
        (void)XML_StopParser(reader->parser, XML_FALSE);
    }
}

static void XMLCALL start_element(void *data, const char *name, const char **attributes)
{
    reader_t *reader = data;

    if (reader->wrong != NULL) {
        return;
    }
    reader->length = 0;
    reader->has_text = true;
    if (++reader->depth > RETRACE_XML_MAX_DEPTH) {
        stop(reader, "too many elements within each other");
        return;
    }
    if (reader->handler->start != NULL) {
        stop(reader,
             reader->handler->start(reader->handler->baton, plain_name(name),
                                    (const char *const *)attributes));
    }
}

static void XMLCALL end_element(void *data, const char *name)
{
    reader_t *reader = data;
    const char *text;

    if (reader->wrong != NULL) {
        return;
    }
    reader->depth--;
    while (reader->length > 0 && strchr(BLANKS, reader->text[reader->length - 1]) != NULL) {
        reader->length--;
    }
    reader->text[reader->length] = '\0';
    text = reader->has_text ? reader->text + strspn(reader->text, BLANKS) : "";
    if (reader->handler->end != NULL) {
        stop(reader, reader->handler->end(reader->handler->baton, plain_name(name), text));
    }
    reader->has_text = false;
    reader->length = 0;
}

static void XMLCALL take_text(void *data, const char *text, int length)
{
    reader_t *reader = data;
    size_t room = RETRACE_XML_MAX_TEXT - reader->length;
    size_t taken = (size_t)length < room ? (size_t)length : room;

    /* What a NUL would cut is a NUL that no XML has: expat refuses it. */
    memcpy(reader->text + reader->length, text, taken);
    reader->length += taken;
}

/* Entities can be nested until a few bytes are gigabytes; no repository has any. */
static void XMLCALL refuse_doctype(void *data, const char *name, const char *system,
                                   const char *public, int has_internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_internal;
    stop(data, "it has a document type");
}

static apr_status_t open_reader(reader_t *reader, const retrace_xml_handler_t *handler,
                                retrace_error_t *err)
{
    reader->handler = handler;
    reader->wrong = NULL;
    reader->depth = 0;
    reader->has_text = false;
    reader->length = 0;
    reader->parser = XML_ParserCreate(NULL);
    if (reader->parser == NULL) {
        return retrace_fail(err, APR_ENOMEM, "read XML");
    }
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, start_element, end_element);
    XML_SetCharacterDataHandler(reader->parser, take_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, refuse_doctype);
    return APR_SUCCESS;
}

static apr_status_t feed(reader_t *reader, const char *data, size_t length, bool is_last,
                         retrace_error_t *err)
{
    if (XML_Parse(reader->parser, data, (int)length, is_last) == XML_STATUS_OK) {
        return APR_SUCCESS;
    }
    return retrace_fail(
        err, APR_EINVAL, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(reader->parser),
        reader->wrong != NULL ? reader->wrong : XML_ErrorString(XML_GetErrorCode(reader->parser)));
}

apr_status_t retrace_xml_read(const retrace_xml_handler_t *handler, const char *text, size_t length,
                              retrace_error_t *err)
{
    reader_t reader;
    apr_status_t rv = open_reader(&reader, handler, err);

    while (rv == APR_SUCCESS && length > BLOCK) {
        rv = feed(&reader, text, BLOCK, false, err);
        text += BLOCK;
        length -= BLOCK;
    }
    if (rv == APR_SUCCESS) {
        rv = feed(&reader, text, length, true, err);
    }
    if (reader.parser != NULL) {
        XML_ParserFree(reader.parser);
    }
    return rv;
}

/* --- Packed files -------------------------------------------------------------------------- */

static struct archive *open_packed(int fd)
{
    struct archive *packed = archive_read_new();
    struct archive_entry *entry = NULL;

    if (packed == NULL) {
        return NULL;
    }
    (void)archive_read_support_filter_gzip(packed);
    (void)archive_read_support_filter_bzip2(packed);
    (void)archive_read_support_filter_xz(packed);
    (void)archive_read_support_filter_zstd(packed);
    (void)archive_read_support_format_raw(packed);
    if (archive_read_open_fd(packed, fd, BLOCK) == ARCHIVE_OK
        && archive_read_next_header(packed, &entry) == ARCHIVE_OK) {
        return packed;
    }
    (void)archive_read_free(packed);
    return NULL;
}

static apr_status_t feed_all(reader_t *reader, struct archive *packed, int64_t max_bytes,
                             retrace_error_t *err)
{
    char block[BLOCK];
    int64_t left = max_bytes;
    apr_status_t rv = APR_SUCCESS;
    la_ssize_t got = 1;

    while (rv == APR_SUCCESS && got > 0) {
        got = archive_read_data(packed, block, sizeof(block));
        if (got < 0) {
            return retrace_fail(err, APR_EINVAL, "it cannot be unpacked: %s",
                                archive_error_string(packed));
        }
        left -= got;
        rv = left < 0
            ? retrace_fail(err, APR_ENOSPC, "it has more than %ld bytes unpacked", (long)max_bytes)
            : feed(reader, block, (size_t)got, got == 0, err);
    }
    return rv;
}

apr_status_t retrace_xml_read_file(const retrace_xml_handler_t *handler, int fd, int64_t max_bytes,
                                   retrace_error_t *err)
{
    struct archive *packed = open_packed(fd);
    reader_t reader;
    apr_status_t rv;

    if (packed == NULL) {
        return retrace_fail(err, APR_EINVAL, "it is empty, or cannot be unpacked");
    }
    rv = open_reader(&reader, handler, err);
    if (rv == APR_SUCCESS) {
        rv = feed_all(&reader, packed, max_bytes, err);
        XML_ParserFree(reader.parser);
    }
    (void)archive_read_free(packed);
    return rv;
}

const char *retrace_xml_attribute(const char *const *attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(plain_name(attributes[0]), name) == 0) {
            return attributes[1];
        }
    }
    return NULL;
}
