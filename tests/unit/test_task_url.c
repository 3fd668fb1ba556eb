/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/url.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>

#include "helpers/task/exit.h"
#include "helpers/task/url.h"
#include "tests/unit/workspace.h"

static void expect(void **state, const char *text, const char *complete)
{
    workspace_t *ws = *state;
    const char *url = NULL;

    assert_int_equal(task_url_complete(&url, text, &ws->err, ws->pool), APR_SUCCESS);
    assert_string_equal(url, complete);
}

static void https_is_meant_without_a_scheme(void **state)
{
    expect(state, "example.com", "https://example.com/");
    expect(state, "example.com:8443/retrace", "https://example.com:8443/retrace/");
    expect(state, "[::1]:8443", "https://[::1]:8443/");
}

static void a_whole_address_stays(void **state)
{
    expect(state, "https://example.com/retrace/", "https://example.com/retrace/");
    expect(state, "http://127.0.0.1:80/a/b", "http://127.0.0.1:80/a/b/");
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "user:secret@example.com",
        "https://example.com/?a=b",
        "https://example.com/#a",
        "https://exa mple.com/",
        "https://example.com/\r\nX-Evil: 1",
    };
    workspace_t *ws = *state;
    const char *url = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (task_url_complete(&url, bad[i], &ws->err, ws->pool) != TASK_STATUS(TASK_EXIT_USAGE)) {
            fail_msg("'%s' was taken for an address: %s", bad[i], url);
        }
        assert_null(url);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(https_is_meant_without_a_scheme),
        TEST(a_whole_address_stays),
        TEST(what_is_no_address_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
