/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a core: what stays, and what is escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>

#include "tests/unit/workspace.h"
#include "worker/text.h"

static void control_characters_and_what_is_no_utf8_are_escaped(void **state)
{
    static const struct {
        const char *text;
        apr_size_t length;
        const char *clean;
    } rows[] = {
        { "plain\ttext\n", 11, "plain\ttext\n" },
        { "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x9b", 15,
          "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x9b" },
        { "\x1b[31mred\r\x7f", 10, "\\x1b[31mred\\x0d\\x7f" },
        { "a\0b", 3, "a\\x00b" },
        { "\xff\xfe", 2, "\\xff\\xfe" },
        { "\xc3", 1, "\\xc3" },                            /* cut */
        { "\xc0\xaf", 2, "\\xc0\\xaf" },                   /* overlong */
        { "\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf" },          /* overlong */
        { "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },          /* surrogate */
        { "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
        { "\xc2\x9b", 2, "\\xc2\\x9b" },                   /* CSI as one character */
    };
    apr_pool_t *p = ((workspace_t *)*state)->pool;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(worker_text_clean(rows[i].text, rows[i].length, p), rows[i].clean);
    }
}

static void a_list_grows_by_what_is_not_empty(void **state)
{
    apr_pool_t *p = ((workspace_t *)*state)->pool;

    assert_string_equal(worker_text_list("", "", p), "");
    assert_string_equal(worker_text_list("", "a", p), "a");
    assert_string_equal(worker_text_list("a", "", p), "a");
    assert_string_equal(worker_text_list("a, b", "c", p), "a, b, c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(control_characters_and_what_is_no_utf8_are_escaped,
                                        workspace_setup, workspace_teardown),
        cmocka_unit_test_setup_teardown(a_list_grows_by_what_is_not_empty, workspace_setup,
                                        workspace_teardown),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
