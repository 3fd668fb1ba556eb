/* SPDX-License-Identifier: Apache-2.0 */
/* See xml.h: the fast reader. Tags are looked for with memchr(3), and names, values and texts are ended
 * with a NUL where they are. What it does not know (comments, CDATA, other entities than the five, an
 * encoding that is not UTF-8) it hands back, and so it does with what is wrong: expat has the words. */
#include "lib/xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER         (1024 * 1024) /* bytes; a tag or a text that does not fit in is handed back */
#define NAME_MAX_BYTES 64            /* of an element */

typedef struct scanner_t {
    const retrace_xml_input_t *input;
    const retrace_xml_events_t *events;
    char *buffer; /* BUFFER + 1 bytes */
    char *at;     /* what is not read yet */
    char *end;
    bool is_over; /* the input is */
    bool is_first_tag;
    bool had_root;
    int64_t told; /* calls of the events */
    int depth;
    char open[RETRACE_XML_DEPTH][NAME_MAX_BYTES];
    retrace_error_t *err;
} scanner_t;

static apr_status_t hand_back(const scanner_t *scanner)
{
    return retrace_fail(scanner->err, APR_ENOTIMPL, "it is beyond the scanner");
}

/* --- The buffer ---------------------------------------------------------------------------- */

static apr_status_t refill(scanner_t *scanner)
{
    size_t left = (size_t)(scanner->end - scanner->at);
    ssize_t length;

    if (left >= BUFFER) {
        return hand_back(scanner);
    }
    memmove(scanner->buffer, scanner->at, left);
    scanner->at = scanner->buffer;
    scanner->end = scanner->buffer + left;
    length = scanner->input->read(scanner->input->baton, scanner->end, BUFFER - left, scanner->err);
    if (length < 0) {
        return scanner->err->status;
    }
    /* XML changes carriage returns, and a NUL ends strings here: neither is in what programs write. */
    if (memchr(scanner->end, '\r', (size_t)length) != NULL
        || memchr(scanner->end, '\0', (size_t)length) != NULL) {
        return hand_back(scanner);
    }
    scanner->is_over = length == 0;
    scanner->end += length;
    return APR_SUCCESS;
}

/* Finds a character behind `from`, counted from scanner->at, reading on as long as it is not there.
 * @param pfound  NULL: the input ends before it */
static apr_status_t find(char **pfound, scanner_t *scanner, size_t from, char wanted)
{
    apr_status_t rv = APR_SUCCESS;

    do {
        char *found = scanner->at + from < scanner->end
            ? memchr(scanner->at + from, wanted, (size_t)(scanner->end - scanner->at) - from)
            : NULL;

        *pfound = found;
        if (found != NULL || scanner->is_over) {
            return APR_SUCCESS;
        }
        from = (size_t)(scanner->end - scanner->at);
        rv = refill(scanner);
    }
    while (rv == APR_SUCCESS);
    return rv;
}

/* --- Entities ------------------------------------------------------------------------------ */

/* @return bytes that the entity at `text` has; 0: it is none of the five */
static size_t entity_length(char *pcharacter, const char *text)
{
    static const struct {
        const char *text;
        char character;
    } entities[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }
    };
    size_t i;

    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t length = strlen(entities[i].text);

        if (strncmp(text, entities[i].text, length) == 0) {
            *pcharacter = entities[i].character;
            return length;
        }
    }
    return 0;
}

/* Decodes in place. @return false for an entity that is not known */
static bool decode(char *text, size_t length)
{
    char *from;
    char *to;

    text[length] = '\0';
    from = memchr(text, '&', length);
    for (to = from; from != NULL && *from != '\0'; to++) {
        size_t taken = 1;

        *to = *from;
        if (*from == '&') {
            taken = entity_length(to, from);
        }
        if (taken == 0) {
            return false;
        }
        from += taken;
    }
    if (to != NULL) {
        *to = '\0';
    }
    return true;
}

/* --- Tags ---------------------------------------------------------------------------------- */

/* strspn(3) makes a table at each call: a quarter of all time. */
static bool is_name_character(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z')
        || (character >= '0' && character <= '9') || character == '_' || character == ':'
        || character == '.' || character == '-';
}

static size_t name_length(const char *text)
{
    size_t length = 0;

    while (is_name_character(text[length])) {
        length++;
    }
    return length;
}

static size_t blank_length(const char *text)
{
    size_t length = 0;

    while (text[length] == ' ' || text[length] == '\n' || text[length] == '\t') {
        length++;
    }
    return length;
}

/* XML would make a blank of a line's end in a value. */
static bool is_plain(const char *value, size_t length)
{
    return memchr(value, '<', length) == NULL && memchr(value, '\n', length) == NULL
        && memchr(value, '\t', length) == NULL;
}

/* Cuts ` name="value"` off; false for anything else. */
static bool take_attribute(char **ptext, const char **attributes)
{
    char *name = *ptext + blank_length(*ptext);
    size_t length = name_length(name);
    char *value = name + length;
    char *end;

    if (name == *ptext || length == 0 || value[0] != '=' || value[1] != '"') {
        return false;
    }
    *value = '\0';
    value += 2;
    end = strchr(value, '"');
    if (end == NULL || !is_plain(value, (size_t)(end - value))) {
        return false;
    }
    if (!decode(value, (size_t)(end - value))) {
        return false;
    }
    attributes[0] = name;
    attributes[1] = value;
    *ptext = end + 1;
    return true;
}

static bool is_known(const char *const *attributes, int count, const char *name)
{
    int i;

    for (i = 0; i < count; i++) {
        if (strcmp(attributes[2 * i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_attributes(const char **attributes, char *text)
{
    int count = 0;

    while (text[blank_length(text)] != '\0') {
        if (count >= RETRACE_XML_ATTRIBUTES || !take_attribute(&text, attributes + 2 * count)
            || is_known(attributes, count, attributes[2 * count])) {
            return false;
        }
        count++;
    }
    attributes[2 * count] = NULL;
    return true;
}

static apr_status_t end_element(scanner_t *scanner, const char *text)
{
    scanner->depth--;
    scanner->told++;
    return scanner->events->end(scanner->events->baton, scanner->open[scanner->depth], text,
                                scanner->err);
}

/* @param tag  between the brackets, ended by NUL */
static apr_status_t take_start_tag(scanner_t *scanner, char *tag, size_t length)
{
    const char *attributes[2 * RETRACE_XML_ATTRIBUTES + 1];
    bool is_empty = length > 0 && tag[length - 1] == '/';
    size_t name = name_length(tag);
    char *rest = tag + name;
    apr_status_t rv;

    if (is_empty) {
        tag[length - 1] = '\0';
    }
    if (name == 0 || name >= NAME_MAX_BYTES || scanner->depth >= RETRACE_XML_DEPTH
        || (scanner->depth == 0 && scanner->had_root) || !take_attributes(attributes, rest)) {
        return hand_back(scanner);
    }
    *rest = '\0';
    scanner->had_root = true;
    memcpy(scanner->open[scanner->depth++], tag, name + 1);
    scanner->told++;
    rv = scanner->events->start(scanner->events->baton, tag, attributes, scanner->err);
    return rv == APR_SUCCESS && is_empty ? end_element(scanner, "") : rv;
}

static bool is_blank(const char *text)
{
    return text[blank_length(text)] == '\0';
}

/* @return false unless it ends the element that is open */
static bool is_own_end(const scanner_t *scanner, const char *tag)
{
    const char *open = scanner->depth > 0 ? scanner->open[scanner->depth - 1] : "";

    while (open[0] != '\0' && *tag == *open) {
        tag++;
        open++;
    }
    return scanner->depth > 0 && open[0] == '\0' && !is_name_character(*tag) && is_blank(tag);
}

static apr_status_t take_end_tag(scanner_t *scanner, const char *tag, char *text,
                                 size_t text_length)
{
    if (!is_own_end(scanner, tag) || !decode(text, text_length)) {
        return hand_back(scanner);
    }
    if (text_length > RETRACE_XML_TEXT_MAX) {
        text[RETRACE_XML_TEXT_MAX] = '\0';
    }
    return end_element(scanner, text);
}

static bool is_declaration(const scanner_t *scanner, const char *tag)
{
    static const char utf8[] = "?xml version=\"1.0\" encoding=\"UTF-8\"?";
    static const char plain[] = "?xml version=\"1.0\"?";

    return scanner->is_first_tag && (strcmp(tag, utf8) == 0 || strcmp(tag, plain) == 0);
}

/* Takes a text and the tag behind it; a text outside the root is blank. */
static apr_status_t take_tag(scanner_t *scanner, char *open, char *close)
{
    char *text = scanner->at;
    size_t text_length = (size_t)(open - text);
    char *tag = open + 1;
    apr_status_t rv;

    *close = '\0';
    scanner->at = close + 1;
    if (scanner->depth == 0 && blank_length(text) < text_length) {
        return hand_back(scanner);
    }
    if (tag[0] == '/') {
        rv = take_end_tag(scanner, tag + 1, text, text_length);
    }
    else if (tag[0] == '?') {
        rv = text_length == 0 && is_declaration(scanner, tag) ? APR_SUCCESS : hand_back(scanner);
    }
    else {
        rv = take_start_tag(scanner, tag, (size_t)(close - tag));
    }
    scanner->is_first_tag = false;
    return rv;
}

/* '>' may be in a value, where no program that takes care leaves it: then the quotes do not match. */
static apr_status_t take_next(scanner_t *scanner, bool *pis_over)
{
    char *open = NULL;
    char *close = NULL;
    size_t offset;
    apr_status_t rv = find(&open, scanner, 0, '<');

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (open == NULL) {
        *scanner->end = '\0';
        *pis_over = true;
        return scanner->depth == 0 && scanner->had_root && is_blank(scanner->at)
            ? APR_SUCCESS
            : hand_back(scanner);
    }
    offset = (size_t)(open - scanner->at);
    rv = find(&close, scanner, offset, '>');
    if (rv != APR_SUCCESS || close == NULL) {
        return rv != APR_SUCCESS ? rv : hand_back(scanner);
    }
    return take_tag(scanner, scanner->at + offset, close);
}

apr_status_t retrace_xml_scan(int64_t *ptold, const retrace_xml_input_t *input,
                              const retrace_xml_events_t *events, retrace_error_t *err)
{
    retrace_error_t own;
    scanner_t scanner = { .input = input,
                          .events = events,
                          .buffer = malloc(BUFFER + 1),
                          .is_first_tag = true,
                          .err = err != NULL ? err : &own };
    bool is_over = false;
    apr_status_t rv = APR_SUCCESS;

    *ptold = 0;
    if (scanner.buffer == NULL) {
        return retrace_fail(err, APR_ENOMEM, "read XML");
    }
    scanner.at = scanner.buffer;
    scanner.end = scanner.buffer;
    while (rv == APR_SUCCESS && !is_over) {
        rv = take_next(&scanner, &is_over);
    }
    free(scanner.buffer);
    *ptold = scanner.told;
    return rv;
}
