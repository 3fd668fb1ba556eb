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
#include <fcntl.h>
#include <unistd.h>

#include "lib/xml.h"
#include "tests/unit/workspace.h"

typedef apr_status_t (*reader_fn)(const retrace_xml_input_t *input,
                                  const retrace_xml_events_t *events, retrace_error_t *err);

static apr_status_t scan(const retrace_xml_input_t *input, const retrace_xml_events_t *events,
                         retrace_error_t *err)
{
    int64_t told = -1;
    apr_status_t rv = retrace_xml_scan(&told, input, events, err);

    assert_true(told >= 0);
    return rv;
}

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
    const retrace_xml_input_t input = { read_source, &source };
    const retrace_xml_events_t events = { take_start, take_end, &record };
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
        assert_int_equal(read_text(&got, ws, retrace_xml_parse, text, piece, NULL), APR_SUCCESS);
        assert_string_equal(got, lines);
        assert_int_equal(read_text(&got, ws, scan, text, piece, NULL), APR_SUCCESS);
        assert_string_equal(got, lines);
    }
}

static void expect_refused(void **state, const char *text, const char *words)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, scan, text, 7, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, retrace_xml_parse, text, 7, NULL), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, words));
}

/* What is good XML, but not for the scanner. */
static void expect_handed_back(void **state, const char *text, const char *lines)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, scan, text, 7, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, retrace_xml_parse, text, 7, NULL), APR_SUCCESS);
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
    expect_refused(state, "<a>\n<b></a>", "line 2: mismatched tag");
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
static void a_document_type_is_refused(void **state)
{
    expect_refused(state, "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "it has a document type");
    expect_refused(state, "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
                   "it has a document type");
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
    const char *most = nested(ws, RETRACE_XML_DEPTH);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, retrace_xml_parse, most, 7, NULL), APR_SUCCESS);
    assert_int_equal(read_text(&got, ws, scan, most, 7, NULL), APR_SUCCESS);
    expect_refused(state, nested(ws, RETRACE_XML_DEPTH + 1), "too many elements within each other");
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
    const char *most = with_attributes(ws, RETRACE_XML_ATTRIBUTES);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, retrace_xml_parse, most, 7, NULL), APR_SUCCESS);
    assert_int_equal(read_text(&got, ws, scan, most, 7, NULL), APR_SUCCESS);
    expect_refused(state, with_attributes(ws, RETRACE_XML_ATTRIBUTES + 1), "too many attributes");
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
    const char *too_long = filled(ws, RETRACE_XML_TEXT_MAX + 1);
    const char *most = apr_pstrcat(
        ws->pool, "<a ", apr_pstrmemdup(ws->pool, too_long + 3, RETRACE_XML_TEXT_MAX), ">a|", NULL);

    assert_int_equal(read_text(&got, ws, retrace_xml_parse, too_long, 5000, NULL), APR_SUCCESS);
    assert_string_equal(got, most);
    assert_int_equal(read_text(&got, ws, scan, too_long, 5000, NULL), APR_SUCCESS);
    assert_string_equal(got, most);
}

static void a_text_beyond_the_buffer_is_for_expat(void **state)
{
    workspace_t *ws = *state;
    const char *huge = filled(ws, 2 * 1024 * 1024);
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, scan, huge, 100000, NULL), APR_ENOTIMPL);
    assert_int_equal(read_text(&got, ws, retrace_xml_parse, huge, 100000, NULL), APR_SUCCESS);
}

static void who_is_told_may_end_it(void **state)
{
    workspace_t *ws = *state;
    const char *text = "<a><b><c/></b><d/></a>";
    const char *got = NULL;

    assert_int_equal(read_text(&got, ws, retrace_xml_parse, text, 100, "c"), APR_EACCES);
    assert_string_equal(got, "<a <b <c");
    assert_int_equal(read_text(&got, ws, scan, text, 100, "c"), APR_EACCES);
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
    const retrace_xml_input_t input = { fail_to_read, NULL };
    const retrace_xml_events_t events = { take_start, take_end, &record };

    assert_int_equal(retrace_xml_parse(&input, &events, &ws->err), APR_EACCES);
    assert_int_equal(scan(&input, &events, &ws->err), APR_EACCES);
    assert_int_equal(retrace_xml_parse(&input, &events, NULL), APR_EACCES);
    assert_int_equal(scan(&input, &events, NULL), APR_EACCES);
}

/* --- Names, texts and files ----------------------------------------------------------------- */

static void names_may_have_prefixes(void **state)
{
    static const char *const attributes[] = { "x:a", "1", "b", "2", NULL };

    (void)state;
    assert_string_equal(retrace_xml_plain_name("x:r"), "r");
    assert_string_equal(retrace_xml_plain_name("r"), "r");
    assert_string_equal(retrace_xml_attribute(attributes, "a"), "1");
    assert_string_equal(retrace_xml_attribute(attributes, "b"), "2");
    assert_string_equal(retrace_xml_attribute(attributes, "x"), "");
}

static void blanks_at_both_ends_are_not_copied(void **state)
{
    char to[6];

    (void)state;
    assert_true(retrace_xml_copy(to, sizeof(to), " \n\tt & u\r\n"));
    assert_string_equal(to, "t & u");
    assert_true(retrace_xml_copy(to, sizeof(to), " \n "));
    assert_string_equal(to, "");
    assert_false(retrace_xml_copy(to, sizeof(to), "123456"));
    assert_string_equal(to, "");
}

static apr_status_t read_file(const char **plines, workspace_t *ws, const char *name,
                              int64_t max_bytes, int64_t max_ms)
{
    const retrace_xml_limits_t limits = { max_bytes, max_ms };
    record_t record = { apr_array_make(ws->pool, 16, sizeof(const char *)), NULL, ws->pool };
    const retrace_xml_events_t events = { take_start, take_end, &record };
    int fd = openat(ws->dir, name, O_RDONLY | O_CLOEXEC);
    apr_status_t rv = retrace_xml_read_file(fd, &limits, &events, &ws->err);

    assert_int_equal(close(fd), 0);
    *plines = apr_array_pstrcat(ws->pool, record.lines, ' ');
    return rv;
}

static void a_file_may_be_packed(void **state)
{
    static const char *const packers[] = { "cat", "gzip -c", "bzip2 -c", "xz -c", "zstd -qc" };
    workspace_t *ws = *state;
    const char *got = NULL;
    size_t i;

    workspace_write(ws, "plain", "<a><b>text</b></a>");
    for (i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
        workspace_shell(ws, apr_pstrcat(ws->pool, packers[i], " <plain >packed", NULL));
        assert_int_equal(read_file(&got, ws, "packed", 100, 60000), APR_SUCCESS);
        assert_string_equal(got, "<a <b text>b| >a|");
    }
}

static void nothing_is_told_twice_when_expat_goes_on(void **state)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    workspace_shell(ws, "printf '<a><b>text</b><c/><!-- x --><d>&#65;</d></a>' | gzip >packed");
    assert_int_equal(read_file(&got, ws, "packed", 100, 60000), APR_SUCCESS);
    assert_string_equal(got, "<a <b text>b| <c >c| <d A>d| >a|");
    workspace_write(ws, "plain", "<a><b>text</b><c x='1'></c></a>");
    assert_int_equal(read_file(&got, ws, "plain", 100, 60000), APR_SUCCESS);
    assert_string_equal(got, "<a <b text>b| <c x=1 >c| >a|");
}

static void its_unpacked_size_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    workspace_shell(ws, "printf '<a>%1000s</a>' '' | gzip >packed");
    assert_int_equal(read_file(&got, ws, "packed", 1007, 60000), APR_SUCCESS);
    assert_int_equal(read_file(&got, ws, "packed", 1006, 60000), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "more than 1006 bytes unpacked"));
}

static void its_time_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    workspace_write(ws, "plain", "<a/>");
    assert_int_equal(read_file(&got, ws, "plain", 100, -1000), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, "it took more than"));
}

static void a_damaged_file_is_refused(void **state)
{
    workspace_t *ws = *state;
    const char *got = NULL;

    workspace_write(ws, "empty", "");
    assert_int_equal(read_file(&got, ws, "empty", 100, 60000), APR_EINVAL);
    workspace_shell(ws, "printf '<a>%70000s</a>' '' | gzip | head -c 60 >cut");
    assert_int_equal(read_file(&got, ws, "cut", 100000, 60000), APR_EINVAL);
    workspace_write(ws, "text", "<a>\n<b></a>");
    assert_int_equal(read_file(&got, ws, "text", 100, 60000), APR_EINVAL);
    assert_string_equal(ws->err.text, "line 2: mismatched tag");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(elements_attributes_and_texts_are_told),
        TEST(the_five_entities_are_decoded),
        TEST(what_is_not_well_formed_is_refused),
        TEST(rare_forms_are_for_expat_alone),
        TEST(a_document_type_is_refused),
        TEST(there_is_a_limit_of_depth),
        TEST(there_is_a_limit_of_attributes),
        TEST(a_long_text_is_cut_by_both),
        TEST(a_text_beyond_the_buffer_is_for_expat),
        TEST(who_is_told_may_end_it),
        TEST(a_failure_of_the_input_is_passed_on),
        TEST(names_may_have_prefixes),
        TEST(blanks_at_both_ends_are_not_copied),
        TEST(a_file_may_be_packed),
        TEST(nothing_is_told_twice_when_expat_goes_on),
        TEST(its_unpacked_size_has_a_limit),
        TEST(its_time_has_a_limit),
        TEST(a_damaged_file_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
