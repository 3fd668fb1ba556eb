/* SPDX-License-Identifier: Apache-2.0 */
/* XML as a stream: both readers tell the same, and only one of them reads everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/xml.h"

typedef apr_status_t (*reader_fn)(const worker_xml_input_t *input,
                                  const worker_xml_events_t *events, retrace_error_t *err);

/* A text, given out in pieces of a size. */
typedef struct source_t {
    const char *text;
    size_t left;
    size_t piece;
} source_t;

static ssize_t read_source(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    source_t *source = baton;
    size_t taken = source->left < length ? source->left : length;

    (void)err;
    taken = taken < source->piece ? taken : source->piece;
    memcpy(buffer, source->text, taken);
    source->text += taken;
    source->left -= taken;
    return (ssize_t)taken;
}

typedef struct record_t {
    apr_array_header_t *lines;
    const char *stop_at; /* element at whose start the reading ends */
    apr_pool_t *pool;
} record_t;

static apr_status_t take_start(void *baton, const char *name, const char *const *attributes,
                               retrace_error_t *err)
{
    record_t *record = baton;
    const char *line = apr_pstrcat(record->pool, "<", name, NULL);

    for (; attributes[0] != NULL; attributes += 2) {
        line = apr_psprintf(record->pool, "%s %s=%s", line, attributes[0], attributes[1]);
    }
    APR_ARRAY_PUSH(record->lines, const char *) = line;
    return record->stop_at != NULL && strcmp(record->stop_at, name) == 0
        ? retrace_fail(err, APR_EACCES, "stopped")
        : APR_SUCCESS;
}

static apr_status_t take_end(void *baton, const char *name, const char *text, retrace_error_t *err)
{
    record_t *record = baton;

    (void)err;
    APR_ARRAY_PUSH(record->lines, const char *) = apr_psprintf(record->pool, "%s>%s|", text, name);
    return APR_SUCCESS;
}

static apr_status_t read_text(const char **plines, workspace_t *ws, reader_fn reader,
                              const char *text, size_t piece, const char *stop_at)
{
    source_t source = { text, strlen(text), piece };
    record_t record = { apr_array_make(ws->pool, 16, sizeof(const char *)), stop_at, ws->pool };
    const worker_xml_input_t input = { read_source, &source };
    const worker_xml_events_t events = { take_start, take_end, &record };
    apr_status_t rv = reader(&input, &events, &ws->err);

    *plines = apr_array_pstrcat(ws->pool, record.lines, ' ');
    return rv;
}

/* Of both readers, in pieces of any size. */
static void expect(void **state, const char *text, const char *lines)
{
    workspace_t *ws = *state;
    const char *got = NULL;
    size_t piece;

    for (piece = 1; piece < 40; piece++) {
        assert_int_equal(read_text(&got, ws, worker_xml_parse, text, piece, NULL), APR_SUCCESS);
        assert_string_equal(got, lines);
        assert_int_equal(read_text(&got, ws, worker_xml_scan, text, piece, NULL), APR_SUCCESS);
        assert_string_equal(got, lines);
    }
}

static void expect_refused(void **state, const char *text, const char *words)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_scan, text, 7, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, worker_xml_parse, text, 7, NULL), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, words));
}

/* What is good XML, but not for the scanner. */
static void expect_handed_back(void **state, const char *text, const char *lines)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_scan, text, 7, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, worker_xml_parse, text, 7, NULL), APR_SUCCESS);
    assert_string_equal(got, lines);
}

static void elements_attributes_and_texts_are_told(void **state)
{
    expect(state, "<a/>", "<a >a|");
    expect(state, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b>x</b>\n <b/></a>\n",
           "<a <b x>b| <b >b| >a|");
    expect(state, "<a b=\"1\" c:d=\"\"><e f=\"g h\" />i\n\nj</a >",
           "<a b=1 c:d= <e f=g h >e| i\n\nj>a|");
    expect(state, "<a>x<b>y</b>z</a>", "<a <b y>b| z>a|");
}

static void the_five_entities_are_decoded(void **state)
{
    expect(state, "<a b=\"&lt;&amp;&gt;\">&quot;x&apos;&amp;amp;</a>", "<a b=<&> \"x'&amp;>a|");
}

static void what_is_not_well_formed_is_refused(void **state)
{
    expect_refused(state, "", "no element found");
    expect_refused(state, "x", "syntax error");
    expect_refused(state, "<a>", "no element found");
    expect_refused(state, "<a></b>", "mismatched tag");
    expect_refused(state, "<a></ab>", "mismatched tag");
    expect_refused(state, "</a>", "line 1: ");
    expect_refused(state, "<a/><b/>", "junk after document element");
    expect_refused(state, "<a/>x", "junk after document element");
    expect_refused(state, "<a", "unclosed token");
    expect_refused(state, "<a b/>", "not well-formed");
    expect_refused(state, "<a b=c/>", "not well-formed");
    expect_refused(state, "<a b=\"c/>", "unclosed token");
    expect_refused(state, "<a b=\"1\" b=\"2\"/>", "duplicate attribute");
    expect_refused(state, "<a>&x;</a>", "undefined entity");
    expect_refused(state, "<a>\n\n<b>\n</a>", "line 4: mismatched tag");
}

static void rare_forms_are_for_expat_alone(void **state)
{
    expect_handed_back(state, "<a><!-- x --></a>", "<a >a|");
    expect_handed_back(state, "<a><![CDATA[<x>]]></a>", "<a <x>>a|");
    expect_handed_back(state, "<a>&#65;</a>", "<a A>a|");
    expect_handed_back(state, "<a b='c'/>", "<a b=c >a|");
    expect_handed_back(state, "<a b = \"c\"/>", "<a b=c >a|");
    expect_handed_back(state, "<a b=\"x>y\"/>", "<a b=x>y >a|");
    expect_handed_back(state, "<a b=\"x\ny\"/>", "<a b=x y >a|");
    expect_handed_back(state, "<a>x\r\ny</a>", "<a x\ny>a|");
    expect_handed_back(state, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>",
                       "<a \xc3\xa4>a|");
    expect_handed_back(state, "<a><?x y?></a>", "<a >a|");
}

/* Of entities that name each other a few lines make gigabytes. */
static void a_doctype_is_refused(void **state)
{
    expect_refused(state, "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "it has a DOCTYPE");
    expect_refused(state, "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "it has a DOCTYPE");
}

static const char *nested(const workspace_t *ws, int depth)
{
    const char *text = "x";

    while (depth-- > 0) {
        text = apr_pstrcat(ws->pool, "<a>", text, "</a>", NULL);
    }
    return text;
}

static void there_is_a_limit_of_depth(void **state)
{
    workspace_t *ws = *state;
    const char *most = nested(ws, WORKER_XML_DEPTH);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_parse, most, 7, NULL), APR_SUCCESS);
    assert_int_equal(read_text(&got, ws, worker_xml_scan, most, 7, NULL), APR_SUCCESS);
    expect_refused(state, nested(ws, WORKER_XML_DEPTH + 1), "too many elements within each other");
}

static const char *with_attributes(const workspace_t *ws, int count)
{
    const char *text = "<a";
    int i;

    for (i = 0; i < count; i++) {
        text = apr_psprintf(ws->pool, "%s b%d=\"\"", text, i);
    }
    return apr_pstrcat(ws->pool, text, "/>", NULL);
}

static void there_is_a_limit_of_attributes(void **state)
{
    workspace_t *ws = *state;
    const char *most = with_attributes(ws, WORKER_XML_ATTRIBUTES);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_parse, most, 7, NULL), APR_SUCCESS);
    assert_int_equal(read_text(&got, ws, worker_xml_scan, most, 7, NULL), APR_SUCCESS);
    expect_refused(state, with_attributes(ws, WORKER_XML_ATTRIBUTES + 1), "too many attributes");
}

static const char *filled(const workspace_t *ws, size_t length)
{
    char *text = apr_palloc(ws->pool, length + 1);

    memset(text, 'x', length);
    text[length] = '\0';
    return apr_pstrcat(ws->pool, "<a>", text, "</a>", NULL);
}

static void a_long_text_is_cut_by_both(void **state)
{
    workspace_t *ws = *state;
    const char *got = NULL;
    const char *too_long = filled(ws, WORKER_XML_TEXT_MAX + 1);
    const char *most = apr_pstrcat(
        ws->pool, "<a ", apr_pstrmemdup(ws->pool, too_long + 3, WORKER_XML_TEXT_MAX), ">a|", NULL);

    assert_int_equal(read_text(&got, ws, worker_xml_parse, too_long, 5000, NULL), APR_SUCCESS);
    assert_string_equal(got, most);
    assert_int_equal(read_text(&got, ws, worker_xml_scan, too_long, 5000, NULL), APR_SUCCESS);
    assert_string_equal(got, most);
}

static void a_text_beyond_the_buffer_is_for_expat(void **state)
{
    workspace_t *ws = *state;
    const char *huge = filled(ws, 2 * 1024 * 1024);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_scan, huge, 100000, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, worker_xml_parse, huge, 100000, NULL), APR_SUCCESS);
}

static void who_is_told_may_end_it(void **state)
{
    workspace_t *ws = *state;
    const char *text = "<a><b><c/></b><d/></a>";
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, worker_xml_parse, text, 100, "c"), APR_EACCES);
    assert_string_equal(got, "<a <b <c");
    assert_int_equal(read_text(&got, ws, worker_xml_scan, text, 100, "c"), APR_EACCES);
    assert_string_equal(got, "<a <b <c");
}

static ssize_t fail_to_read(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    (void)baton;
    (void)buffer;
    (void)length;
    (void)retrace_fail(err, APR_EACCES, "no more");
    return -1;
}

static void a_failure_of_the_input_is_passed_on(void **state)
{
    workspace_t *ws = *state;
    record_t record = { apr_array_make(ws->pool, 1, sizeof(const char *)), NULL, ws->pool };
    const worker_xml_input_t input = { fail_to_read, NULL };
    const worker_xml_events_t events = { take_start, take_end, &record };

    assert_int_equal(worker_xml_parse(&input, &events, &ws->err), APR_EACCES);
    assert_int_equal(worker_xml_scan(&input, &events, &ws->err), APR_EACCES);
    assert_int_equal(worker_xml_parse(&input, &events, NULL), APR_EACCES);
    assert_int_equal(worker_xml_scan(&input, &events, NULL), APR_EACCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(elements_attributes_and_texts_are_told),
        TEST(the_five_entities_are_decoded),
        TEST(what_is_not_well_formed_is_refused),
        TEST(rare_forms_are_for_expat_alone),
        TEST(a_doctype_is_refused),
        TEST(there_is_a_limit_of_depth),
        TEST(there_is_a_limit_of_attributes),
        TEST(a_long_text_is_cut_by_both),
        TEST(a_text_beyond_the_buffer_is_for_expat),
        TEST(who_is_told_may_end_it),
        TEST(a_failure_of_the_input_is_passed_on),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
