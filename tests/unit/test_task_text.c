/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/text.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/text.h"
#include "tests/unit/workspace.h"

static void expect(void **state, const char *text, task_text_t form, const char *clean)
{
    workspace_t *ws = *state;

    assert_string_equal(task_text_clean(text, strlen(text), form, ws->pool), clean);
}

static void what_people_write_stays(void **state)
{
    expect(state, "#0 main ()\n\tat p\xc5\x99\xc3\xad.c \xe2\x82\xac \xf0\x9f\x90\x9b\n",
           TASK_TEXT_LINES, "#0 main ()\n\tat p\xc5\x99\xc3\xad.c \xe2\x82\xac \xf0\x9f\x90\x9b\n");
}

static void a_line_stays_a_line(void **state)
{
    expect(state, "a\nb\tc", TASK_TEXT_LINE, "a b c");
}

/* ESC, BEL, CR, DEL, CSI as one character, and two marks that turn the direction of writing. */
static void what_a_terminal_obeys_is_replaced(void **state)
{
    static const char *const bad[] = { "\x1b", "\x07",     "\r",           "\x7f",
                                       "\x01", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6" };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect(state, bad[i], TASK_TEXT_LINES, "?");
    }
}

static void what_is_not_utf8_is_replaced_byte_by_byte(void **state)
{
    expect(state, "a\xff\xc3x", TASK_TEXT_LINES, "a??x");
    expect(state, "\xc0\xaf", TASK_TEXT_LINES, "??");           /* '/' in two bytes */
    expect(state, "\xed\xa0\x80", TASK_TEXT_LINES, "???");      /* half of a pair */
    expect(state, "\xf4\x90\x80\x80", TASK_TEXT_LINES, "????"); /* beyond the last character */
    expect(state, "cut \xe2\x82", TASK_TEXT_LINES, "cut ??");
}

static void a_nul_does_not_end_the_text(void **state)
{
    workspace_t *ws = *state;

    assert_string_equal(task_text_clean("a\0b", 3, TASK_TEXT_LINES, ws->pool), "a?b");
}

static void a_word_has_no_blanks_and_an_end(void **state)
{
    (void)state;
    assert_true(task_text_is_word("aZ09!~", 6));
    assert_false(task_text_is_word("aZ09!~.", 6));
    assert_false(task_text_is_word("", 6));
    assert_false(task_text_is_word("a b", 6));
    assert_false(task_text_is_word("a\n", 6));
    assert_false(task_text_is_word("a\x7f", 6));
    assert_false(task_text_is_word("\xc3\xbc", 6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_people_write_stays),           TEST(a_line_stays_a_line),
        TEST(what_a_terminal_obeys_is_replaced), TEST(what_is_not_utf8_is_replaced_byte_by_byte),
        TEST(a_nul_does_not_end_the_text),       TEST(a_word_has_no_blanks_and_an_end),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
