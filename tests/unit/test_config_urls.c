/* SPDX-License-Identifier: Apache-2.0 */
/* Options that are URLs of servers: what is one, how long it may be and how many there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/config.h"
#include "tests/unit/workspace.h"

static apr_status_t read_urls(const retrace_config_t **pconfig, workspace_t *ws, const char *urls)
{
    workspace_write(ws, "server.conf",
                    apr_pstrcat(ws->pool, "[retrace]\nDebuginfodURLs = ", urls, "\n", NULL));
    return retrace_config_read(pconfig, workspace_path(ws, "server.conf"), &ws->err, ws->pool);
}

static void expect_taken(workspace_t *ws, const char *urls)
{
    const retrace_config_t *config = NULL;

    if (read_urls(&config, ws, urls) != APR_SUCCESS) {
        print_message("%s: %s\n", urls, ws->err.text);
        fail();
    }
    assert_string_equal(config->debuginfod_urls, urls);
}

static void expect_refused(workspace_t *ws, const char *urls, const char *words)
{
    const retrace_config_t *config = NULL;

    assert_int_equal(read_urls(&config, ws, urls), APR_EINVAL);
    assert_null(config);
    assert_string_equal(
        ws->err.text,
        apr_pstrcat(ws->pool, workspace_path(ws, "server.conf"), ":2: ", words, NULL));
}

static void none_one_and_several_are_taken(void **state)
{
    expect_taken(*state, "");
    expect_taken(*state, "https://debuginfod.example.org/");
    expect_taken(*state, "http://127.0.0.1:8002");
    expect_taken(*state, "HTTPS://a.example/x/y  \t http://[::1]:8002/ https://b.example");
}

static void other_schemes_and_no_host_are_refused(void **state)
{
    static const char *const urls[] = {
        "ftp://a.example", "file:///srv/debug", "a.example",        "//a.example",
        "https:a.example", "https://",          "https:///buildid", "http://:8002",
        "/srv/debug",      "ima:enforcing",     "https//a.example", "http://a.example file:///srv",
    };
    size_t i;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        expect_refused(*state, urls[i],
                       "each URL of DebuginfodURLs must begin with https:// or http:// and a host");
    }
}

static void control_characters_and_other_alphabets_are_refused(void **state)
{
    static const char *const urls[] = { "https://a\x01.example", "https://a.example/\x1b[2J",
                                        "https://a.example/\x7f", "https://\xc3\xa4.example",
                                        "https://a.example\r\v/" };
    size_t i;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        expect_refused(*state, urls[i],
                       "each URL of DebuginfodURLs must be of printable ASCII characters");
    }
}

/* The logs of tasks show the URL, and the build-id goes behind it. */
static void a_user_name_a_query_and_a_fragment_are_refused(void **state)
{
    static const char *const urls[] = { "https://me:secret@a.example",
                                        "https://a.example/?x=", "https://a.example/#x" };
    size_t i;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        expect_refused(*state, urls[i],
                       "each URL of DebuginfodURLs must be without '@', '?' and '#'");
    }
}

static void a_url_has_a_limit(void **state)
{
    workspace_t *ws = *state;
    char url[RETRACE_CONFIG_URL_MAX + 2];

    memset(url, 'a', sizeof(url));
    memcpy(url, "https://", strlen("https://"));
    url[RETRACE_CONFIG_URL_MAX] = '\0';
    expect_taken(ws, url);
    url[RETRACE_CONFIG_URL_MAX] = 'a';
    url[RETRACE_CONFIG_URL_MAX + 1] = '\0';
    expect_refused(ws, url, "each URL of DebuginfodURLs must have at most 1024 bytes");
}

static void there_is_a_limit_to_their_number(void **state)
{
    workspace_t *ws = *state;
    const char *urls = "http://a";
    int i;

    for (i = 1; i < RETRACE_CONFIG_MAX_URLS; i++) {
        urls = apr_pstrcat(ws->pool, urls, " http://a", NULL);
    }
    expect_taken(ws, urls);
    expect_refused(ws, apr_pstrcat(ws->pool, urls, " http://a", NULL),
                   "DebuginfodURLs may have at most 10 URLs");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(none_one_and_several_are_taken),
        TEST(other_schemes_and_no_host_are_refused),
        TEST(control_characters_and_other_alphabets_are_refused),
        TEST(a_user_name_a_query_and_a_fragment_are_refused),
        TEST(a_url_has_a_limit),
        TEST(there_is_a_limit_to_their_number),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
