/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/reply.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "helpers/task/reply.h"
#include "tests/unit/workspace.h"

static void feed(workspace_t *ws, reply_builder_t *builder, const char *lines)
{
    const char *end;

    (void)ws;
    for (; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        assert_true(reply_builder_header(builder, lines, (apr_size_t)(end + 1 - lines)));
    }
}

static void headers_are_found_whatever_their_case(void **state)
{
    workspace_t *ws = *state;
    reply_builder_t builder;
    const task_reply_t *reply;

    reply_builder_start(&builder, 10, ws->pool);
    feed(ws, &builder,
         "HTTP/1.1 201 Created\r\nX-TASK-ID:123456789\r\nx-task-password: \t secret \r\n"
         "X-Task-Id-More: x\r\nno colon\r\n\r\n");
    assert_true(builder.is_complete);
    reply = reply_builder_finish(&builder);
    assert_int_equal(reply->status, 201);
    assert_string_equal(reply->task_id, "123456789");
    assert_string_equal(reply->task_password, "secret");
    assert_null(reply->task_status);
    assert_string_equal(reply->body, "");
}

static void a_continue_is_not_the_answer(void **state)
{
    workspace_t *ws = *state;
    reply_builder_t builder;

    reply_builder_start(&builder, 10, ws->pool);
    feed(ws, &builder, "HTTP/1.1 100 Continue\r\nX-Task-Id: 1\r\n\r\n");
    assert_false(builder.is_complete);
    feed(ws, &builder, "HTTP/1.1 403 Forbidden\r\n\r\n");
    assert_true(builder.is_complete);
    assert_int_equal(builder.reply.status, 403);
    assert_null(builder.reply.task_id);
}

static void headers_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    reply_builder_t builder;
    char *line = apr_pcalloc(ws->pool, TASK_HEADERS_MAX + 1);

    memset(line, 'x', TASK_HEADERS_MAX);
    reply_builder_start(&builder, 10, ws->pool);
    assert_true(reply_builder_header(&builder, line, TASK_HEADERS_MAX));
    assert_false(builder.is_too_long);
    assert_false(reply_builder_header(&builder, line, 1));
    assert_true(builder.is_too_long);
}

static void a_body_has_a_limit_and_grows_in_pieces(void **state)
{
    workspace_t *ws = *state;
    reply_builder_t builder;
    const task_reply_t *reply;
    int i;

    reply_builder_start(&builder, 20000, ws->pool);
    for (i = 0; i < 2000; i++) {
        assert_true(reply_builder_body(&builder, "0123456789", 10));
    }
    reply = reply_builder_finish(&builder);
    assert_int_equal(reply->length, 20000);
    assert_int_equal(strlen(reply->body), 20000);
    assert_string_equal(reply->body + 19990, "0123456789");
    assert_false(reply_builder_body(&builder, "x", 1));
    assert_true(builder.is_too_long);
}

static void expect(void **state, task_reply_t reply, task_exit_t code, const char *sentence)
{
    workspace_t *ws = *state;

    reply.length = strlen(reply.body);
    assert_int_equal(task_reply_fail(&reply, TASK_EXIT_NO_TASK, &ws->err, ws->pool),
                     TASK_STATUS(code));
    assert_string_equal(ws->err.text, sentence);
}

static void the_sentence_of_the_server_is_told(void **state)
{
    expect(state, (task_reply_t){ .status = 403, .body = "Not %s\x1b.\n" }, TASK_EXIT_REFUSED,
           "the server answers 403: Not %s?");
    expect(state, (task_reply_t){ .status = 404, .body = "None." }, TASK_EXIT_NO_TASK,
           "the server answers 404: None");
    expect(state, (task_reply_t){ .status = 502, .body = "<html>" }, TASK_EXIT_UNAVAILABLE,
           "the server answers 502: it gives no reason");
    expect(state, (task_reply_t){ .status = 999, .body = "" }, TASK_EXIT_PROTOCOL,
           "the server answers 999: it gives no reason");
    expect(state,
           (task_reply_t){ .status = 409,
                           .content_type = "application/json",
                           .body = "{\"status\": 409, \"error\": \"It\\u001b has ended.\"}" },
           TASK_EXIT_REFUSED, "the server answers 409: It? has ended");
    expect(state,
           (task_reply_t){ .status = 500, .content_type = "application/json", .body = "[\"x\"]" },
           TASK_EXIT_UNAVAILABLE, "the server answers 500: it gives no reason");
    expect(state, (task_reply_t){ .status = 301, .body = "x", .location = "https://b/" },
           TASK_EXIT_PROTOCOL, "the server answers 301: the address is another one, https://b/");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(headers_are_found_whatever_their_case),
        TEST(a_continue_is_not_the_answer),
        TEST(headers_have_a_limit),
        TEST(a_body_has_a_limit_and_grows_in_pieces),
        TEST(the_sentence_of_the_server_is_told),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
