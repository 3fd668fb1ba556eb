/* SPDX-License-Identifier: Apache-2.0 */
/* lib/xml.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/xml.h"
#include "tests/unit/workspace.h"

/* Writes down what it is told. */
typedef struct story_t {
    char text[4096];
    const char *refuses; /* an element */
} story_t;

static const char *on_start(void *baton, const char *name, const char *const *attributes)
{
    story_t *story = baton;
    const char *value = retrace_xml_attribute(attributes, "a");

    strcat(strcat(strcat(strcat(story->text, "<"), name), value != NULL ? "=" : ""),
           value != NULL ? value : "");
    return story->refuses != NULL && strcmp(story->refuses, name) == 0 ? "not this one" : NULL;
}

static const char *on_end(void *baton, const char *name, const char *text)
{
    story_t *story = baton;

    (void)name;
    strcat(strcat(strcat(story->text, ">"), text), ";");
    return NULL;
}

static apr_status_t read_text(workspace_t *ws, story_t *story, const char *text)
{
    const retrace_xml_handler_t handler = { on_start, on_end, story };

    return retrace_xml_read(&handler, text, strlen(text), &ws->err);
}

static void expect_refused(workspace_t *ws, const char *text, const char *words)
{
    story_t story = { .text = "" };

    assert_int_equal(read_text(ws, &story, text), APR_EINVAL);
    assert_non_null(strstr(ws->err.text, words));
}

static void what_is_no_xml_is_refused_with_its_line(void **state)
{
    expect_refused(*state, "", "line 1: no element found");
    expect_refused(*state, "text", "line 1: ");
    expect_refused(*state, "<a>\n<b></a>", "line 2: mismatched tag");
    expect_refused(*state, "<a>&unknown;</a>", "line 1: undefined entity");
}

static void a_document_type_is_refused(void **state)
{
    expect_refused(*state, "<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>", "it has a document type");
}

static void elements_within_each_other_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    story_t story = { .text = "" };
    char text[8 * RETRACE_XML_MAX_DEPTH + 16] = "";
    int i;

    for (i = 0; i < RETRACE_XML_MAX_DEPTH; i++) {
        memcpy(text + 3 * i, "<b>", 4);
    }
    for (i = 0; i < RETRACE_XML_MAX_DEPTH; i++) {
        strcat(text, "</b>");
    }
    assert_int_equal(read_text(ws, &story, text), APR_SUCCESS);
    expect_refused(ws, apr_pstrcat(ws->pool, "<c>", text, "</c>", NULL), "too many elements");
}

static void what_the_handler_refuses_ends_it(void **state)
{
    workspace_t *ws = *state;
    story_t story = { .text = "", .refuses = "b" };

    assert_int_equal(read_text(ws, &story, "<a>\n<b/><c/></a>"), APR_EINVAL);
    assert_string_equal(ws->err.text, "line 2: not this one");
    assert_string_equal(story.text, "<a<b");
}

static void elements_come_without_prefix_and_blanks(void **state)
{
    story_t story = { .text = "" };

    assert_int_equal(
        read_text(*state, &story, "<x:r xmlns:x='u'><x:b x:a='1'> t &amp; u\n</x:b>end</x:r>"),
        APR_SUCCESS);
    assert_string_equal(story.text, "<r<b=1>t & u;>;");
}

static const char *measure(void *baton, const char *name, const char *text)
{
    (void)name;
    *(size_t *)baton = strlen(text);
    return NULL;
}

static size_t length_of(workspace_t *ws, size_t length)
{
    size_t measured = 0;
    const retrace_xml_handler_t handler = { NULL, measure, &measured };
    char *text = apr_pcalloc(ws->pool, length + 1);

    memset(text, 'x', length);
    text = apr_pstrcat(ws->pool, "<a>", text, "</a>", NULL);
    assert_int_equal(retrace_xml_read(&handler, text, strlen(text), &ws->err), APR_SUCCESS);
    return measured;
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    assert_int_equal(length_of(*state, RETRACE_XML_MAX_TEXT), RETRACE_XML_MAX_TEXT);
    assert_int_equal(length_of(*state, RETRACE_XML_MAX_TEXT + 1), RETRACE_XML_MAX_TEXT);
}

static apr_status_t read_file(workspace_t *ws, story_t *story, const char *name, int64_t max)
{
    const retrace_xml_handler_t handler = { on_start, on_end, story };
    int fd = openat(ws->dir, name, O_RDONLY | O_CLOEXEC);
    apr_status_t rv = retrace_xml_read_file(&handler, fd, max, &ws->err);

    assert_int_equal(close(fd), 0);
    return rv;
}

static void a_file_may_be_packed(void **state)
{
    static const char *const packers[] = { "cat", "gzip -c", "bzip2 -c", "xz -c", "zstd -qc" };
    workspace_t *ws = *state;
    size_t i;

    workspace_write(ws, "plain", "<a><b>text</b></a>");
    for (i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
        story_t story = { .text = "" };

        workspace_shell(ws, apr_pstrcat(ws->pool, packers[i], " <plain >packed", NULL));
        assert_int_equal(read_file(ws, &story, "packed", 100), APR_SUCCESS);
        assert_string_equal(story.text, "<a<b>text;>;");
    }
}

static void its_unpacked_size_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    story_t story = { .text = "" };

    workspace_shell(ws, "printf '<a>%1000s</a>' '' | gzip >packed");
    assert_int_equal(read_file(ws, &story, "packed", 1007), APR_SUCCESS);
    assert_int_equal(read_file(ws, &story, "packed", 1006), APR_ENOSPC);
}

static void a_damaged_file_is_refused(void **state)
{
    workspace_t *ws = *state;
    story_t story = { .text = "" };

    workspace_write(ws, "empty", "");
    assert_int_equal(read_file(ws, &story, "empty", 100), APR_EINVAL);
    workspace_shell(ws, "printf '<a>%70000s</a>' '' | gzip | head -c 60 >cut");
    assert_int_equal(read_file(ws, &story, "cut", 100000), APR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_xml_is_refused_with_its_line),
        TEST(a_document_type_is_refused),
        TEST(elements_within_each_other_have_a_limit),
        TEST(what_the_handler_refuses_ends_it),
        TEST(elements_come_without_prefix_and_blanks),
        TEST(a_text_that_is_too_long_is_cut),
        TEST(a_file_may_be_packed),
        TEST(its_unpacked_size_has_a_limit),
        TEST(a_damaged_file_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
