/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of both readers of XML: whatever both of them take, they tell in the same words,
 * and what the scanner hands back they tell in the same words until there. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (1 << 20) /* bytes of what is told */

typedef struct input_t {
    const char *at;
    size_t left;
    size_t piece;
} input_t;

typedef struct told_t {
    char *text;
    size_t length;
} told_t;

static ssize_t read_piece(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    input_t *input = baton;
    size_t taken = input->left < length ? input->left : length;

    (void)err;
    taken = taken < input->piece ? taken : input->piece;
    memcpy(buffer, input->at, taken);
    input->at += taken;
    input->left -= taken;
    return (ssize_t)taken;
}

static void tell(told_t *told, const char *text)
{
    size_t length = strlen(text) + 1;

    if (told->length + length <= MAX) {
        memcpy(told->text + told->length, text, length);
        told->length += length;
    }
}

static apr_status_t take_start(void *baton, const char *name, const char *const *attributes,
                               retrace_error_t *err)
{
    (void)err;
    tell(baton, "start");
    tell(baton, name);
    for (; attributes[0] != NULL; attributes++) {
        tell(baton, attributes[0]);
    }
    return APR_SUCCESS;
}

static apr_status_t take_end(void *baton, const char *name, const char *text, retrace_error_t *err)
{
    (void)err;
    tell(baton, "end");
    tell(baton, name);
    tell(baton, text);
    return APR_SUCCESS;
}

static apr_status_t scan(const retrace_xml_input_t *input, const retrace_xml_events_t *events,
                         retrace_error_t *err)
{
    int64_t told;

    return retrace_xml_scan(&told, input, events, err);
}

static apr_status_t run(told_t *told,
                        apr_status_t (*reader)(const retrace_xml_input_t *input,
                                               const retrace_xml_events_t *events,
                                               retrace_error_t *err),
                        const uint8_t *data, size_t size, size_t piece)
{
    input_t source = { (const char *)data, size, piece };
    const retrace_xml_input_t input = { read_piece, &source };
    const retrace_xml_events_t events = { take_start, take_end, told };
    retrace_error_t err;

    told->text = malloc(MAX);
    told->length = 0;
    return told->text == NULL ? APR_ENOMEM : reader(&input, &events, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    told_t parsed;
    told_t scanned;
    size_t piece = size > 0 ? (size_t)data[size / 2] + 1 : 1;
    apr_status_t first = run(&parsed, retrace_xml_parse, data, size, piece);
    apr_status_t second = run(&scanned, scan, data, size, piece);

    /* What the scanner hands back it has told rightly until there: expat goes on behind it. */
    if (first == APR_SUCCESS
        && ((second == APR_SUCCESS && parsed.length != scanned.length)
            || scanned.length > parsed.length
            || memcmp(parsed.text, scanned.text, scanned.length) != 0)) {
        abort();
    }
    free(parsed.text);
    free(scanned.text);
    return 0;
}
