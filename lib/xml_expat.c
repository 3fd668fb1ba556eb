/* SPDX-License-Identifier: Apache-2.0 */
/* See xml.h: the reader that takes all of XML. */
#include "lib/xml.h"

#include <expat.h>
#include <string.h>

#define BLOCK (256 * 1024) /* bytes of one read */

typedef struct reader_t {
    XML_Parser parser;
    const retrace_xml_events_t *events;
    char *text; /* RETRACE_XML_TEXT_MAX + 1 bytes */
    size_t length;
    int depth;
    apr_status_t status; /* why the parser was stopped */
    retrace_error_t *err;
} reader_t;

static void stop(reader_t *reader, apr_status_t status)
{
    if (reader->status == APR_SUCCESS) {
        reader->status = status;
        (void)XML_StopParser(reader->parser, XML_FALSE);
    }
}

static void refuse(reader_t *reader, const char *reason)
{
    stop(reader,
         retrace_fail(reader->err, APR_EINVAL, "line %lu: %s",
                      (unsigned long)XML_GetCurrentLineNumber(reader->parser), reason));
}

static void XMLCALL take_start(void *baton, const XML_Char *name, const XML_Char **attributes)
{
    reader_t *reader = baton;
    apr_status_t rv;

    reader->length = 0;
    if (++reader->depth > RETRACE_XML_DEPTH) {
        refuse(reader, "too many elements within each other");
        return;
    }
    if (XML_GetSpecifiedAttributeCount(reader->parser) > 2 * RETRACE_XML_ATTRIBUTES) {
        refuse(reader, "too many attributes");
        return;
    }
    rv = reader->events->start(reader->events->baton, name, (const char *const *)attributes,
                               reader->err);
    if (rv != APR_SUCCESS) {
        stop(reader, rv);
    }
}

static void XMLCALL take_end(void *baton, const XML_Char *name)
{
    reader_t *reader = baton;
    apr_status_t rv;

    if (reader->status != APR_SUCCESS) {
        return; /* an empty element ends although the parser was stopped at its start */
    }
    reader->text[reader->length] = '\0';
    reader->length = 0;
    reader->depth--;
    rv = reader->events->end(reader->events->baton, name, reader->text, reader->err);
    if (rv != APR_SUCCESS) {
        stop(reader, rv);
    }
}

static void XMLCALL take_text(void *baton, const XML_Char *text, int length)
{
    reader_t *reader = baton;
    size_t room = RETRACE_XML_TEXT_MAX - reader->length;
    size_t taken = (size_t)length < room ? (size_t)length : room;

    memcpy(reader->text + reader->length, text, taken);
    reader->length += taken;
}

static void XMLCALL take_doctype(void *baton, const XML_Char *name, const XML_Char *system_id,
                                 const XML_Char *public_id, int has_internal)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal;
    refuse(baton, "it has a document type");
}

static apr_status_t judge(reader_t *reader)
{
    if (reader->status != APR_SUCCESS) {
        return reader->status;
    }
    return retrace_fail(reader->err, APR_EINVAL, "line %lu: %s",
                        (unsigned long)XML_GetCurrentLineNumber(reader->parser),
                        XML_ErrorString(XML_GetErrorCode(reader->parser)));
}

static apr_status_t read_all(reader_t *reader, const retrace_xml_input_t *input)
{
    ssize_t length;

    do {
        void *buffer = XML_GetBuffer(reader->parser, BLOCK);

        if (buffer == NULL) {
            return retrace_fail(reader->err, APR_ENOMEM, "read XML");
        }
        length = input->read(input->baton, buffer, BLOCK, reader->err);
        if (length < 0) {
            return reader->err != NULL ? reader->err->status : APR_EINVAL;
        }
        if (XML_ParseBuffer(reader->parser, (int)length, length == 0) != XML_STATUS_OK) {
            return judge(reader);
        }
    }
    while (length > 0);
    return APR_SUCCESS;
}

apr_status_t retrace_xml_parse(const retrace_xml_input_t *input, const retrace_xml_events_t *events,
                               retrace_error_t *err)
{
    char text[RETRACE_XML_TEXT_MAX + 1];
    retrace_error_t own;
    reader_t reader = { .parser = XML_ParserCreate(NULL),
                        .events = events,
                        .text = text,
                        .err = err != NULL ? err : &own };
    apr_status_t rv;

    if (reader.parser == NULL) {
        return retrace_fail(err, APR_ENOMEM, "read XML");
    }
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, take_start, take_end);
    XML_SetCharacterDataHandler(reader.parser, take_text);
    XML_SetStartDoctypeDeclHandler(reader.parser, take_doctype);
    rv = read_all(&reader, input);
    XML_ParserFree(reader.parser);
    return rv;
}
