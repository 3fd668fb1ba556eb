/* SPDX-License-Identifier: Apache-2.0 */
/* A file from an HTTP server: what ends it, and that no server gets more time, space or trust than
 * it is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/http_server.h"
#include "worker/resolve/fetch.h"

#define LIMIT    10 /* bytes of a file */
#define TIME_MS  20000
#define SHORT_MS 500

static bool answer(const http_server_t *server, int fd, const char *path);

typedef struct stage_t {
    workspace_t *ws;
    http_server_t server;
    apr_array_header_t *servers;
    worker_fetch_t *fetch;
    int fd;
} stage_t;

static int setup(void **state)
{
    stage_t *stage;
    int rc = workspace_setup(state);

    if (rc != 0) {
        return rc;
    }
    (void)alarm(60);
    stage = apr_pcalloc(((workspace_t *)*state)->pool, sizeof(*stage));
    stage->ws = *state;
    http_server_start(&stage->server, stage->ws, "requests", answer);
    stage->servers = apr_array_make(stage->ws->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(stage->servers, const char *) = stage->server.url;
    stage->fd = openat(stage->ws->dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    *state = stage;
    return worker_fetch_make(&stage->fetch, stage->servers, NULL, stage->ws->pool);
}

static int teardown(void **state)
{
    stage_t *stage = *state;
    void *ws = stage->ws;

    (void)alarm(0);
    (void)close(stage->fd);
    http_server_stop(&stage->server);
    return workspace_teardown(&ws);
}

static apr_status_t get(stage_t *stage, const char *path, int64_t time_ms)
{
    const char *url = apr_pstrcat(stage->ws->pool, stage->server.url, path, NULL);

    return worker_fetch_get(stage->fetch, stage->fd, url, LIMIT, time_ms, &stage->ws->err,
                            stage->ws->pool);
}

static void expect(stage_t *stage, const char *path, const char *content)
{
    if (get(stage, path, TIME_MS) != APR_SUCCESS) {
        print_message("%s: %s\n", path, stage->ws->err.text);
        fail();
    }
    assert_string_equal(workspace_read(stage->ws, "file"), content);
}

static void expect_failure(stage_t *stage, const char *path, int64_t time_ms, apr_status_t status,
                           const char *words)
{
    apr_status_t rv = get(stage, path, time_ms);

    if (rv != status || strstr(stage->ws->err.text, words) == NULL) {
        print_message("%s: %d, not %d with '%s': %s\n", path, rv, status, words,
                      stage->ws->err.text);
        fail();
    }
}

/* --- The server's answers ------------------------------------------------------------------ */

static bool redirect(const http_server_t *server, int fd, const char *path)
{
    int left = atoi(path + strlen("/redirect/"));
    const char *to = left == 0 ? "/10" : apr_psprintf(server->ws->pool, "/redirect/%d", left - 1);

    return http_answer(fd, "302 Found", apr_psprintf(server->ws->pool, "Location: %s\r\n", to),
                       "a page that is too long for the file");
}

/* Until the client hangs up, which ends this process. */
static bool repeat(int fd, const char *text)
{
    for (;;) {
        http_send(fd, "%s", text);
    }
    return false;
}

static bool wait_for_hangup(const http_server_t *server, int fd, const char *path)
{
    (void)server;
    (void)path;
    http_wait_hangup(fd);
    return false;
}

static bool trickle(const http_server_t *server, int fd, const char *path)
{
    (void)server;
    (void)path;
    for (;;) {
        http_send(fd, "X-A: b\r\n");
        (void)usleep(100000);
    }
    return false;
}

static bool answer_status(const http_server_t *server, int fd, const char *path)
{
    (void)server;
    return http_answer(fd, path + strlen("/status/"), "", "short");
}

typedef struct route_t {
    const char *start;
    const char *bytes; /* all that is sent, then it hangs up; NULL: */
    bool (*function)(const http_server_t *server, int fd, const char *path);
} route_t;

static const route_t routes[] = {
    { "/10", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", NULL },
    { "/11", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", NULL },
    { "/open/10", "HTTP/1.1 200 OK\r\n\r\n0123456789", NULL },
    { "/open/11", "HTTP/1.1 200 OK\r\n\r\n01234567890", NULL },
    { "/announced", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0", wait_for_hangup },
    { "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n01234", NULL },
    { "/0.9", "\177ELF, and no headers", NULL },
    { "/nothing", "", NULL },
    { "/start", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n01", wait_for_hangup },
    { "/silence", "", wait_for_hangup },
    { "/trickle", "HTTP/1.1 200 OK\r\n", trickle },
    { "/redirect/", NULL, redirect },
    { "/nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", NULL },
    { "/to-file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", NULL },
    { "/to-other", "HTTP/1.1 302 Found\r\nLocation: http://localhost/10\r\n\r\n", NULL },
    { "/status/", NULL, answer_status },
};

static bool answer(const http_server_t *server, int fd, const char *path)
{
    size_t i;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strncmp(path, routes[i].start, strlen(routes[i].start)) == 0) {
            http_send(fd, "%s", routes[i].bytes != NULL ? routes[i].bytes : "");
            return routes[i].function != NULL && routes[i].function(server, fd, path);
        }
    }
    if (strcmp(path, "/endless-headers") == 0) {
        http_send(fd, "HTTP/1.1 200 OK\r\n");
        return repeat(fd, "X-Header: value\r\n");
    }
    http_send(fd, "HTTP/1.1 404 Not Found\r\n\r\n");
    return strcmp(path, "/endless-404") == 0 ? repeat(fd, "no, no, no, no, no\n") : false;
}

/* --- Files --------------------------------------------------------------------------------- */

static void a_file_at_the_limit_comes_whole(void **state)
{
    expect(*state, "/10", "0123456789");
    expect(*state, "/open/10", "0123456789");
}

static void a_file_of_one_byte_more_is_refused(void **state)
{
    expect_failure(*state, "/11", TIME_MS, APR_EINVAL, "more than 10 bytes");
    expect_failure(*state, "/open/11", TIME_MS, APR_EINVAL, "more than 10 bytes");
    expect_failure(*state, "/announced", TIME_MS, APR_EINVAL, "more than 10 bytes");
}

static void nothing_of_an_earlier_file_is_left(void **state)
{
    stage_t *stage = *state;

    assert_int_equal(write(stage->fd, "something longer than that", 26), 26);
    expect(stage, "/10", "0123456789");
}

static void what_cannot_be_written_is_told(void **state)
{
    stage_t *stage = *state;

    (void)close(stage->fd);
    stage->fd = openat(stage->ws->dir, "requests", O_RDONLY | O_CLOEXEC);
    expect_failure(stage, "/10", TIME_MS, EINVAL, "empty a file");
}

/* --- Other answers ------------------------------------------------------------------------- */

static void a_404_means_that_it_has_none(void **state)
{
    expect_failure(*state, "/none", TIME_MS, APR_NOTFOUND, "does not have it");
}

static void an_endless_page_with_a_404_is_not_read_to_its_end(void **state)
{
    expect_failure(*state, "/endless-404", TIME_MS, APR_NOTFOUND, "does not have it");
}

static void all_else_is_no_file_and_no_404(void **state)
{
    static const char *const codes[] = { "201", "204", "206", "304", "400",
                                         "403", "410", "500", "503" };
    stage_t *stage = *state;
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        expect_failure(stage, apr_pstrcat(stage->ws->pool, "/status/", codes[i], NULL), TIME_MS,
                       APR_EINVAL,
                       apr_pstrcat(stage->ws->pool, "the server answers with ", codes[i], NULL));
    }
    assert_string_equal(workspace_read(stage->ws, "file"), "");
}

static void endless_headers_end_it(void **state)
{
    expect_failure(*state, "/endless-headers", TIME_MS, APR_TIMEUP, "header");
}

static void what_breaks_off_or_is_no_http_is_no_answer(void **state)
{
    expect_failure(*state, "/cut", TIME_MS, APR_TIMEUP, "");
    expect_failure(*state, "/0.9", TIME_MS, APR_TIMEUP, "");
    expect_failure(*state, "/nothing", TIME_MS, APR_TIMEUP, "");
}

static void a_server_that_is_not_there_is_no_answer(void **state)
{
    stage_t *stage = *state;

    http_server_stop(&stage->server);
    expect_failure(stage, "/10", TIME_MS, APR_TIMEUP, "");
    http_server_start(&stage->server, stage->ws, "requests", answer);
}

static void who_takes_too_long_is_left(void **state)
{
    expect_failure(*state, "/silence", SHORT_MS, APR_TIMEUP, "");
    expect_failure(*state, "/start", SHORT_MS, APR_TIMEUP, "");
    expect_failure(*state, "/trickle", SHORT_MS, APR_TIMEUP, "");
}

static void without_time_nothing_is_asked(void **state)
{
    stage_t *stage = *state;

    expect_failure(stage, "/10", 0, APR_TIMEUP, "the time for it is over");
    assert_int_equal(http_server_count(&stage->server, "connection"), 0);
}

static void a_connection_serves_one_file_after_the_other(void **state)
{
    stage_t *stage = *state;

    expect_failure(stage, "/status/500", TIME_MS, APR_EINVAL, "");
    expect_failure(stage, "/status/404", TIME_MS, APR_NOTFOUND, "");
    expect_failure(stage, "/status/404", TIME_MS, APR_NOTFOUND, "");
    assert_int_equal(http_server_count(&stage->server, "GET"), 3);
    assert_int_equal(http_server_count(&stage->server, "connection"), 1);
}

/* --- Redirects ----------------------------------------------------------------------------- */

static void a_redirect_is_followed_on_the_same_host(void **state)
{
    expect(*state, "/redirect/0", "0123456789");
}

static void five_redirects_are_followed_and_no_more(void **state)
{
    stage_t *stage = *state;

    expect(stage, "/redirect/4", "0123456789");
    assert_int_equal(http_server_count(&stage->server, "GET /redirect/"), 5);
    expect_failure(stage, "/redirect/5", TIME_MS, APR_EINVAL, "redirects more than 5 times");
    expect_failure(stage, "/redirect/999", TIME_MS, APR_EINVAL, "redirects more than 5 times");
}

static void a_redirect_to_a_file_or_to_another_host_is_refused(void **state)
{
    expect_failure(*state, "/to-file", TIME_MS, APR_EINVAL,
                   "redirects to file:///etc/passwd, which is not allowed");
    expect_failure(*state, "/to-other", TIME_MS, APR_EINVAL,
                   "redirects to http://localhost/10, which is not allowed");
    expect_failure(*state, "/nowhere", TIME_MS, APR_EINVAL, "the server answers with 302");
}

static void a_url_of_a_file_is_not_read(void **state)
{
    stage_t *stage = *state;

    workspace_write(stage->ws, "secret", "0123456789");
    stage->server.url = apr_pstrcat(stage->ws->pool, "file://", stage->ws->path, NULL);
    expect_failure(stage, "/secret", TIME_MS, APR_TIMEUP, "file");
    assert_string_equal(workspace_read(stage->ws, "file"), "");
}

static void a_redirect_stays_with_the_servers_and_keeps_tls(void **state)
{
    static const struct {
        const char *from, *to;
        bool may;
    } cases[] = {
        { "https://a.example/x", "https://a.example/y", true },
        { "https://a.example/x", "https://A.EXAMPLE/y", true },
        { "https://a.example/x", "https://a.example:443/y", true },
        { "https://a.example/x", "https://b.example:8002/y", true },
        { "http://b.example/x", "https://a.example/y", true },
        { "http://b.example/x", "http://b.example:8002/y", true },
        { "http://b.example/x", "http://d.example/y", true },
        { "http://d.example/x", "https://d.example/y", true },
        { "http://d.example/x", "https://d.example:443/y", true },
        { "http://d.example/x", "https://d.example:8443/y", false },
        { "http://d.example/x", "http://d.example:443/y", false },
        { "https://a.example/x", "https://a.example:8443/y", false },
        { "https://a.example/x", "https://a.example:22/y", false },
        { "https://a.example/x", "https://b.example/y", false },
        { "http://b.example/x", "http://a.example/y", false },
        { "http://b.example/x", "http://b.example/y", false },
        { "http://b.example/x", "http://b.example:80/y", false },
        { "http://b.example/x", "http://me@b.example:8002/y", false },
        { "http://b.example/x", "http://:secret@b.example:8002/y", false },
        { "https://a.example/x", "https://me:secret@a.example/y", false },
        { "https://a.example/x", "http://a.example/y", false },
        { "https://a.example/x", "https://c.example/y", false },
        { "https://a.example/x", "https://a.example.org/y", false },
        { "https://a.example/x", "https://a.example@c.example/y", false },
        { "https://a.example/x", "https://c.example/#a.example", false },
        { "https://a.example/x", "file:///etc/passwd", false },
        { "https://a.example/x", "file://a.example/etc/passwd", false },
        { "https://a.example/x", "ftp://a.example/y", false },
        { "https://a.example/x", "gopher://a.example/y", false },
        { "https://a.example/x", "", false },
        { "https://a.example/x", "/y", false },
    };
    stage_t *stage = *state;
    apr_array_header_t *servers = apr_array_make(stage->ws->pool, 2, sizeof(const char *));
    size_t i;

    APR_ARRAY_PUSH(servers, const char *) = "https://a.example/debuginfod/";
    APR_ARRAY_PUSH(servers, const char *) = "http://b.example:8002";
    APR_ARRAY_PUSH(servers, const char *) = "http://d.example";
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (worker_fetch_may_follow(servers, cases[i].from, cases[i].to, stage->ws->pool)
            != cases[i].may) {
            print_message("%s -> %s\n", cases[i].from, cases[i].to);
            fail();
        }
    }
}

/* --- Trust --------------------------------------------------------------------------------- */

static void the_environment_names_no_proxy(void **state)
{
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    expect(*state, "/10", "0123456789");
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static int run_tls_server(void *baton)
{
    stage_t *stage = baton;

    if (chdir(stage->ws->path) != 0) {
        return 1;
    }
    (void)alarm(60);
    (void)execlp("openssl", "openssl", "s_server", "-quiet", "-WWW", "-key", "key.pem", "-cert",
                 "cert.pem", "-accept",
                 apr_psprintf(stage->ws->pool, "127.0.0.1:%d", stage->server.port), (char *)NULL);
    return 1;
}

/* Until somebody listens there. */
static void wait_for_port(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    bool is_up = false;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (!is_up) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        is_up = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        (void)close(fd);
        (void)usleep(10000);
    }
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
    stage_t *stage = *state;
    pid_t tls;

    workspace_write(stage->ws, "10", "0123456789");
    workspace_shell(stage->ws,
                    "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem"
                    " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1");
    http_server_stop(&stage->server);
    tls = workspace_start(run_tls_server, stage);
    wait_for_port(stage->server.port);
    stage->server.url = apr_psprintf(stage->ws->pool, "https://127.0.0.1:%d", stage->server.port);
    expect_failure(stage, "/10", TIME_MS, APR_TIMEUP, "certificate");
    (void)kill(tls, SIGKILL);
    (void)waitpid(tls, NULL, 0);
    http_server_start(&stage->server, stage->ws, "requests", answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_at_the_limit_comes_whole),
        TEST(a_file_of_one_byte_more_is_refused),
        TEST(nothing_of_an_earlier_file_is_left),
        TEST(what_cannot_be_written_is_told),
        TEST(a_404_means_that_it_has_none),
        TEST(an_endless_page_with_a_404_is_not_read_to_its_end),
        TEST(all_else_is_no_file_and_no_404),
        TEST(endless_headers_end_it),
        TEST(what_breaks_off_or_is_no_http_is_no_answer),
        TEST(a_server_that_is_not_there_is_no_answer),
        TEST(who_takes_too_long_is_left),
        TEST(without_time_nothing_is_asked),
        TEST(a_connection_serves_one_file_after_the_other),
        TEST(a_redirect_is_followed_on_the_same_host),
        TEST(five_redirects_are_followed_and_no_more),
        TEST(a_redirect_to_a_file_or_to_another_host_is_refused),
        TEST(a_url_of_a_file_is_not_read),
        TEST(a_redirect_stays_with_the_servers_and_keeps_tls),
        TEST(the_environment_names_no_proxy),
        TEST(a_certificate_that_nobody_vouches_for_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
